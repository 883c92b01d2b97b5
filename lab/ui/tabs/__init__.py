"""One file a tab: `TITLE`, `QUESTION` and `build(backend, settings, page)`, which returns the tab's components and handlers."""
