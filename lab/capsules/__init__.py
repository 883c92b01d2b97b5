"""A run taken out of the page and back: as a link or file, as a recording, as a script."""
