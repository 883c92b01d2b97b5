"""The tab papers."""
