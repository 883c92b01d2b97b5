"""What tabs of rooms have in common: a radio chooses a room, and each has controls, presets, a stage and a run of its own."""
