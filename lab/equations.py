r"""What every sampler does in one step: two sentences, the equation and where it stands in its paper.

All in one notation, `NOTATION`. Of an equation the first line is the step, the others say what stands in it;
tests/ui/tabs/test_equations.py reads the LaTeX and computes it beside the lab's samplers.
"""

from typing import NamedTuple

INVERSION = "inversion"  # of DDIM: no row of SAMPLERS, since it runs upwards


class Equation(NamedTuple):
    """A step in words and in LaTeX, a line an entry."""

    words: str
    lines: tuple[str, ...]
    place: str  # in the paper of the sampler's row

    @property
    def latex(self) -> str:
        """The step, and below it what stands in it, two to a row, which fits a phone."""
        below = self.lines[1:]
        rows = [self.lines[0], *(r" \quad ".join(below[i : i + 2]) for i in range(0, len(below), 2))]
        return r"\begin{gathered}" + r" \\[6pt] ".join(rows) + r"\end{gathered}"


NOTATION = r"""A step goes from $x_t$ to $x_s$, at the next timestep. $\hat x_0$ and $\hat\epsilon$ are what the model predicts
from $x_t$; with an index $r$ what it predicted one step before. $z$ is fresh noise from $\mathcal N(0, I)$, and
$\sigma_t = \sqrt{(1-\bar\alpha_t)/\bar\alpha_t}$ the noise beside a picture of full strength."""

STEP = r"h = \log\sigma_t - \log\sigma_s"
RATIO = r"q = \frac{\log\sigma_r - \log\sigma_t}{h}"
EXTRAPOLATED = r"D = \hat x_0 + \frac{\hat x_0 - \hat x_{0,r}}{2q}"
DDIM_STEP = r"x_s = \sqrt{\bar\alpha_s}\,\hat x_0 + \sqrt{1-\bar\alpha_s}\,\hat\epsilon"
POSTERIOR = r"x_s = \frac{\sqrt{\bar\alpha_s}\,\beta}{1-\bar\alpha_t}\hat x_0 + \frac{\sqrt{1-\beta}\,(1-\bar\alpha_s)}{1-\bar\alpha_t}x_t + \sqrt{v}\,z"
NOISE_BETWEEN = r"\beta = 1 - \frac{\bar\alpha_t}{\bar\alpha_s}"
VELOCITY = r"v = \frac{n_t x_t - \hat x_0}{u_t}"
NORMS = (r"n_t = \sqrt{(1-u_t)^2 + u_t^2}", r"n_s = \sqrt{(1-u_s)^2 + u_s^2}")
LANGEVIN = (
    r"x_s = \sqrt{\bar\alpha_s}\left((1-\lambda)\,y + \lambda\,\hat x_0 + \sqrt{2\lambda}\,\sigma_t z\right)",
    r"y = \frac{x_t}{\sqrt{\bar\alpha_t}}",
)
SMALLEST = r"\frac{1-\bar\alpha_s}{1-\bar\alpha_t}\beta"

EQUATIONS = {
    "ddpm": Equation(
        r"The posterior of the forward chain, as if $\hat x_0$ were the picture: its mean, and noise of its variance $v$. "
        "Every step forgets a little and draws anew.",
        (POSTERIOR, NOISE_BETWEEN, rf"v = {SMALLEST}"),
        "equation 7",
    ),
    "ddpm_learned": Equation(
        r"DDPM's step with another variance: for every pixel the model says by $w$, from 0 to 1, where it lies between the "
        r"posterior's and $\beta$. Its mean is the same.",
        (
            POSTERIOR,
            NOISE_BETWEEN,
            rf"v = \exp\left(w \log\beta + (1-w)\log\left({SMALLEST}\right)\right)",
        ),
        "equation 15",
    ),
    "ddim": Equation(
        r"It takes both predictions and mixes them anew for the level of $s$. $\eta = 0$ adds no noise, so $x_T$ decides the "
        r"picture; $\eta = 1$ is DDPM's step.",
        (
            r"x_s = \sqrt{\bar\alpha_s}\,\hat x_0 + \sqrt{1-\bar\alpha_s-v}\,\hat\epsilon + \sqrt{v}\,z",
            r"v = \eta^2\,\frac{1-\bar\alpha_s}{1-\bar\alpha_t}\left(1-\frac{\bar\alpha_t}{\bar\alpha_s}\right)",
        ),
        "equations 12 and 16",
    ),
    "pndm": Equation(
        r"DDIM's step with a better $\hat\epsilon$: the polynomial through the last four predictions, $p$ the oldest, "
        r"tells where the next is heading. The first steps have fewer to go by, so the first is made twice.",
        (
            r"x_s = \sqrt{\bar\alpha_s}\left(\frac{x_t}{\sqrt{\bar\alpha_t}} + (\sigma_s-\sigma_t)\,E\right)",
            r"E = \frac{55\hat\epsilon - 59\hat\epsilon_r + 37\hat\epsilon_q - 9\hat\epsilon_p}{24}",
        ),
        "equation 9, with linear multistep",
    ),
    "euler": Equation(
        r"$x_t/\sqrt{\bar\alpha_t}$ follows a curve whose slope in $\sigma$ is $\hat\epsilon$; Euler goes straight along it. "
        r"That is DDIM at $\eta = 0$, written in $\sigma$.",
        (r"x_s = \sqrt{\bar\alpha_s}\left(\frac{x_t}{\sqrt{\bar\alpha_t}} + (\sigma_s-\sigma_t)\,\hat\epsilon\right)",),
        "algorithm 1 without its second call",
    ),
    "euler_a": Equation(
        r"Euler's step goes down to $a$, below the level of $s$, and fresh noise $b$ brings it back up. "
        r"That is DDIM at $\eta = 1$, written in $\sigma$.",
        (
            r"x_s = \sqrt{\bar\alpha_s}\left(\frac{x_t}{\sqrt{\bar\alpha_t}} + (a-\sigma_t)\,\hat\epsilon + b z\right)",
            r"a = \frac{\sigma_s^2}{\sigma_t}",
            r"b = \sqrt{\sigma_s^2 - a^2}",
        ),
        "in its notation; the step is k-diffusion's",
    ),
    "heun": Equation(
        r"Euler's step only tries out where it would end; the model is called there, and the mean of both slopes is taken. "
        r"Two calls a step, but for the last, which is Euler's.",
        (
            r"x_s = \sqrt{\bar\alpha_s}\left(\frac{x_t}{\sqrt{\bar\alpha_t}} + (\sigma_s-\sigma_t)\,\frac{\hat\epsilon+\hat\epsilon_s}{2}\right)",
        ),
        "algorithm 1",
    ),
    "dpmpp_2m": Equation(
        r"DDIM's step with $D$ for $\hat x_0$: a straight line through the last two predictions, in log $\sigma$, looks half "
        r"a step ahead. In the first and the last step $D$ is $\hat x_0$ itself.",
        (
            r"x_s = \sqrt{\frac{1-\bar\alpha_s}{1-\bar\alpha_t}}\,x_t + \sqrt{\bar\alpha_s}\,(1-e^{-h})\,D",
            EXTRAPOLATED,
            STEP,
            RATIO,
        ),
        "algorithm 2",
    ),
    "dpmpp_sde": Equation(
        r"DPM++ 2M for the reverse SDE: it goes twice as far towards $D$ on the logarithmic scale, and noise fills up what is "
        r"missing. In the first and the last step $D$ is $\hat x_0$ itself.",
        (
            r"x_s = \sqrt{\frac{1-\bar\alpha_s}{1-\bar\alpha_t}}\,e^{-h}x_t + \sqrt{\bar\alpha_s}\,(1-e^{-2h})\,D + \sqrt{1-\bar\alpha_s}\sqrt{1-e^{-2h}}\,z",
            EXTRAPOLATED,
            STEP,
            RATIO,
        ),
        "SDE-DPM-Solver++(2M)",
    ),
    "unipc": Equation(
        r"It predicts with DPM++ 2M's step, and the call made there also mends that step afterwards: $P$ is the parabola in "
        r"log $\sigma$ through the predictions at $r$, $t$ and $s$. After the first step there is no $r$ yet: $P$ is "
        r"the mean of two.",
        (
            r"x_s = \sqrt{1-\bar\alpha_s}\left(\frac{x_t}{\sqrt{1-\bar\alpha_t}} + \int_{-\log\sigma_t}^{-\log\sigma_s} e^{\lambda} P(\lambda)\,d\lambda\right)",
        ),
        "UniPC-2 with B(h) = exp(h) − 1",
    ),
    "deis": Equation(
        r"It integrates the slope $\hat\epsilon$ along a straight line in log $\sigma$ through the last two predictions. "
        r"The first step is DDIM's, and so is the last of fewer than 15; it ends at the lowest trained level, not at zero noise.",
        (
            r"x_s = \sqrt{\bar\alpha_s}\left(\frac{x_t}{\sqrt{\bar\alpha_t}} + \int_{\sigma_t}^{\sigma_s} P(\sigma)\,d\sigma\right)",
            r"P(\sigma) = \hat\epsilon + \frac{\log\sigma-\log\sigma_t}{\log\sigma_r-\log\sigma_t}(\hat\epsilon_r-\hat\epsilon)",
        ),
        "the log-ρ multistep of order 2",
    ),
    "flow_euler": Equation(
        r"$n_t x_t = (1-u_t)\,x_0 + u_t\,\epsilon$ lies on the straight line from the picture to the noise, and $u$ falls from 1 to 0 "
        r"in equal parts. $v$, what is expected of $\epsilon - x_0$, points along it, and Euler goes straight on.",
        (r"x_s = \frac{n_t x_t + (u_s-u_t)\,v}{n_s}", VELOCITY, *NORMS),
        "algorithm 1, in Euler's steps",
    ),
    "flow_heun": Equation(
        r"Flow Euler's step only tries out where it would end; the model is called there, and the mean of both velocities is "
        r"taken. Two calls a step, but for the last, which is Euler's.",
        (r"x_s = \frac{n_t x_t + (u_s-u_t)\,\frac{v+v_s}{2}}{n_s}", VELOCITY, *NORMS),
        "equation 1, in Heun's steps",
    ),
    "langevin": Equation(
        r"A part $\lambda$ of the way to $\hat x_0$, which is along the score, and as much noise as keeps it moving; $s$ is $t$ "
        r"in all calls, and $\lambda$ is 0.1. The last call ends at $\hat x_0$.",
        LANGEVIN,
        r"equation 4, $\lambda$ its $\epsilon/2\sigma^2$",
    ),
    "annealed": Equation(
        r"Langevin's step, five times at each level; $\sigma_t$ falls by the same factor from level to level, and $\lambda$ is what "
        r"Song & Ermon's technique 4 of 2020 makes of this factor. The last call ends at $\hat x_0$.",
        LANGEVIN,
        r"algorithm 1, $\lambda$ its $\alpha_i/2\sigma_i^2$",
    ),
    "lcm": Equation(
        r"It jumps to the predicted picture $f$ and noises that again for the next, lower level. "
        r"$f$ is $\hat x_0$ but for less than a thousandth from $t = 2$ up; the last jump adds no noise.",
        (
            r"x_s = \sqrt{\bar\alpha_s}\,f + \sqrt{1-\bar\alpha_s}\,z",
            r"f = \frac{1}{400t^2+1}x_t + \frac{20t}{\sqrt{400t^2+1}}\hat x_0",
        ),
        "its multistep sampling",
    ),
    INVERSION: Equation(
        r"DDIM's step at $\eta = 0$, taken upwards: here $s$ is the next higher timestep. It needs $\hat\epsilon$ at $s$ "
        r"and takes that at $t$ instead, so what comes back differs a little.",
        (DDIM_STEP,),
        "section 4.3",
    ),
}  # fmt: skip
