"""How the shipped weights were made: `python -m lab.training NAME`."""
