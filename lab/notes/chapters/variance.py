"""Chapter: schedules, and the variance of the reverse step."""

from lab.notes.chapters.forward import SHARE, TIME, T
from lab.notes.step import SEED, Chapter, Check, Number, Shown, Source, Step

IMPROVED, DDPM, FLAWED = "Nichol & Dhariwal 2021", "Ho, Jain & Abbeel 2020", "Lin et al. 2023"
OFFSET = 0.008  # of the cosine schedule

CHAPTER = Chapter(
    "variance",
    "Schedules and variances",
    "How fast the picture disappears is a choice, and so is how much noise a step back adds. The sensible range of both can be derived.",
    (
        Step(
            "cosine",
            "The cosine schedule",
            (
                r"The linear schedule leaves hardly anything of the picture for the last third of its steps. So choose $\bar\alpha_t$ itself, by a function $f(t)$, and let the betas follow: $\beta_t = 1 - \bar\alpha_t/\bar\alpha_{t-1}$. "
                r"Their product is right: $\prod_{s=1}^t (1-\beta_s)$ is a product of fractions in which all but $\bar\alpha_t/\bar\alpha_0$ cancels, and $\bar\alpha_0 = 1$.",
                r"With $\bar\alpha = \cos^2\varphi$ the factor of the picture is $\cos\varphi$ and that of the noise $\sin\varphi$: the angle $\varphi$ makes a quarter turn at an almost even speed. The offset $s = 0.008$ keeps the first betas from being too small. "
                r"At the very end $f(T) = 0$, and $\beta_T$ would be 1; so the betas are kept at or below 0.999.",
            ),
            (
                r"\bar\alpha_t = \frac{f(t)}{f(0)}, \quad f(t) = \cos^2\Big(\frac{t/T + s}{1 + s}\cdot\frac{\pi}{2}\Big)",
                r"\beta_t = \min\Big(1 - \frac{\bar\alpha_t}{\bar\alpha_{t-1}},\ 0.999\Big)",
            ),
            Check(
                r"the lab's $\bar\alpha_t$, a product of betas",
                r"$f(t)/f(0)$",
                "variance.cosine_check",
                (Number("t", "t", 500, 1, T - 1, whole=True),),
            ),
            (Source(IMPROVED, "eq. 17"),),
            ("lab/engine/noising.py:alpha_bar",),
            (Shown("noising", "Linear against cosine"),),
        ),
        Step(
            "lengths",
            "The same schedule in fewer steps",
            (
                r"A linear schedule of 1000 steps is to be replaced by one of $T'$ steps. Multiply its betas by $1000/T'$. Since $\log(1-\beta) = -\beta - \tfrac12\beta^2 - \dots$, $\log\bar\alpha_t$ is minus the sum of the betas of the steps $s = 1, \dots, t$, as long as their squares are small.",
                r"At the same share of the way there are fewer betas, and each is larger by the same factor: the sum is the same area under the same line. So $\bar\alpha$ is nearly the same. The check allows what the squares of the betas and the width of one step can make.",
            ),
            (
                r"\log \bar\alpha_t = \sum_{s=1}^t \log(1-\beta_s) = -\sum_{s=1}^t \beta_s - O\Big(\sum_{s=1}^t \beta_s^2\Big)",
            ),
            Check(
                r"$\log\bar\alpha$ of 1000 steps at this share of the way",
                r"$\log\bar\alpha$ of $T'$ steps there",
                "variance.other_lengths",
                (
                    Number("percent", r"100\,t/T", 50, 1, 100, whole=True),
                    Number("hundreds", "T'/100", 2, 1, 40, whole=True),
                ),
            ),
            (Source(IMPROVED, "section 4"),),
            ("lab/engine/noising.py:alpha_bar",),
            (Shown("ledger", "Fewer steps cost more"),),
        ),
        Step(
            "leak",
            "No leak at the end",
            (
                r"Stable Diffusion's schedule ends at $\sqrt{\bar\alpha_T} = 0.068$: in training there was a trace of the picture in $x_T$, but sampling starts from noise without any. "
                r"To mend it, shift all $\sqrt{\bar\alpha_t}$ so that the last becomes 0, then scale them so that the first, $\sqrt{\bar\alpha_1}$, is what it was. The mended schedule is marked by a prime.",
            ),
            (
                r"\sqrt{\bar\alpha'_t} = \big(\sqrt{\bar\alpha_t} - \sqrt{\bar\alpha_T}\big)\,\frac{\sqrt{\bar\alpha_1}}{\sqrt{\bar\alpha_1} - \sqrt{\bar\alpha_T}}",
            ),
            Check(
                r"the lab's mended $\bar\alpha_t$",
                "the formula, squared",
                "variance.no_leak",
                (Number("t", "t", 900, 1, T, whole=True),),
            ),
            (Source(FLAWED, "algorithm 1"),),
            ("lab/engine/noising.py:alpha_bar",),
            (Shown("noising", "The leak at t = T"),),
        ),
        Step(
            "ends",
            "Two limits for the variance of a step back",
            (
                r"Let the data be normal with variance $s^2$. Then $x_{t-1}$ has the variance $V = \bar\alpha_{t-1}s^2 + 1-\bar\alpha_{t-1}$. For normal densities Bayes' rule adds precisions, which are inverse variances: $1/V$ was known of $x_{t-1}$ before, and $x_t$ says $\alpha_t/\beta_t$ more.",
                r"If $s = 0$, a single picture, then $V = 1-\bar\alpha_{t-1}$ and the result is $\tilde\beta_t$. If $s = 1$, the spread of the noise, then $V = 1$ and it is $\beta_t$. In between it grows with $s$. These limits are the two variances that DDPM tried.",
                r"Data that are not normal have no less than $\tilde\beta_t$ at any $x_t$. If their values have variance 1 at most, they have no more than $\beta_t$ on average over $x_t$; at places where several pictures are possible they may have more.",
            ),
            (
                r"\mathrm{Var}[x_{t-1} \mid x_t] = \frac{1}{1/V + \alpha_t/\beta_t} = \frac{V \beta_t}{\alpha_t V + \beta_t}",
                r"\tilde\beta_t \le \mathrm{Var}[x_{t-1} \mid x_t] \le \beta_t \quad (0 \le s \le 1)",
            ),
            Check(
                "variance of the lab's true step back",
                r"$V\beta_t/(\alpha_t V + \beta_t)$",
                "variance.two_ends",
                (Number("std", "s", 0.5, 0, 3), TIME),
            ),
            (Source(DDPM, "section 3.2"), Source("Sohl-Dickstein et al. 2015", "section 2.6")),
            ("lab/engine/plane_lanes.py:reverse_moments",),
            (Shown("ledger", "Three variances"),),
        ),
        Step(
            "learned",
            "A learned variance",
            (
                r"Let the network give one more number for each value of the picture, $v$ between 0 and 1, and let the variance lie between both limits, on a logarithmic scale since they differ by factors.",
                r"The simple loss does not contain the variance. So a small share of the bound $L$ is added to it. Its gradient is stopped before the mean, which is left to the simple loss.",
            ),
            (
                r"\Sigma_\theta = \exp\big(v\log\beta_t + (1-v)\log\tilde\beta_t\big)",
                r"L_{\mathrm{hybrid}} = L_{\mathrm{simple}} + 0.001\, L",
            ),
            Check(
                "the lab's variance",
                r"$\beta_t^{\,v}\,\tilde\beta_t^{\,1-v}$",
                "variance.learned",
                (Number("v", "v", 0.3, 0, 1), TIME),
            ),
            (Source(IMPROVED, "eq. 15 and 16"),),
            ("lab/engine/likelihood.py:Posterior.learned_log_variance",),
            (Shown("samplers", "Few steps, noise or none"),),
        ),
        Step(
            "best",
            "The best variance",
            (
                r"Suppose the step back is normal and has the right mean. The expectation of $-\log\mathcal{N}$ is then $\tfrac12\log\sigma_t^2 + \mathrm{Var}[x_{t-1} \mid x_t]/(2\sigma_t^2)$ and a constant. Its slope by $\sigma_t^2$ is 0 where $\sigma_t^2$ is the true variance; a star marks this best choice.",
                r"The true variance has two parts, by the law of total variance. The posterior has $\tilde\beta_t$ when the picture is known. And its mean $\tilde\mu_t$ varies as far as the picture is unknown: it contains $x_0$ with the factor $w = \sqrt{\bar\alpha_{t-1}}\,\beta_t/(1-\bar\alpha_t)$. "
                r"The check has two sharp humps, of standard deviation 0.1.",
            ),
            (r"\sigma_t^{*2} = \mathrm{Var}[x_{t-1} \mid x_t] = \tilde\beta_t + w^2\,\mathrm{Var}[x_0 \mid x_t]",),
            Check(
                r"variance of $q(x_{t-1} \mid x_t)$, by Bayes' rule and quadrature",
                r"the lab's $\tilde\beta_t + w^2\,\mathrm{Var}[x_0 \mid x_t]$",
                "variance.best",
                (Number("x_t", "x_t", 0.1, -3, 3), Number("t", "t", 700, 100, T, whole=True), SHARE),
            ),
            (Source("Bao et al. 2022", "which averages it over x_t"),),
            ("lab/engine/plane_lanes.py:reverse_moments", "lab/engine/mixture.py:Mixture.covariance"),
            (Shown("samplers", "Learned or perfect?"),),
        ),
        Step(
            "sampled",
            "Drawing the steps that cost most",
            (
                r"The terms $L_t$ of the bound differ by orders of magnitude. If $t$ is drawn evenly in training, the gradient varies wildly. So draw $t$ with the probability $p_t$ and divide its term by $p_t$: the expectation is the sum of all terms, whatever the probabilities.",
                r"The variance is smallest if the sum of all $\mathbb{E}[L_t^2]/p_t$ is, and that is the case for $p_t$ in proportion to the root of $\mathbb{E}[L_t^2]$. "
                r"The check takes the terms of a network whose every guess of the noise is wrong by 1, and probabilities that are half even, half in proportion to the terms.",
            ),
            (r"\sum_{t} L_t = \sum_t p_t\,\frac{L_t}{p_t} = \mathbb{E}\Big[\frac{L_t}{p_t}\Big]",),
            Check(r"$\mathbb{E}[L_t/p_t]$, by draws of $t$", r"$\sum_t L_t$", "variance.sampled_terms", (SEED,)),
            (Source(IMPROVED, "section 3.3"),),
            ("lab/engine/ledger.py:make_chain",),
            (Shown("ledger", "The last steps cost most"),),
        ),
    ),
)
