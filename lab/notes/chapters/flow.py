"""Chapter: consistency, flow matching, and why the latter is diffusion in other words for normal paths."""

from lab.notes.chapters.forward import SHARE
from lab.notes.step import SEED, Chapter, Check, Number, Shown, Source, Step

CONSISTENCY, FLOW, RECTIFIED = "Song et al. 2023", "Lipman et al. 2022", "Liu, Gong & Liu 2022"
PLACE = Number("x", "x", 0.5, -2.5, 2.5)
MOMENT = Number("t", "t", 0.4, 0.05, 0.95)
MEAN, STD, SIGMA = Number("m", "m", 0.7, -2, 2), Number("s", "s", 0.5, 0.1, 2), Number("sigma", r"\sigma", 3, 0.1, 20)

CHAPTER = Chapter(
    "flow",
    "Consistency and flow matching",
    "The end of the probability flow can be learned at once, or a velocity along straight lines. For normal noise the second is diffusion in other words. In this chapter $x$ is a single value.",
    (
        Step(
            "ends",
            "The end of the path, in closed form",
            (
                r"Let $x = x_0 + \sigma\epsilon$, a picture with noise of standard deviation $\sigma$. The probability flow is $\mathrm{d}x/\mathrm{d}\sigma = \hat\epsilon = (x - \mathbb{E}[x_0 \mid x])/\sigma$, as for DDIM. For data $\mathcal{N}(m, s^2)$ the best guess is $m + \frac{s^2}{s^2+\sigma^2}(x - m)$, so "
                r"$\frac{\mathrm{d}(x-m)}{\mathrm{d}\sigma} = \frac{\sigma}{s^2+\sigma^2}(x-m)$.",
                r"The factor is the slope of $\log\sqrt{s^2+\sigma^2}$ by $\sigma$. So along a path $x - m$ is proportional to $\sqrt{s^2+\sigma^2}$, which at $\sigma = 0$ is $s$. The end of the path through $x$ at the noise $\sigma$ is called $f(x, \sigma)$, the consistency function.",
            ),
            (r"f(x, \sigma) = m + \frac{s}{\sqrt{s^2+\sigma^2}}\,(x - m)",),
            Check(
                r"$f(x, \sigma)$",
                "end of 400 steps of Heun's method along the flow",
                "flow.end_of_the_way",
                (Number("x", "x", 2, -6, 6), SIGMA, MEAN, STD),
            ),
            (Source(CONSISTENCY, "section 3"), Source("Karras et al. 2022", "eq. 1 and 3")),
            ("lab/engine/plane_lanes.py:heun",),
            (Shown("samplers", "One step or eight?"),),
        ),
        Step(
            "consistency",
            "Consistency: one end for the whole path",
            (
                r"All points of a path $x(\sigma)$ have the same end, so $f$ does not change along it; at $\sigma = 0$ a point is its own end. Only one function has both properties. So a network that has them gives the end of the flow from any point, in a single call.",
                r"Training asks for equal answers at neighbouring points of a path. The second property is built into the network.",
            ),
            (
                r"\frac{\mathrm{d}}{\mathrm{d}\sigma} f(x(\sigma), \sigma) = \frac{\partial f}{\partial\sigma} + \frac{\partial f}{\partial x}\,\frac{x - \mathbb{E}[x_0 \mid x]}{\sigma} = 0, \quad f(x, 0) = x",
            ),
            Check(
                r"change of $f$ along the lab's flow, by differences",
                "0",
                "flow.constant_along_the_way",
                (Number("x", "x", 2, -6, 6), SIGMA, MEAN, STD),
            ),
            (Source(CONSISTENCY, "section 3, its definition and eq. 5"), Source("Luo et al. 2023", "section 4")),
            ("lab/engine/mixture.py:Mixture.denoise",),
            (Shown("samplers", "One step or eight?"),),
        ),
        Step(
            "no-end",
            "The best guess is not the end",
            (
                r"For data $\mathcal{N}(m, s^2)$, the best guess and the end $f$ both lie between $x$ and $m$. The guess is nearer to $m$: it has the factor $\frac{s^2}{s^2+\sigma^2}$, the end its square root, and a number between 0 and 1 is smaller than its root.",
                r"The best guess is a mean of many pictures and looks like one. The end is one picture, and all ends together have the spread $s$ of the data.",
            ),
            (
                r"\big|\mathbb{E}[x_0 \mid x] - m\big| = \frac{s^2}{s^2+\sigma^2}\,|x - m| \le \frac{s}{\sqrt{s^2+\sigma^2}}\,|x-m| = |f - m|",
            ),
            Check(
                "distance of the lab's best guess from the mean",
                "distance of the end from it",
                "flow.guess_is_no_end",
                (Number("x", "x", 2, -6, 6), SIGMA, MEAN, STD),
            ),
            (Source(CONSISTENCY, "section 3"),),
            ("lab/engine/mixture.py:Mixture.denoise",),
            (Shown("controlnet", "Draw an emoji"),),
        ),
        Step(
            "marginal",
            "Straight lines, and their mean velocity",
            (
                r"Join each picture with a noise by a straight line, $x_t = (1-t)\,x_0 + t\,\epsilon$, which is the picture at $t = 0$ and the noise at $t = 1$. Its velocity is $\epsilon - x_0$. Lines cross, so at one place there are many velocities; $u_t$ is their mean.",
                r"The mean velocity moves the density $q_t$ of $x_t$ in the right way. For a smooth function $h$ that is 0 far out, $\frac{\mathrm{d}}{\mathrm{d}t}\mathbb{E}[h(x_t)] = \mathbb{E}[h'(x_t)(\epsilon - x_0)] = \mathbb{E}[h'(x_t)\,u_t(x_t)]$, by taking the mean given $x_t$ first. "
                r"Write both as integrals with $q_t$ and integrate by parts: that is the continuity equation.",
            ),
            (
                r"u_t(x) = \mathbb{E}[\epsilon - x_0 \mid x_t = x]",
                r"\frac{\partial q_t}{\partial t} = -\frac{\partial}{\partial x}\big(u_t\,q_t\big)",
            ),
            Check(
                r"slope of the density by $t$, by differences",
                r"$-\partial(u_t\,q_t)/\partial x$ with the lab's velocity",
                "flow.continuity",
                (PLACE, MOMENT, SHARE),
            ),
            (Source(FLOW, "theorem 1"), Source(RECTIFIED, "theorem 3.3")),
            ("lab/engine/mixture.py:Mixture.velocity",),
            (Shown("score", "Four ways down"),),
        ),
        Step(
            "matching",
            "Flow matching: learn from single lines",
            (
                r"The mean velocity is unknown, but that of a single line is known. Let $v(x_t)$ be a guess and expand both squares. The mixed terms are equal, since $\mathbb{E}[v(x_t)(\epsilon - x_0)] = \mathbb{E}[v(x_t)\,u_t(x_t)]$. "
                r"What is left, $C$, does not depend on $v$: both losses are least for the same $v$, as with denoising and the score.",
                r"In the second line $\mathbb{E}[(\epsilon - x_0)^2] = 1 + \mathbb{E}[x_0^2]$, because noise and picture are independent and the mean of the noise is 0. The check takes $v(x) = kx$ with any number $k$.",
            ),
            (
                r"\mathbb{E}\big[(v - (\epsilon - x_0))^2\big] = \mathbb{E}\big[(v - u_t)^2\big] + C",
                r"C = \mathbb{E}[(\epsilon - x_0)^2] - \mathbb{E}[u_t^2] = 1 + \mathbb{E}[x_0^2] - \mathbb{E}[u_t^2]",
            ),
            Check(
                r"difference of both losses for $v(x) = kx$, by draws",
                r"$C$, by quadrature",
                "flow.same_minimum",
                (Number("k", "k", -1, -5, 5), MOMENT, SHARE, SEED),
            ),
            (Source(FLOW, "theorem 2"),),
            ("lab/engine/mixture.py:Mixture.velocity",),
            (Shown("score", "Four ways down"),),
        ),
        Step(
            "denoiser",
            "A denoiser knows the velocity",
            (
                r"Given $x_t$, the noise follows from the picture: $\epsilon = (x_t - (1-t)\,x_0)/t$. So $\epsilon - x_0 = (x_t - x_0)/t$. Take the mean given $x_t$: the velocity is the same expression with the best guess of the picture. No new network is needed.",
            ),
            (r"u_t(x) = \frac{x - \mathbb{E}[x_0 \mid x_t = x]}{t}",),
            Check(
                r"the lab's $\mathbb{E}[\epsilon - x_0 \mid x_t]$",
                r"$(x - \mathbb{E}[x_0 \mid x_t])/t$",
                "flow.by_denoiser",
                (PLACE, MOMENT, SHARE),
            ),
            (Source(FLOW, "example II"),),
            ("lab/engine/plane_lanes.py:velocity_of", "lab/engine/predictions.py:join_prediction"),
            (Shown("samplers", "DDIM or flow?"),),
        ),
        Step(
            "path",
            "Diffusion is flow matching along another path",
            (
                r"The argument never used that the lines are straight. For any $x_t = a(t)\,x_0 + b(t)\,\epsilon$ the velocity of one path is $a'(t)\,x_0 + b'(t)\,\epsilon$, where a prime is the slope by $t$, and its mean given $x_t$ moves the density.",
                r"Take the variance-preserving diffusion, $a = \sqrt{\bar\alpha}$ and $b = \sqrt{1-\bar\alpha}$, with the rate $\beta(t)$. Then $a' = -\tfrac12\beta a$, and from $a^2 + b^2 = 1$ follows $b' = \tfrac12\beta a^2/b$. With $a\,\mathbb{E}[x_0 \mid x_t] = x_t - b\,\mathbb{E}[\epsilon \mid x_t]$ the sum is "
                r"$-\tfrac12\beta x_t + \tfrac12\beta\big(b + \tfrac{a^2}{b}\big)\mathbb{E}[\epsilon \mid x_t]$. The bracket is $1/b$, and $\mathbb{E}[\epsilon \mid x_t]/b$ is minus the score: this is the probability flow.",
            ),
            (
                r"a'(t)\,\mathbb{E}[x_0 \mid x_t] + b'(t)\,\mathbb{E}[\epsilon \mid x_t] = -\tfrac12\beta(t)\big[x_t + \nabla\log q_t(x_t)\big]",
            ),
            Check(
                "the mean velocity of the diffusion's paths, with slopes by differences",
                "the lab's probability flow",
                "flow.general_path",
                (PLACE, MOMENT, SHARE),
            ),
            (
                Source(FLOW, "theorem 3, example I and appendix D"),
                Source("Albergo & Vanden-Eijnden 2022", "on the velocity of an interpolant"),
            ),
            ("lab/engine/plane_lanes.py:preserving",),
            (Shown("samplers", "One formula"),),
        ),
        Step(
            "equal",
            "For normal noise both are one equation",
            (
                r"Let $x_t = (1-t)\,x_0 + t\,\epsilon$ follow the straight flow, and write $\bar x = x_t/(1-t)$ and $\sigma = t/(1-t)$. Then $\mathrm{d}\bar x/\mathrm{d}t = (u_t(1-t) + x_t)/(1-t)^2$ and $\mathrm{d}\sigma/\mathrm{d}t = 1/(1-t)^2$. Their quotient is $x_t + (1-t)\,u_t$. "
                r"And this is $\mathbb{E}[\epsilon \mid x_t]$, since $\epsilon = x_t + (1-t)(\epsilon - x_0)$.",
                r"It is DDIM's equation, $\mathrm{d}\bar x/\mathrm{d}\sigma = \hat\epsilon$. Straight flow and diffusion follow the same paths of $\bar x$ over $\sigma$. They differ in where they place their steps, and in the weights of the loss.",
            ),
            (r"\frac{\mathrm{d}\bar x}{\mathrm{d}\sigma} = x_t + (1-t)\,u_t(x_t) = \mathbb{E}[\epsilon \mid x_t]",),
            Check(
                "by the velocity of the straight flow",
                "by the score of the diffusion, at the same signal-to-noise ratio",
                "flow.one_equation",
                (PLACE, MOMENT, SHARE),
            ),
            (Source(FLOW, "section 4.1"), Source("Kingma et al. 2021", "section 5.1")),
            ("lab/engine/mixture.py:Mixture.velocity", "lab/engine/process.py:Level.norm"),
            (Shown("samplers", "DDIM or flow?"),),
        ),
        Step(
            "end",
            "So both end at the same picture",
            (
                r"From one start, one equation leads to one end. On a line it can be named without solving anything: ranks are kept, so the end $x_0$ has the same rank among the data as the start $\epsilon$ has among the noise.",
            ),
            (r"\int_{-\infty}^{x_0} q(x)\,\mathrm{d}x = \int_{-\infty}^{\epsilon} \mathcal{N}(x;\ 0, 1)\,\mathrm{d}x",),
            Check(
                "share of the data below the end of the lab's straight flow in 120 steps",
                r"share of $\mathcal{N}(0, 1)$ below the start",
                "flow.same_end",
                (Number("start", r"\epsilon", 0.4, -2, 2), SHARE),
            ),
            (Source(RECTIFIED, "section 2.1 and lemma 3.9"),),
            ("lab/engine/plane_lanes.py:flow",),
            (Shown("samplers", "DDIM or flow?"),),
        ),
        Step(
            "reflow",
            "Reflow: the flow's own pairs",
            (
                r"Follow the flow from each noise $z$ to its end $x_0'$, and join these pairs by new straight lines. Nothing in the argument above asked that noise and picture be independent. So the mean velocity $u_t'$ of the new lines moves their density $q_t'$, from the noise to the same data.",
                r"In the check 60 pairs of equal rank stand for the flow's pairs, and each is blurred a little.",
            ),
            (
                r"u'_t(x) = \mathbb{E}[z - x_0' \mid (1-t)\,x_0' + t\,z = x], \quad \frac{\partial q'_t}{\partial t} = -\frac{\partial}{\partial x}(u'_t\,q'_t)",
            ),
            Check(
                r"slope of the pairs' density by $t$, by differences",
                r"$-\partial(u'_t\,q'_t)/\partial x$ with the lab's velocity of pairs",
                "flow.reflow",
                (PLACE, MOMENT, SEED),
            ),
            (Source(RECTIFIED, "theorem 3.3"),),
            ("lab/engine/plane_lanes.py:Pairs",),
            (Shown("score", "Straighten"),),
        ),
        Step(
            "cheaper",
            "Reflow never makes the lines longer",
            (
                r"A particle that follows the flow travels $z - x_0' = \int_0^1 u_t\,\mathrm{d}t$, from its end $x_0'$ to its start $z$. The square of a mean is at most the mean of the squares (Jensen's inequality for the square), so $\mathbb{E}[(z - x_0')^2] \le \int_0^1\mathbb{E}[u_t^2]\,\mathrm{d}t$.",
                r"At each $t$ the particles of the flow have the same density as the points of the lines, and $u_t$ is itself a mean, of $\epsilon - x_0$ over all lines through a place. So for the same reason $\mathbb{E}[u_t^2] \le \mathbb{E}[(\epsilon - x_0)^2]$. The two together are the claim. On a line the flow pairs by rank, which the check does by sorting.",
            ),
            (r"\mathbb{E}\big[(z - x_0')^2\big] \le \mathbb{E}\big[(\epsilon - x_0)^2\big]",),
            Check(
                "mean square of the lines between equal ranks, by draws",
                "that of the lines between independent pairs",
                "flow.cheaper",
                (SEED, SHARE),
            ),
            (Source(RECTIFIED, "theorem 3.5"),),
            ("lab/engine/plane_lanes.py:Pairs.velocity",),
            (Shown("score", "Four calls"),),
        ),
    ),
)
