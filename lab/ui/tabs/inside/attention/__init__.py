"""The room of the words."""
