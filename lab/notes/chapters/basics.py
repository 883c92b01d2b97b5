"""Chapter: what the derivations take for granted, from a picture as a list of numbers to the walk from noise to data."""

from lab.notes.chapters.forward import SHARE
from lab.notes.step import DRAWS, SEED, Chapter, Check, Number, Shown, Source, Step

DDPM = "Ho, Jain & Abbeel 2020"
STARTS, MIDDLE = 2000, 0.25  # of the walk from noise; the place between both humps
WALK = Number("steps", "n", 50, 20, 100, whole=True)

CHAPTER = Chapter(
    "basics",
    "Before the first derivation",
    "What the later chapters take for granted, in eight short steps, and where all of it leads. You need calculus and a first course in probability. "
    "Every step has a check: it computes both sides separately, on numbers that you can change.",
    (
        Step(
            "picture",
            "A picture is a list of numbers",
            (
                r"A colour picture of 64 by 64 pixels has $64 \cdot 64 \cdot 3 = 12{,}288$ values: red, green and blue of each pixel. Written one below the other they are a vector $x = (x_1, x_2, \dots)$, "
                r"one point in a space of 12,288 dimensions. Files hold each value as a whole number $g$ from 0 to 255; models see it scaled to the range from $-1$ to $1$.",
                r"$\|x\|^2$ is the sum of the squares of all values, and $x \cdot y$ the sum of the products of two vectors' values. Nearly every formula in these notes treats all values alike. "
                r"So most checks use a picture of a single value, and then $x$ is an ordinary number.",
            ),
            (r"x = \frac{2 g}{255} - 1", r"\|x\|^2 = \sum_i x_i^2"),
            Check(
                "the lab's value for the grey $g$",
                r"$2g/255 - 1$",
                "basics.scale",
                (Number("grey", "g", 200, 0, 255, whole=True),),
            ),
            (Source(DDPM, "section 3.3"),),
            ("lab/engine/noising.py:to_tensor",),
            (Shown("noising", "Values turn normal"),),
        ),
        Step(
            "density",
            "A density: chances are areas",
            (
                r"Which pictures are there, and how often? For values on a line the answer is a density $p(x)$, a curve that is never below 0 and has the area 1. The chance to meet a value between $a$ and $b$, written $P(a \le x \le b)$, is the area under the curve between them. "
                r"The height itself is not a chance: it is a chance per unit of length, and it may exceed 1.",
                r"The data of most checks are a mixture of two humps: a share of the values, which you can set, comes from a hump around $-1$, the rest from one around $1.5$. Both humps are normal densities, see below, with the standard deviation 0.4.",
                r"Some checks find an area by quadrature: they cut it into thousands of thin strips and add these up. Others count random draws. This check does both, for the strip from $a = c - h$ to $b = c + h$.",
            ),
            (
                r"P(a \le x \le b) = \int_a^b p(x)\,\mathrm{d}x",
                r"\int_{-\infty}^{\infty} p(x)\,\mathrm{d}x = 1",
            ),
            Check(
                f"share of {DRAWS:,} draws that lie between $a$ and $b$",
                "the area, by quadrature",
                "basics.area",
                (Number("centre", "c", -1, -3, 3), Number("reach", "h", 0.5, 0.1, 3), SHARE, SEED),
            ),
            (),
            ("lab/engine/mixture.py:Mixture.pdf", "lab/engine/mixture.py:Mixture.sample"),
        ),
        Step(
            "mean",
            "An expectation: the mean of many draws",
            (
                r"The expectation $\mathbb{E}[f(x)]$ of a function $f$ is its mean over all values, each weighted by its density. A small letter beneath, as in $\mathbb{E}_p$, says from which density $x$ is drawn. "
                r"Expectations of sums are sums of expectations, and constant factors come out.",
                r"The variance $\mathrm{Var}[x]$ is the expected square of the distance from the mean; its root is the standard deviation, the usual distance from the mean.",
                r"The mean over $n$ random draws comes close to the expectation. It misses by about the draws' standard deviation divided by $\sqrt n$, which is called the standard error. Checks by random draws allow five standard errors: "
                r"a true equation is refused about once in two million checks. This check takes $f(x) = x^2$ and the two humps.",
            ),
            (
                r"\mathbb{E}[f(x)] = \int f(x)\,p(x)\,\mathrm{d}x",
                r"\mathrm{Var}[x] = \mathbb{E}\big[(x - \mathbb{E}[x])^2\big] = \mathbb{E}[x^2] - \mathbb{E}[x]^2",
            ),
            Check(
                r"mean of $x^2$ over $n$ draws",
                r"$\int x^2\,p(x)\,\mathrm{d}x$, by quadrature",
                "basics.mean",
                (Number("count", "n", 10_000, 200, 100_000, whole=True), SHARE, SEED),
            ),
            (),
            ("lab/engine/mixture.py:Mixture.sample",),
        ),
        Step(
            "normal",
            "The normal density",
            (
                r"$\mathcal{N}(m, s^2)$ is the normal density with mean $m$ and variance $s^2$, the well-known bell; $\mathcal{N}(x;\ m, s^2)$ is its height at $x$. Its logarithm is a parabola, which is why nearly everything in these notes can be worked out by hand.",
                r"$\epsilon \sim \mathcal{N}(0, 1)$ says that $\epsilon$ is drawn from the standard normal density. We call it noise. Stretched and shifted, $m + s\,\epsilon$ is a draw from $\mathcal{N}(m, s^2)$.",
                r"For a whole picture $\mathcal{N}(0, I)$ means that each value gets noise of its own, independent of the others. The identity matrix $I$ says just that: variance 1 for each, and no connection between any two.",
            ),
            (
                r"\mathcal{N}(x;\ m, s^2) = \frac{1}{\sqrt{2\pi s^2}}\,\exp\Big(-\frac{(x-m)^2}{2 s^2}\Big)",
                r"x = m + s\,\epsilon \ \Rightarrow\ \mathbb{E}[x] = m, \quad \mathrm{Var}[x] = s^2",
            ),
            Check(
                rf"mean of $(x-m)^2$ over {DRAWS:,} draws of the lab's noise",
                r"$s^2$",
                "basics.normal",
                (Number("m", "m", 0.4, -2, 2), Number("s", "s", 0.7, 0.05, 5), SEED),
            ),
            (),
            ("lab/engine/noising.py:gaussian",),
            (Shown("noising", "Values turn normal"),),
        ),
        Step(
            "sum",
            "Independent parts: variances add",
            (
                r"Two draws $x$ and $y$ are independent if knowing one says nothing about the other. Then the expectation of a product of their deviations from the mean is 0, the mixed term of the square disappears, and the variances add. Factors $a$ and $b$ count squared.",
                r"If both are normal, so is their sum. If only one of them is, the sum is a blurred version of the other: every hump gets wider. A noisy picture is such a sum. The check adds noise $y = \epsilon$ to the two humps.",
            ),
            (
                r"\mathrm{Var}[a x + b y] = a^2\,\mathrm{Var}[x] + b^2\,\mathrm{Var}[y]",
                r"a\,\epsilon + b\,\epsilon' \sim \mathcal{N}(0,\ a^2 + b^2)",
            ),
            Check(
                r"variance of $a x + b\,\epsilon$, by draws",
                r"$a^2\,\mathrm{Var}[x] + b^2$, with the lab's variance of the two humps",
                "basics.sum",
                (Number("a", "a", 0.8, -2, 2), Number("b", "b", 0.6, -2, 2), SHARE, SEED),
            ),
            (),
            ("lab/engine/mixture.py:Mixture.moments",),
            (Shown("noising", "Half gone"),),
        ),
        Step(
            "bayes",
            "Bayes' rule: from the effect to the cause",
            (
                r"A bar reads “given”: $p(x \mid y)$ is the density of $x$ when $y$ is known. The density of both together is $p(x, y) = p(x \mid y)\,p(y)$. Summed over all $y$, or integrated, it gives $p(x)$, the marginal.",
                r"The same pair can be split the other way round, $p(x, y) = p(y \mid x)\,p(x)$. Set both equal and divide by $p(x)$: that is Bayes' rule. It turns the belief $p(y)$ held before $x$ was seen, the prior, into the belief afterwards, the posterior.",
                r"Often only the shape matters, and one writes $p(y \mid x) \propto p(x \mid y)\,p(y)$. The sign $\propto$ means: equal up to a factor that does not depend on $y$. In the check $y$ is the hump that a value came from.",
            ),
            (r"p(y \mid x) = \frac{p(x \mid y)\,p(y)}{p(x)}, \quad p(x) = \sum_y p(x \mid y)\,p(y)",),
            Check(
                "chance that $x$ came from the left hump, by the lab",
                "the same by Bayes' rule",
                "basics.bayes",
                (Number("x", "x", -0.1, -3, 3), SHARE),
            ),
            (),
            ("lab/engine/mixture.py:Mixture.responsibilities",),
            (Shown("guidance", "Bayes' rule, exactly"),),
        ),
        Step(
            "slope",
            "Slopes and gradients",
            (
                r"A function of many values has a slope in the direction of each; all of them together are its gradient $\nabla f$, a vector that points uphill. The gradient of a log-density, $\nabla\log p(x)$, is called the score. It points from $x$ to where data are denser; for a normal density with mean $m$ and standard deviation $s$ that is towards $m$.",
                r"A network is a function with many adjustable numbers, its weights, written $\theta$. Training means: compute a loss, a number that says how wrong the network's answers are, and move all weights a little against the gradient of the loss. Then again, with other pictures.",
                r"A check can find a slope by differences, $(f(x + \delta) - f(x - \delta))/2\delta$ with a small $\delta$, without knowing any formula for it. This one does so for $\log p$ of the two humps.",
            ),
            (
                r"\nabla \log p(x) = \frac{p'(x)}{p(x)}",
                r"\nabla\log\mathcal{N}(x;\ m, s^2) = -\frac{x - m}{s^2}",
            ),
            Check(
                r"slope of $\log p$ at $x$, by differences",
                "the lab's score",
                "basics.slope_check",
                (Number("x", "x", -0.1, -3, 3), SHARE),
            ),
            (),
            ("lab/engine/mixture.py:Mixture.score",),
            (Shown("score", "Figure 3"),),
        ),
        Step(
            "walk",
            "Where this leads: from noise to data",
            (
                r"A diffusion model learns from pictures that have been mixed with noise. $x_0$ is the picture, $\epsilon$ the noise, and $x_t$ the mixture at the timestep $t$. The number $\bar\alpha_t$ says how much of it is picture: it falls from 1 at $t = 0$ to nearly 0 at the last timestep $T$. "
                r"The network sees $x_t$ and learns to guess what it was mixed from.",
                r"To make a new picture, start with noise alone and go back step by step. Each step asks the network for its guess, and moves a little towards it. The better the guesses, the closer the density of what comes out is to that of the training pictures.",
                r"The chapters that follow derive what training has to make small, apply it to noisy pictures, and say how to walk back, quickly and towards what was asked for. "
                r"For two humps the best guess is known exactly, so the walk can be tried at once, without a network. The check starts from 2,000 values of noise.",
            ),
            (
                r"x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon",
                r"x_T \sim \mathcal{N}(0, I), \quad x_T \to \dots \to x_t \to x_{t-1} \to \dots \to x_0",
            ),
            Check(
                r"share of walks that end at the left hump, after $2n$ of the lab's steps",
                "share of the data there",
                "basics.walk",
                (SHARE, WALK),
            ),
            (Source(DDPM, "eq. 4 and algorithm 2"),),
            ("lab/engine/plane_lanes.py:ddim",),
            (Shown("score", "Four ways down"),),
        ),
    ),
)
