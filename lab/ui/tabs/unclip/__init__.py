"""The tab unCLIP."""
