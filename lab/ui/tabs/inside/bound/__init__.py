"""The room of the bound."""
