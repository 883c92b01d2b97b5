"""The tab noising."""
