"""The tab Inside."""

from lab.ui.shell.instrument import Instrument, Term
from lab.ui.shell.sources import beside
from lab.ui.tabs.inside import tab, weights

TAB = Instrument(
    name="inside",
    title="Inside",
    question="What does a picture weigh?",
    group="Inside",
    build=tab.build,
    card="Walk through latent space by hand, turn beta until latents die, switch a channel off, see which word drew what.",
    papers=(
        "Auto-Encoding Variational Bayes",
        "High-Resolution Image Synthesis with Latent Diffusion Models",
    ),
    equation=(
        Term(
            "L<sub>β</sub>",
            "L beta",
            "what training makes large; at β = 1 the evidence lower bound (ELBO), at most log p(x)",
            ("#inside-stage .bound-sum", "#inside-note"),
        ),
        " = ",
        Term(
            "E<sub>q</sub>",
            "the mean over q",
            "over codes drawn from the posterior: mean + std ε",
            ("#inside-seed", "#inside-stage"),
        ),
        " ",
        Term(
            "log p(x | z)",
            "log p of x given z",
            "reconstruction: how well the code's picture fits",
            ("#inside-words", "#inside-picture-examples"),
        ),
        " − ",
        Term("β", "beta", "1 gives the bound; more asks for fewer nats in the code", ("#inside-room",)),
        " ",
        Term(
            "KL(q(z | x) ‖ p(z))",
            "the divergence of q of z given x from p of z",
            "the rate: what the code weighs, in nats",
            ("#inside-plot", "#inside-stage"),
        ),
    ),
    spoken=(
        "L beta equals the mean over q of log p of x given z, minus beta times the divergence of q of z given x from the prior"
    ),
    lesson=tab.Inside.lesson,
    presets=tuple(preset.title for preset in tab.PRESETS),
    stage="#inside-stage",
    style=tab.Inside.content.style + beside(__file__, "style.css"),
    routes=(*tab.Inside.content.routes, *weights.routes()),
)
