"""A folder a tab. Its `TAB` (`lab/ui/shell/instrument.py`) says what the page has to know of it."""
