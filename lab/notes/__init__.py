"""The notes: derivations of which every step can be checked on numbers, a table of notation, and the history of the papers.

`step.py` says what a step is, `chapters` has them, `checks` what their checks compute, `notation.py` the symbols, `history.py` the works that steps refer to, `ways.py` in which order to read. Nothing here
knows of the page.
"""
