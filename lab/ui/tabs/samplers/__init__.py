"""The tab samplers."""
