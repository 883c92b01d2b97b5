"""The tab models."""
