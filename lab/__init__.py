"""Diffusion Lab: the papers that made diffusion models, as instruments to play in a browser."""
