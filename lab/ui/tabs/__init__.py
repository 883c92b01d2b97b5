"""One file a tab: `TITLE` and `build(backend, settings, page)`, which returns the tab's components and handlers."""
