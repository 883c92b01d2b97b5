"""The room of variations: one picture drawn anew from its embedding."""
