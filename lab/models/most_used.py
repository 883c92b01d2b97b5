"""What is compiled first of what nobody waits for: the ten shapes that the openings of the tabs call.

A tab opens with its first preset's run. The shapes are those of the compiled networks that these runs call most, the number of rows
brought to the next batch size (BUCKETS of lab/models/compiled.py), by how many calls there are; a decoder, whose calls follow how often
the page looks, stands before its model. tests/models/test_most_used.py runs the openings and counts.
"""

from typing import NamedTuple


class Shape(NamedTuple):
    """A compiled network of a shipped model for a number of rows."""

    model: str  # a row of the catalog
    network: str  # as Engines names it
    rows: int  # of a call, a batch size
    side: int  # of its first input, in pixels or latents


# fmt: off
MOST_USED = (
    Shape("text-to-image", "decoder",                 1, 16),
    Shape("text-to-image", "denoiser",               16, 16),
    Shape("text-to-image", "denoiser",                8, 16),
    Shape("pixel",         "denoiser",                4, 32),
    Shape("unclip",        "decoder",                 1, 16),
    Shape("unclip",        "denoiser",               16, 16),
    Shape("edges",         "control",                16, 16),
    Shape("text-to-image", "denoiser under control", 16, 16),
    Shape("pixel",         "denoiser",               16, 32),
    Shape("text-to-image", "denoiser",                4, 16),
)
# fmt: on
