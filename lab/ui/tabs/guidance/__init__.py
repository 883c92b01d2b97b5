"""The tab guidance."""
