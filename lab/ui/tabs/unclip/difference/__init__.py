"""The room of text differences."""
