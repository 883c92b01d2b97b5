"""Chapter: the forward process, its closed form, and its posterior."""

from lab.notes.step import SEED, Chapter, Check, Number, Shown, Source, Step

DDPM, NONEQUILIBRIUM, VDM = "Ho, Jain & Abbeel 2020", "Sohl-Dickstein et al. 2015", "Kingma et al. 2021"
T, CHAIN = 1000, 40  # timesteps of the schedule; of the chain that is walked by draws
X_0, X_T = Number("x_0", "x_0", 1.5, -3, 3), Number("x_t", "x_t", 0.4, -4, 4)
SHARE = Number("share", r"\text{share of the hump at } {-1}", 0.3, 0.05, 0.95)
TIME = Number("t", "t", 300, 2, T, whole=True)

CHAPTER = Chapter(
    "forward",
    "The forward process",
    "Noise is added in many small steps. Because each step is normal, all of them together are one jump, and the way back from a known picture is normal, too.",
    (
        Step(
            "step",
            "One step keeps the variance",
            (
                r"A step from $x_{t-1}$ to $x_t$ shrinks the picture a little and adds as much noise as makes up for it: $x_t = \sqrt{1-\beta_t}\,x_{t-1} + \sqrt{\beta_t}\,\epsilon$, with noise $\epsilon \sim \mathcal{N}(0, I)$ drawn anew in each step and a number $0 < \beta_t < 1$.",
                r"The noise is independent of $x_{t-1}$, so variances add and factors count squared. Each value of variance 1 keeps it, and any other variance $v$ moves towards 1: $v' - 1 = (1-\beta_t)(v - 1)$.",
                r"The list $\beta_1, \dots, \beta_T$ is called a schedule. Most checks use DDPM's linear schedule of $T = 1000$ steps, in which $\beta_t$ grows evenly from 0.0001 to 0.02.",
            ),
            (
                r"q(x_t \mid x_{t-1}) = \mathcal{N}\big(\sqrt{1-\beta_t}\,x_{t-1},\ \beta_t I\big)",
                r"\mathrm{Var}[x_t] = (1-\beta_t)\,\mathrm{Var}[x_{t-1}] + \beta_t",
            ),
            Check(
                r"mean square after one step of the lab's chain, by draws of mean 0 and variance $v$",
                r"$(1-\beta)v + \beta$",
                "forward.variance_is_kept",
                (Number("beta", r"\beta", 0.2, 0.001, 0.95), Number("variance", "v", 2.5, 0, 9), SEED),
            ),
            (Source(DDPM, "eq. 2"), Source(NONEQUILIBRIUM, "table App.1")),
            ("lab/engine/noising.py:MarkovChain",),
            (Shown("noising", "Values turn normal"),),
        ),
        Step(
            "jump",
            "All steps are one jump",
            (
                r"Write $\alpha_t = 1-\beta_t$ and $\bar\alpha_t = \alpha_1 \alpha_2 \cdots \alpha_t$. The claim below is true at $t=1$, where it is the step itself. Suppose it is true at $t-1$, so that $x_{t-1} = \sqrt{\bar\alpha_{t-1}}\,x_0 + \sqrt{1-\bar\alpha_{t-1}}\,\epsilon'$, "
                r"and put this into the next step, whose noise is $\epsilon''$.",
                r"The two noises are independent and normal, so their sum is one normal noise, whose variance is the sum $\alpha_t (1-\bar\alpha_{t-1}) + 1 - \alpha_t = 1-\bar\alpha_t$. And $\alpha_t\bar\alpha_{t-1} = \bar\alpha_t$. By induction the claim is true for every $t$.",
            ),
            (
                r"x_t = \sqrt{\alpha_t\bar\alpha_{t-1}}\,x_0 + \sqrt{\alpha_t(1-\bar\alpha_{t-1})}\,\epsilon' + \sqrt{1-\alpha_t}\,\epsilon''",
                r"q(x_t \mid x_0) = \mathcal{N}\big(\sqrt{\bar\alpha_t}\,x_0,\ (1-\bar\alpha_t) I\big)",
            ),
            Check(
                rf"mean square of $x_t$ after $t$ steps of a chain of {CHAIN}, drawn one after another",
                r"that of the jump: $\bar\alpha_t x_0^2 + 1 - \bar\alpha_t$",
                "forward.one_jump",
                (X_0, Number("t", "t", 20, 1, CHAIN, whole=True), SEED),
            ),
            (Source(DDPM, "eq. 4"),),
            ("lab/engine/noising.py:q_sample", "lab/engine/noising.py:alpha_bar"),
            (Shown("noising", "Half gone"),),
        ),
        Step(
            "marginal",
            "The density of all noisy pictures",
            (
                r"So far $x_0$ was one picture. Over all pictures, $x_t$ has the density $q(x_t)$: the mean of $q(x_t \mid x_0)$ over the data $q(x_0)$. It is the density of the data, shrunk and blurred.",
                r"If the data are a mixture of normal humps with means $m_i$, shares $w_i$ and one standard deviation $s$, each hump is shrunk and widened by itself. Its mean becomes $\sqrt{\bar\alpha_t}\,m_i$ and its variance $\bar\alpha_t s^2 + 1-\bar\alpha_t$, since variances add. "
                r"The check takes the two humps of the first chapter, with means $-1$ and $1.5$ and $s = 0.4$.",
            ),
            (
                r"q(x_t) = \int q(x_t \mid x_0)\, q(x_0)\, \mathrm{d}x_0",
                r"= \sum_i w_i\, \mathcal{N}\big(x_t;\ \sqrt{\bar\alpha_t}\,m_i,\ \bar\alpha_t s^2 + 1-\bar\alpha_t\big)",
            ),
            Check(
                "the integral, by quadrature",
                "the lab's mixture at this noise level",
                "forward.marginal",
                (X_T, TIME, SHARE),
            ),
            (Source(DDPM, "section 2"),),
            ("lab/engine/mixture.py:Mixture.at",),
            (Shown("score", "Four ways down"),),
        ),
        Step(
            "snr",
            "Only the ratio of signal to noise counts",
            (
                r"Divide $x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon$ by the factor of $x_0$. What remains is $x_0 + \sigma\epsilon$ with $\sigma = \sqrt{(1-\bar\alpha_t)/\bar\alpha_t}$, which is $1/\sqrt{\mathrm{SNR}}$. "
                r"Division by a known number neither adds nor loses information. So whatever can be said of $x_0$ given $x_t$ depends on the schedule through $\sigma$ alone.",
                r"Three families of processes differ in this factor only: the one above keeps the variance (variance preserving), $x_0 + \sigma\epsilon$ lets it grow (variance exploding), and $(1-t)\,x_0 + t\,\epsilon$ goes along a straight line (straight flow). All are readings of one scale, the signal-to-noise ratio.",
            ),
            (
                r"\mathrm{SNR}(t) = \bar\alpha_t / (1-\bar\alpha_t)",
                r"\mathbb{E}\big[x_0 \mid x_t\big] = \mathbb{E}\big[x_0 \mid x_0 + \sigma\epsilon = x_t / \sqrt{\bar\alpha_t}\big]",
            ),
            Check(
                r"$\mathbb{E}[x_0 \mid x_t]$ of the variance-preserving process",
                r"that of the variance-exploding one, at $x_t/\sqrt{\bar\alpha_t}$ and $\sigma$",
                "forward.snr_alone_counts",
                (X_T, TIME, SHARE),
            ),
            (Source(VDM, "section 5.1"),),
            ("lab/engine/process.py:Level",),
            (Shown("noising", "Same log-SNR"),),
        ),
        Step(
            "posterior-mean",
            "The way back from a known picture: its mean",
            (
                r"Suppose $x_0$ and $x_t$ are known, and $t$ is at least 2. Where was $x_{t-1}$? By Bayes' rule $q(x_{t-1} \mid x_t, x_0) \propto q(x_t \mid x_{t-1})\, q(x_{t-1} \mid x_0)$; the first factor does not need $x_0$, because a step only looks at the picture before it. "
                r"The logarithm of each factor is a parabola in $x_{t-1}$, so their sum is one, too.",
                r"A normal density is $\exp(-\tfrac12 A x^2 + B x)$ up to a constant factor, with variance $1/A$ and mean $B/A$. Collect the terms with $x_{t-1}^2$ and those with $x_{t-1}$ to find $A$ and $B$. Put both fractions of $A$ over one denominator and use $\alpha_t(1-\bar\alpha_{t-1}) + \beta_t = 1-\bar\alpha_t$.",
            ),
            (
                r"\log q(x_{t-1} \mid x_t, x_0) = -\tfrac12\Big[\tfrac{(x_t - \sqrt{\alpha_t}\,x_{t-1})^2}{\beta_t} + \tfrac{(x_{t-1} - \sqrt{\bar\alpha_{t-1}}\,x_0)^2}{1-\bar\alpha_{t-1}}\Big] + \mathrm{const}",
                r"A = \tfrac{\alpha_t}{\beta_t} + \tfrac{1}{1-\bar\alpha_{t-1}} = \tfrac{1-\bar\alpha_t}{\beta_t(1-\bar\alpha_{t-1})}, \quad "
                r"B = \tfrac{\sqrt{\alpha_t}}{\beta_t}\,x_t + \tfrac{\sqrt{\bar\alpha_{t-1}}}{1-\bar\alpha_{t-1}}\,x_0",
                r"\tilde\mu_t(x_t, x_0) = \tfrac{B}{A} = \frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}{1-\bar\alpha_t}\,x_0 + "
                r"\frac{\sqrt{\alpha_t}\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}\,x_t",
            ),
            Check(
                "mean of the product of both densities, by quadrature",
                "the lab's posterior mean",
                "forward.posterior_mean",
                (X_0, X_T, TIME),
            ),
            (Source(DDPM, "eq. 6 and 7"),),
            ("lab/engine/plane_lanes.py:posterior", "lab/engine/likelihood.py:Posterior.mean"),
            (Shown("samplers", "DDPM against DDIM"),),
        ),
        Step(
            "posterior-variance",
            "The way back from a known picture: its variance",
            (
                r"It is $1/A$ of the step before. It depends neither on $x_0$ nor on $x_t$, and it is smaller than $\beta_t$, since $1-\bar\alpha_{t-1} < 1-\bar\alpha_t$: knowing the picture narrows down where $x_{t-1}$ was.",
            ),
            (r"\tilde\beta_t = \frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}\,\beta_t",),
            Check(
                "variance of the product of both densities, by quadrature",
                r"the lab's $\tilde\beta_t$",
                "forward.posterior_variance",
                (X_0, X_T, TIME),
            ),
            (Source(DDPM, "eq. 7"),),
            ("lab/engine/likelihood.py:Posterior.log_variance",),
            (Shown("ledger", "Three variances"),),
        ),
        Step(
            "there-and-back",
            "A jump there and a step back",
            (
                r"Jump from $x_0$ to $x_t$, then draw $x_{t-1}$ from the posterior: the result has the same density as a jump to $t-1$. This is only the law of total probability, but everything rests on it. If $x_0$ were known, one could walk back exactly, step by step.",
                r"The first two lines confirm it with the formulas above, both by $\beta_t + \alpha_t(1-\bar\alpha_{t-1}) = 1-\bar\alpha_t$. The first is the factor of $x_0$ in the mean. The second is the variance: the noise of $x_t$, shrunk by its factor in the mean, plus that of the posterior.",
            ),
            (
                r"\sqrt{\bar\alpha_{t-1}}\,\frac{\beta_t + \alpha_t(1-\bar\alpha_{t-1})}{1-\bar\alpha_t} = \sqrt{\bar\alpha_{t-1}}",
                r"\frac{\alpha_t(1-\bar\alpha_{t-1})^2 + (1-\bar\alpha_{t-1})\,\beta_t}{1-\bar\alpha_t} = 1-\bar\alpha_{t-1}",
                r"\int q(x_{t-1} \mid x_t, x_0)\, q(x_t \mid x_0)\, \mathrm{d}x_t = q(x_{t-1} \mid x_0)",
            ),
            Check(
                "mean square after a jump to $t$ and a step back, by draws",
                "mean square after a jump to $t-1$",
                "forward.there_and_back",
                (X_0, TIME, SEED),
            ),
            (Source(DDPM, "section 2"),),
            ("lab/engine/ledger.py:walk",),
            (Shown("ledger", "The bill of an apple"),),
        ),
        Step(
            "reverse-mean",
            "The way back from an unknown picture",
            (
                r"In truth only $x_t$ is known, and about $x_0$ there is a belief, $q(x_0 \mid x_t)$. The step back is the posterior averaged over this belief: a mixture of normal densities that all have the variance $\tilde\beta_t$. "
                r"Its mean is simple, because $\tilde\mu_t$ is linear in $x_0$: put $\mathbb{E}[x_0 \mid x_t]$ in the place of $x_0$.",
                r"So a network that has learned this one mean knows the mean of every step. What it does not know is the shape of the mixture; but the smaller the steps, the closer that is to a normal density.",
            ),
            (
                r"q(x_{t-1} \mid x_t) = \int q(x_{t-1} \mid x_t, x_0)\, q(x_0 \mid x_t)\, \mathrm{d}x_0",
                r"\mathbb{E}[x_{t-1} \mid x_t] = \tilde\mu_t\big(x_t,\ \mathbb{E}[x_0 \mid x_t]\big)",
            ),
            Check(
                r"mean of $q(x_{t-1} \mid x_t)$, by Bayes' rule and quadrature",
                r"$\tilde\mu_t$ at the lab's $\mathbb{E}[x_0 \mid x_t]$",
                "forward.reverse_mean",
                (X_T, TIME, SHARE),
            ),
            (Source(NONEQUILIBRIUM, "section 2.2"), Source(DDPM, "section 2")),
            ("lab/engine/plane_lanes.py:reverse_moments", "lab/engine/mixture.py:Mixture.denoise"),
            (Shown("samplers", "Learned or perfect?"),),
        ),
    ),
)
