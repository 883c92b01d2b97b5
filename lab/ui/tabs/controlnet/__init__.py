"""The tab controlnet."""
