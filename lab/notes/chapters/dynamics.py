"""Chapter: many small steps become an equation; its way back with noise and without; DDIM."""

from lab.notes.chapters.forward import SHARE, TIME, X_0, X_T, T
from lab.notes.step import SEED, Chapter, Check, Number, Shown, Source, Step

SDE, DDIM, EDM = "Song et al. 2020", "Song, Meng & Ermon 2020", "Karras et al. 2022"
PLACE = Number("x", "x", 0.5, -2.5, 2.5)
MOMENT = Number("t", "t", 0.3, 0.05, 0.95)

CHAPTER = Chapter(
    "dynamics",
    "Equations of motion, and DDIM",
    "Make the steps ever smaller: the chain becomes a stochastic differential equation. It can be run backwards, with noise or without, "
    "and DDIM turns out to be the way without. In this chapter $x$ is a single value.",
    (
        Step(
            "limit",
            "From steps to a differential equation",
            (
                r"Let time $t$ run from 0 to 1, and let a step last the short time $\mathrm{d}t$ and add noise of variance $\beta(t)\,\mathrm{d}t$; $\beta(t)$ is the rate of noise. A step multiplies $x$ by $\sqrt{1-\beta\,\mathrm{d}t}$, which is $1 - \tfrac12\beta\,\mathrm{d}t$ up to the square of $\mathrm{d}t$. That gives the first line. "
                r"There $\mathrm{d}w$ is short for $\sqrt{\mathrm{d}t}\,\epsilon$: fresh noise of variance $\mathrm{d}t$. An equation with such a term is called a stochastic differential equation, SDE.",
                r"$\bar\alpha(t)$ is a product of factors $1-\beta\,\mathrm{d}t$ over all times $s$ up to $t$. Its logarithm is a sum of $-\beta\,\mathrm{d}t$, which becomes an integral. The lab's rate grows evenly from 0.1 to 20.",
            ),
            (
                r"\mathrm{d}x = -\tfrac12\beta(t)\,x\,\mathrm{d}t + \sqrt{\beta(t)}\,\mathrm{d}w",
                r"\bar\alpha(t) = \exp\Big(-\int_0^t \beta(s)\,\mathrm{d}s\Big)",
            ),
            Check(
                r"the product of $1 - \beta\,\mathrm{d}t$ over $n$ steps",
                r"the lab's $\bar\alpha(t)$",
                "dynamics.limit",
                (Number("t", "t", 0.5, 0.01, 1), Number("steps", "n", 2000, 100, 10_000, whole=True)),
            ),
            (Source(SDE, "eq. 11, 29 and 33"),),
            ("lab/engine/plane_lanes.py:preserving", "lab/engine/plane_lanes.py:beta"),
            (Shown("samplers", "One formula"),),
        ),
        Step(
            "spread",
            "How the density moves",
            (
                r"Let $q_t(x)$ be the density of $x$ at time $t$, and $h(x)$ any smooth function that is 0 far out. In the time $\mathrm{d}t$ the value changes by $-\tfrac12\beta x\,\mathrm{d}t + \sqrt{\beta}\,\mathrm{d}w$. Expand $h$ by Taylor's theorem. The noise has the mean 0, so its first power drops out; its square has the mean $\beta\,\mathrm{d}t$. "
                r"Hence $\mathrm{d}\,\mathbb{E}[h(x)] = \mathbb{E}\big[-\tfrac12\beta x\,h'(x) + \tfrac12\beta\,h''(x)\big]\,\mathrm{d}t$.",
                r"Write the expectations as integrals with $q_t$, and integrate by parts until $h$ has no derivatives; nothing is left at the ends, where $h$ is 0. As both sides are equal for every $h$, the factors of $h$ under the integrals are equal. This is the Fokker–Planck equation.",
            ),
            (
                r"\frac{\partial q_t}{\partial t} = \tfrac12\beta(t)\,\frac{\partial}{\partial x}\big(x\,q_t\big) + \tfrac12\beta(t)\,\frac{\partial^2 q_t}{\partial x^2}",
            ),
            Check(
                r"slope of the lab's density by $t$, by differences",
                r"the right side, by differences in $x$",
                "dynamics.spread",
                (PLACE, MOMENT, SHARE),
            ),
            (Source(SDE, "appendix D.1"),),
            ("lab/engine/mixture.py:Mixture.pdf",),
            (Shown("score", "Four ways down"),),
        ),
        Step(
            "backwards",
            "The way back, with noise",
            (
                r"Let time run backwards: $\tau = -t$, and the density has to change by $\partial q_t/\partial\tau = -\partial q_t/\partial t$. We look for an SDE in $\tau$ with the same noise and some drift $b(x)$. For it the Fokker–Planck equation says $\partial q_t/\partial\tau = -\partial(b\,q_t)/\partial x + \tfrac12\beta\,\partial^2 q_t/\partial x^2$.",
                r"Set both equal, with the equation above for $\partial q_t/\partial t$: $\partial(b\,q_t)/\partial x = \partial\big(\tfrac12\beta\,x\,q_t + \beta\,\partial q_t/\partial x\big)/\partial x$. Since $\partial q_t/\partial x = q_t\,\nabla\log q_t$, the drift $b = \tfrac12\beta\,x + \beta\,\nabla\log q_t$ does it. "
                r"The only unknown in it is the score. $\mathrm{d}\bar w$ is noise of variance $\mathrm{d}\tau$.",
            ),
            (
                r"\mathrm{d}x = \beta(t)\big[\tfrac12 x + \nabla\log q_t(x)\big]\,\mathrm{d}\tau + \sqrt{\beta(t)}\,\mathrm{d}\bar w",
            ),
            Check(
                r"$-\partial q_t/\partial t$, by differences",
                "the change that this drift and noise make",
                "dynamics.backwards",
                (PLACE, MOMENT, SHARE),
            ),
            (Source("Anderson 1982", "its main theorem"), Source(SDE, "eq. 6")),
            ("lab/engine/plane_lanes.py:reverse_sde",),
            (Shown("score", "Four ways down"),),
        ),
        Step(
            "ancestral",
            "DDPM's step is a step of this equation",
            (
                r"Put Tweedie's $\hat x_0 = (x_t + (1-\bar\alpha_t)\nabla\log q_t(x_t))/\sqrt{\bar\alpha_t}$ into $\tilde\mu_t$. As with the noise, the terms with $x_t$ add up to $x_t/\sqrt{\alpha_t}$, and the score has the factor $\beta_t/\sqrt{\alpha_t}$.",
                r"A short step has $\beta_t = \beta\,\mathrm{d}t$ and $1/\sqrt{\alpha_t} = 1 + \tfrac12\beta\,\mathrm{d}t + O(\mathrm{d}t^2)$. Multiply out: that is the drift above.",
            ),
            (
                r"\tilde\mu_t(x_t, \hat x_0) = \frac{x_t + \beta_t\,\nabla\log q_t(x_t)}{\sqrt{\alpha_t}}",
                r"= x_t + \beta\,\mathrm{d}t\,\big[\tfrac12 x_t + \nabla\log q_t(x_t)\big] + O(\mathrm{d}t^2)",
            ),
            Check(
                r"how far the mean of the lab's DDPM step moves, divided by $\beta\,\mathrm{d}t$",
                r"$\tfrac12 x + \nabla\log q_t(x)$",
                "dynamics.ancestral",
                (PLACE, MOMENT, SHARE, Number("step", r"\mathrm{d}t", 0.001, 0.0001, 0.01)),
            ),
            (Source(SDE, "eq. 4 and appendix E"),),
            ("lab/engine/plane_lanes.py:ddpm",),
            (Shown("samplers", "DDPM against DDIM"),),
        ),
        Step(
            "flow",
            "The way without noise",
            (
                r"What noise does to the density, a current can do as well: $\tfrac12\beta\,\partial^2 q_t/\partial x^2 = \partial\big(\tfrac12\beta\,q_t\,\nabla\log q_t\big)/\partial x$. Put this into the Fokker–Planck equation. It becomes a continuity equation, "
                r"$\partial q_t/\partial t = -\partial(v\,q_t)/\partial x$, which says that particles move with the velocity $v(x, t)$ and none is lost.",
                r"Particles that follow $v$ without any noise have the density $q_t$ at every time, forwards and backwards, though each of them takes another way than it would with noise. This is the probability flow.",
            ),
            (r"\frac{\mathrm{d}x}{\mathrm{d}t} = v(x, t) = -\tfrac12\beta(t)\big[x + \nabla\log q_t(x)\big]",),
            Check(
                r"slope of the lab's density by $t$, by differences",
                r"$-\partial(v\,q_t)/\partial x$, by differences",
                "dynamics.flow",
                (PLACE, MOMENT, SHARE),
            ),
            (Source(SDE, "eq. 13 and appendix D.1"),),
            ("lab/engine/mixture.py:Mixture.score_at", "lab/engine/likelihood.py:OdeDensity"),
            (Shown("samplers", "One formula"),),
        ),
        Step(
            "quantile",
            "On a line the flow keeps ranks",
            (
                r"Paths of a differential equation with a smooth velocity do not cross: from each place there is only one way on. On a line no particle can therefore overtake another, and the share of particles below a given one never changes.",
                r"So the start $x_T$ has the same rank among the noise, $q_T$, as its end $x_0$ has among the data, $q_0$. This says where each start ends, without any network.",
            ),
            (r"\int_{-\infty}^{x_0} q_0(x)\,\mathrm{d}x = \int_{-\infty}^{x_T} q_T(x)\,\mathrm{d}x",),
            Check(
                r"share of $q_T$ below the start",
                "share of the data below the end of the lab's DDIM in 100 steps",
                "dynamics.quantile",
                (Number("x_t", "x_T", 0.4, -2, 2), SHARE),
            ),
            (Source(SDE, "section 4.3"),),
            ("lab/engine/plane_lanes.py:ddim",),
            (Shown("score", "Four ways down"),),
        ),
        Step(
            "family",
            "DDIM: other chains with the same marginals",
            (
                r"Training uses only $q(x_t \mid x_0)$, never the chain itself. So any other way back that keeps these densities will do. From $x_t$ and $x_0$ find the noise that is in $x_t$, keep a part of it, and add fresh noise $\epsilon'$ of standard deviation $\sigma_t$ for the rest.",
                r"Where $x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon$, the fraction below is $\epsilon$. Old and fresh noise are independent, and their variances add up to $1-\bar\alpha_{t-1}$. So $x_{t-1}$ has the density $q(x_{t-1} \mid x_0)$ again, for each $\sigma_t$ that leaves the root real. By induction from $T$ downwards this is true for all $t$.",
                r"DDIM writes $\sigma_t^2 = \eta^2\tilde\beta_t$, with a dial $\eta$ from 0 to 1.",
            ),
            (
                r"x_{t-1} = \sqrt{\bar\alpha_{t-1}}\,x_0 + \sqrt{1-\bar\alpha_{t-1}-\sigma_t^2}\;\frac{x_t - \sqrt{\bar\alpha_t}\,x_0}{\sqrt{1-\bar\alpha_t}} + \sigma_t\,\epsilon'",
            ),
            Check(
                r"mean square of such an $x_{t-1}$, by draws",
                r"$\bar\alpha_{t-1}x_0^2 + 1-\bar\alpha_{t-1}$",
                "dynamics.same_marginals",
                (X_0, TIME, Number("eta", r"\eta", 0.5, 0, 1), SEED),
            ),
            (Source(DDIM, "eq. 7 and lemma 1"),),
            ("lab/engine/samplers.py:DDIM",),
            (Shown("samplers", "The eta dial"),),
        ),
        Step(
            "eta",
            "At eta = 1 it is DDPM",
            (
                r"With $\sigma_t^2 = \tilde\beta_t$ the square under the root is $1-\bar\alpha_{t-1}-\tilde\beta_t = (1-\bar\alpha_{t-1})\frac{1-\bar\alpha_t-\beta_t}{1-\bar\alpha_t} = \frac{\alpha_t(1-\bar\alpha_{t-1})^2}{1-\bar\alpha_t}$, by $1-\bar\alpha_t-\beta_t = \alpha_t(1-\bar\alpha_{t-1})$. "
                r"Its root, divided by $\sqrt{1-\bar\alpha_t}$, is the factor of $x_t$ in $\tilde\mu_t$.",
                r"The factor of $x_0$ is then $\sqrt{\bar\alpha_{t-1}} - \sqrt{\bar\alpha_t}\sqrt{\alpha_t}\frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t} = \sqrt{\bar\alpha_{t-1}}\,\frac{1-\bar\alpha_t-\alpha_t(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}$, whose numerator is $\beta_t$. That is the factor of $x_0$ in $\tilde\mu_t$.",
            ),
            (
                r"\sqrt{\bar\alpha_{t-1}}\,x_0 + \sqrt{1-\bar\alpha_{t-1}-\tilde\beta_t}\;\frac{x_t - \sqrt{\bar\alpha_t}\,x_0}{\sqrt{1-\bar\alpha_t}} = \tilde\mu_t(x_t, x_0)",
            ),
            Check(
                r"DDIM's mean with $\sigma_t^2 = \tilde\beta_t$",
                "the lab's posterior mean",
                "dynamics.ddpm_is_ddim",
                (X_0, X_T, TIME),
            ),
            (Source(DDIM, "section 4.1"),),
            ("lab/engine/plane_lanes.py:posterior",),
            (Shown("samplers", "The eta dial"),),
        ),
        Step(
            "euler",
            "At eta = 0 it is Euler's step",
            (
                r"Without fresh noise, and with a guess in the place of $x_0$, DDIM's step from $t$ to an earlier time $s$ is $x_s = \sqrt{\bar\alpha_s}\,\hat x_0 + \sqrt{1-\bar\alpha_s}\,\hat\epsilon$. Divide by $\sqrt{\bar\alpha_s}$ and write $\bar x_t = x_t/\sqrt{\bar\alpha_t}$ and $\sigma(t) = \sqrt{(1-\bar\alpha_t)/\bar\alpha_t}$, noise over signal. "
                r"As $\hat x_0 = \bar x_t - \sigma(t)\,\hat\epsilon$, what remains is a straight step along $\hat\epsilon$.",
                r"It is a step of the probability flow. From $v$ above and $\mathrm{d}\sqrt{\bar\alpha} = -\tfrac12\beta\sqrt{\bar\alpha}\,\mathrm{d}t$ follows $\mathrm{d}\bar x = -\tfrac12\beta\,\nabla\log q_t\,\mathrm{d}t/\sqrt{\bar\alpha}$. From $\sigma^2 = 1/\bar\alpha - 1$ follows $\sigma\,\mathrm{d}\sigma = \tfrac12\beta\,\mathrm{d}t/\bar\alpha$. "
                r"With $\nabla\log q_t = -\hat\epsilon/\sqrt{1-\bar\alpha}$ their quotient is $\hat\epsilon$, and DDIM is Euler's method for it.",
            ),
            (
                r"\bar x_s = \bar x_t + \big(\sigma(s) - \sigma(t)\big)\,\hat\epsilon(x_t)",
                r"\frac{\mathrm{d}\bar x}{\mathrm{d}\sigma} = \hat\epsilon",
            ),
            Check(
                r"DDIM's step from $t$ to $s$, divided by $\sqrt{\bar\alpha_s}$",
                r"$\bar x_t + (\sigma(s) - \sigma(t))\,\hat\epsilon$",
                "dynamics.euler",
                (X_T, Number("t", "t", 600, 2, T, whole=True), Number("left", "s/t", 0.6, 0.01, 0.99), SHARE),
            ),
            (Source(DDIM, "eq. 13 and 14"), Source(EDM, "eq. 1 and 3")),
            ("lab/engine/plane_lanes.py:ddim",),
            (Shown("samplers", "There and back"),),
        ),
        Step(
            "one",
            "Why few steps can do",
            (
                r"If the data are a single picture $x_0$, the noise in $\bar x$ is $\hat\epsilon = (\bar x - x_0)/\sigma$. Along the path, where $\mathrm{d}\bar x/\mathrm{d}\sigma = \hat\epsilon$, it does not change. So the path is a straight line, and one step is as good as a thousand.",
                r"With many pictures the paths bend while it is undecided which of them it will be, and are nearly straight afterwards. Steps are needed where they bend.",
            ),
            (
                r"\frac{\mathrm{d}\hat\epsilon}{\mathrm{d}\sigma} = \frac{1}{\sigma}\,\frac{\mathrm{d}\bar x}{\mathrm{d}\sigma} - \frac{\bar x - x_0}{\sigma^2} = \frac{\hat\epsilon}{\sigma} - \frac{\hat\epsilon}{\sigma} = 0",
            ),
            Check(
                "end of the lab's DDIM in $n$ steps",
                "the only picture",
                "dynamics.one_picture",
                (
                    Number("x_t", "x_T", 0.4, -4, 4),
                    Number("picture", "x_0", 1.5, -3, 3),
                    Number("steps", "n", 1, 1, 50, whole=True),
                ),
            ),
            (Source(EDM, "section 3"),),
            ("lab/engine/plane_lanes.py:ddim",),
            (Shown("samplers", "How few steps?"),),
        ),
    ),
)
