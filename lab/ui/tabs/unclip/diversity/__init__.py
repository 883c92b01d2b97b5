"""The room of diversity over guidance."""
