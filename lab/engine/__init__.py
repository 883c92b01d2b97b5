"""The engine: forward noising, samplers, guidance and the lane loop. Knows no UI, no catalog and no cache."""
