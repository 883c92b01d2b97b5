"""The tab unCLIP."""

from lab.ui.shell.instrument import Instrument, Term
from lab.ui.shell.sources import beside
from lab.ui.tabs.unclip import tab

TAB = Instrument(
    name="unclip",
    title="unCLIP",
    question="What lies between two pictures?",
    group="Steer",
    build=tab.build,
    card="Turn words into an embedding, mix two pictures, keep what a picture shows and draw the rest anew.",
    papers=("Hierarchical Text-Conditional Image Generation with CLIP Latents",),
    equation=(
        "P(",
        Term("x", "x", "a picture", ("#unclip-stage",)),
        " | ",
        Term("y", "y", "the words for it", ("#unclip-prompt",)),
        ") = ",
        Term(
            "P(x, z | y)",
            "P of x and z given y",
            "the same: a picture has one embedding z by CLIP, a point among those of all pictures",
            ("#unclip-picture-examples", "#unclip-plot"),
        ),
        " = ",
        Term(
            "P(x | z, y)",
            "P of x given z and y",
            "the decoder: pictures for an embedding",
            ("#unclip-stage", "#unclip-seed"),
        ),
        " ",
        Term(
            "P(z | y)",
            "P of z given y",
            "the prior: embeddings for words",
            (
                "#unclip-stages_prior_scale",
                "#unclip-stages_candidates",
                "#unclip-diversity_prior",
                "#unclip-stage .stages-prior",
            ),
        ),
    ),
    spoken="P of x given y equals P of x and z given y, which equals P of x given z and y times P of z given y",
    lesson=tab.Unclip.lesson,
    presets=tuple(preset.title for preset in tab.PRESETS),
    stage="#unclip-stage",
    style=tab.Unclip.content.style + beside(__file__, "style.css"),
    routes=tab.Unclip.content.routes,
)
