"""The room of the two stages."""
