"""One file a tab: `TITLE` and `build(backend, settings)`."""
