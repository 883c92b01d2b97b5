"""The tab start."""
