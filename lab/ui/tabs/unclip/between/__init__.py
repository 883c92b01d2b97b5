"""The room between pictures."""
