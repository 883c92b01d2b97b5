"""The room of factors."""
