"""Chapter: the bound of a diffusion model, term by term, and what a network is asked to predict."""

from lab.notes.chapters.forward import SHARE, TIME, X_0, X_T, T
from lab.notes.step import SEED, Chapter, Check, Number, Shown, Source, Step

DDPM, NONEQUILIBRIUM, VDM = "Ho, Jain & Abbeel 2020", "Sohl-Dickstein et al. 2015", "Kingma et al. 2021"
ALPHA_BARS = (1.0, 0.8, 0.45, 0.1)  # of the short chain, t = 0 .. 3
REVERSE = ((0.9, 0.15), (0.8, 0.3), (0.6, 0.6))  # its reverse steps t = 1 .. 3: factor of x_t, and variance
GUESS = Number("guess", r"\hat x_0", 0.9, -3, 3)
EPS, GUESS_EPS = Number("eps", r"\epsilon", 0.6, -4, 4), Number("guess_eps", r"\epsilon_\theta", 0.2, -4, 4)

CHAPTER = Chapter(
    "loss",
    "The bound, and what is predicted",
    "The bound of the chapter on autoencoders, for a chain of noisy pictures. It splits into one term for each step, and each term turns out to be a squared error. "
    "The network may then predict the mean, the picture, the noise, v or the score: each follows from any other.",
    (
        Step(
            "bound",
            "A bound for the whole chain",
            (
                r"Let all noisy pictures $x_{1:T} = (x_1, \dots, x_T)$ together be the hidden cause of $x_0$, and the forward process the density $q$ of the bound. It is fixed; nothing of $q$ is trained. "
                r"The model $p_\theta$ starts from noise, $p(x_T) = \mathcal{N}(0, I)$, and takes $T$ learned steps back.",
                r"Its evidence is an integral over all chains, $p_\theta(x_0) = \int p_\theta(x_{0:T})\,\mathrm{d}x_{1:T} = \mathbb{E}_q\big[p_\theta(x_{0:T})/q(x_{1:T} \mid x_0)\big]$, with the expectation over chains that the forward process draws from $x_0$. Jensen's inequality takes the logarithm inside.",
                r"The checks of this chapter that need a whole chain use one of three steps. All of its steps back are normal and linear, so $p_\theta(x_0)$ is known.",
            ),
            (
                r"p_\theta(x_{0:T}) = p(x_T) \prod_{t=1}^T p_\theta(x_{t-1} \mid x_t)",
                r"-\log p_\theta(x_0) \le \mathbb{E}_q\Big[-\log \frac{p_\theta(x_{0:T})}{q(x_{1:T} \mid x_0)}\Big] = L",
            ),
            Check(r"$-\log p_\theta(x_0)$", r"$L$, by chains drawn from $q$", "loss.bound", (X_0, SEED)),
            (Source(DDPM, "eq. 3"), Source(NONEQUILIBRIUM, "section 2.3")),
            ("lab/engine/likelihood.py:bound_term",),
            (Shown("ledger", "Fewer steps cost more"),),
        ),
        Step(
            "terms",
            "One term for each step",
            (
                r"Both densities are products over steps, so the logarithm of their ratio is a sum. Turn each forward step but the first around by Bayes' rule. It may use $x_0$, since a step does not look further back than one picture: "
                r"$q(x_t \mid x_{t-1}) = q(x_{t-1} \mid x_t, x_0)\, q(x_t \mid x_0) / q(x_{t-1} \mid x_0)$.",
                r"In the sum over $t = 2, \dots, T$ the last two factors cancel between neighbours; $q(x_T \mid x_0)/q(x_1 \mid x_0)$ is left, and $q(x_1 \mid x_0)$ cancels with the first step. Group the rest as in the second line.",
                r"Now take the expectation over $x_{t-1}$ given $x_t$ first. The part with $x_T$ becomes a divergence $L_T$, each $t \ge 2$ gives a divergence $L_{t-1}$, and a plain logarithm $L_0$ remains.",
            ),
            (
                r"L = \mathbb{E}_q\Big[-\log p(x_T) - \sum_{t=1}^T \log\frac{p_\theta(x_{t-1} \mid x_t)}{q(x_t \mid x_{t-1})}\Big]",
                r"= \mathbb{E}_q\Big[-\log\frac{p(x_T)}{q(x_T \mid x_0)} - \sum_{t=2}^T \log\frac{p_\theta(x_{t-1} \mid x_t)}{q(x_{t-1} \mid x_t, x_0)} - \log p_\theta(x_0 \mid x_1)\Big]",
                r"= L_T + \sum_{t=2}^T L_{t-1} + L_0",
                r"L_T = D_{\mathrm{KL}}(q(x_T \mid x_0) \,\|\, p(x_T)), \quad L_0 = \mathbb{E}_q[-\log p_\theta(x_0 \mid x_1)]",
                r"L_{t-1} = \mathbb{E}_q\big[D_{\mathrm{KL}}(q(x_{t-1} \mid x_t, x_0) \,\|\, p_\theta(x_{t-1} \mid x_t))\big]",
            ),
            Check(
                r"$L$ of the short chain, by chains drawn from $q$",
                r"$L_T + L_2 + L_1 + L_0$, with the lab's posterior and divergence",
                "loss.terms_check",
                (X_0, SEED),
            ),
            (Source(DDPM, "eq. 5 and appendix A"),),
            ("lab/engine/likelihood.py:bound_nats",),
            (Shown("ledger", "The bill of an apple"),),
        ),
        Step(
            "prior",
            "The first term: what the noise still knows",
            (
                r"Put $q(x_T \mid x_0) = \mathcal{N}(\sqrt{\bar\alpha_T}\,x_0,\ 1-\bar\alpha_T)$ and $p(x_T) = \mathcal{N}(0, 1)$ into the divergence of two normal densities. For each value of the picture that gives the formula below; the values add.",
                r"Nothing in this term is learned. If the schedule ends in noise, $\bar\alpha_T$ close to 0, the term is close to 0.",
            ),
            (r"L_T = \tfrac12\big(\bar\alpha_T x_0^2 - \bar\alpha_T - \log(1-\bar\alpha_T)\big)",),
            Check(
                r"the divergence of $q(x_T \mid x_0)$ from noise, by quadrature, in nats",
                "the lab's first term",
                "loss.prior_term_check",
                (X_0,),
            ),
            (Source(DDPM, "section 3.1"),),
            ("lab/engine/likelihood.py:prior_term",),
            (Shown("noising", "The leak at t = T"),),
        ),
        Step(
            "pixels",
            "The last term: pixels are whole numbers",
            (
                r"A density can be as high as one likes, but a picture of 256 greys cannot have a probability above 1. So the last step, from $x_1$ to pixels, gives each grey the area of the normal density $\mathcal{N}(\mu_\theta, \sigma_1^2)$ over its bin. "
                r"On the scale from $-1$ to $1$ a bin reaches $\tfrac{1}{255}$ to either side of the grey; the bins of black and white reach to infinity.",
                r"The bins cover the line without overlap, so the probabilities of all greys add up to 1. Those of a picture's values are multiplied.",
            ),
            (
                r"p_\theta(x_0 \mid x_1) = \int_{x_0 - 1/255}^{x_0 + 1/255} \mathcal{N}(x;\ \mu_\theta, \sigma_1^2)\,\mathrm{d}x",
                r"\sum_{x_0} p_\theta(x_0 \mid x_1) = 1",
            ),
            Check(
                "the lab's probabilities of all 256 greys, added",
                "1",
                "loss.pixels",
                (Number("mean", r"\mu_\theta", 0.3, -1.5, 1.5), Number("std", r"\sigma_1", 0.02, 0.002, 1)),
            ),
            (Source(DDPM, "eq. 13"),),
            ("lab/engine/likelihood.py:discretized_log_likelihood",),
            (Shown("ledger", "The last steps cost most"),),
        ),
        Step(
            "mean",
            "A term is a squared error of means",
            (
                r"Let the learned step back be normal with the mean $\mu_\theta$, which the network says, and a fixed variance $\sigma_t^2$. Put it and the posterior $\mathcal{N}(\tilde\mu_t, \tilde\beta_t)$ into the divergence of two normal densities: the means occur in one place only, as a squared difference.",
                r"The rest, $C$, contains nothing that is learned. With $\sigma_t^2 = \tilde\beta_t$ it is 0; the check uses the other common choice, $\sigma_t^2 = \beta_t$, and a mean that follows from a guess $\hat x_0$ of the picture.",
            ),
            (
                r"L_{t-1} = \mathbb{E}_q\Big[\frac{(\tilde\mu_t - \mu_\theta)^2}{2\sigma_t^2}\Big] + C",
                r"C = \tfrac12\Big(\log\frac{\sigma_t^2}{\tilde\beta_t} + \frac{\tilde\beta_t}{\sigma_t^2} - 1\Big)",
            ),
            Check(
                r"the lab's term with variance $\beta_t$ at one $x_t$, in nats",
                r"squared error of the means over $2\beta_t$, plus $C$",
                "loss.mean_term",
                (X_0, X_T, GUESS, TIME),
            ),
            (Source(DDPM, "eq. 8"),),
            ("lab/engine/likelihood.py:bound_nats", "lab/engine/likelihood.py:gaussian_kl"),
            (Shown("ledger", "Three variances"),),
        ),
        Step(
            "picture",
            "Predict the picture",
            (
                r"$\tilde\mu_t$ is linear in $x_0$. So let the network guess the picture, $\hat x_0$, and set $\mu_\theta = \tilde\mu_t(x_t, \hat x_0)$. In the difference of both means the part with $x_t$ cancels, and the factor of $x_0$ comes out squared.",
                r"With $\tilde\beta_t = \beta_t\,(1-\bar\alpha_{t-1})/(1-\bar\alpha_t)$ the weight of $(x_0 - \hat x_0)^2$ is $\frac{\bar\alpha_{t-1}\beta_t}{2(1-\bar\alpha_t)(1-\bar\alpha_{t-1})}$. Now $\bar\alpha_{t-1}\beta_t = \bar\alpha_{t-1} - \bar\alpha_t$, and this numerator is equal to "
                r"$\bar\alpha_{t-1}(1-\bar\alpha_t) - \bar\alpha_t(1-\bar\alpha_{t-1})$. Divide: what remains is a difference of two signal-to-noise ratios.",
            ),
            (
                r"\frac{(\tilde\mu_t - \mu_\theta)^2}{2\tilde\beta_t} = \frac{\bar\alpha_{t-1}\beta_t^2}{(1-\bar\alpha_t)^2}\,\frac{(x_0 - \hat x_0)^2}{2\tilde\beta_t}",
                r"= \tfrac12\big(\mathrm{SNR}(t-1) - \mathrm{SNR}(t)\big)\,(x_0 - \hat x_0)^2",
            ),
            Check(
                r"the lab's term with variance $\tilde\beta_t$, in nats",
                r"$\tfrac12(\mathrm{SNR}(t-1) - \mathrm{SNR}(t))(x_0 - \hat x_0)^2$",
                "loss.picture_term",
                (X_0, X_T, GUESS, TIME),
            ),
            (Source(VDM, "eq. 13"),),
            ("lab/engine/likelihood.py:bound_nats",),
            (Shown("ledger", "Only the ends differ"),),
        ),
        Step(
            "noise",
            "Predict the noise: the mean",
            (
                r"Given $x_t$, the noise determines the picture: $x_0 = (x_t - \sqrt{1-\bar\alpha_t}\,\epsilon)/\sqrt{\bar\alpha_t}$. Put this into $\tilde\mu_t$, with the network's guess $\epsilon_\theta$ for $\epsilon$, and use $\sqrt{\bar\alpha_{t-1}/\bar\alpha_t} = 1/\sqrt{\alpha_t}$.",
                r"The factor of $x_t$ becomes $\frac{\beta_t/\sqrt{\alpha_t} + \sqrt{\alpha_t}(1-\bar\alpha_{t-1})}{1-\bar\alpha_t} = \frac{1}{\sqrt{\alpha_t}}$, by $\beta_t + \alpha_t(1-\bar\alpha_{t-1}) = 1-\bar\alpha_t$. "
                r"That of the noise becomes $-\frac{1}{\sqrt{\alpha_t}}\cdot\frac{\beta_t}{1-\bar\alpha_t}\sqrt{1-\bar\alpha_t}$.",
            ),
            (
                r"\mu_\theta(x_t) = \frac{1}{\sqrt{\alpha_t}}\Big(x_t - \frac{\beta_t}{\sqrt{1-\bar\alpha_t}}\,\epsilon_\theta(x_t, t)\Big)",
            ),
            Check(
                r"the lab's $\tilde\mu_t$ at the picture that $\epsilon_\theta$ implies",
                "the formula",
                "loss.noise_mean",
                (X_T, Number("eps", r"\epsilon_\theta", 0.2, -4, 4), TIME),
            ),
            (Source(DDPM, "eq. 11"),),
            ("lab/engine/predictions.py:split_prediction", "lab/engine/plane_lanes.py:posterior"),
            (Shown("samplers", "DDPM against DDIM"),),
        ),
        Step(
            "noise-loss",
            "Predict the noise: the term",
            (
                r"The same formula with the true noise gives $\tilde\mu_t$. So both means differ by $\frac{\beta_t}{\sqrt{\alpha_t}\sqrt{1-\bar\alpha_t}}(\epsilon_\theta - \epsilon)$. Square it and divide by $2\sigma_t^2$.",
            ),
            (
                r"L_{t-1} - C = \mathbb{E}\Big[\frac{\beta_t^2}{2\sigma_t^2 \alpha_t (1-\bar\alpha_t)}\,\big\|\epsilon - \epsilon_\theta(\sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon,\ t)\big\|^2\Big]",
            ),
            Check(
                r"the lab's term with variance $\tilde\beta_t$, in nats",
                "weight times squared error of the noise",
                "loss.noise_term",
                (X_0, EPS, GUESS_EPS, TIME),
            ),
            (Source(DDPM, "eq. 12"),),
            ("lab/engine/likelihood.py:bound_nats",),
            (Shown("ledger", "What nobody sees"),),
        ),
        Step(
            "simple",
            "Why the simple loss",
            (
                r"Put $\sigma_t^2 = \tilde\beta_t$ into this weight. It becomes $\frac{\beta_t}{2\alpha_t(1-\bar\alpha_{t-1})}$, and since $\beta_t = (1-\bar\alpha_t) - \alpha_t(1-\bar\alpha_{t-1})$, it is half of $\mathrm{SNR}(t-1)/\mathrm{SNR}(t) - 1$. "
                r"It is large where one step takes away much of the ratio, and that is close to the picture: the bound pays for detail that nobody sees.",
                r"The simple loss sets every weight to 1 and draws $t$ evenly. Compared with the bound it asks more of the noisy steps, where the shape is decided. "
                r"The best guess at each $t$ is the same under any positive weights. So a network that could learn everything would lose nothing by the change.",
            ),
            (
                r"\frac{\beta_t^2}{2\tilde\beta_t\,\alpha_t(1-\bar\alpha_t)} = \tfrac12\Big(\frac{\mathrm{SNR}(t-1)}{\mathrm{SNR}(t)} - 1\Big)",
                r"L_{\mathrm{simple}} = \mathbb{E}_{t, x_0, \epsilon}\,\big\|\epsilon - \epsilon_\theta(x_t, t)\big\|^2",
            ),
            Check("the weight, from betas", "the weight, from signal-to-noise ratios", "loss.simple", (TIME,)),
            (Source(DDPM, "eq. 14 and section 3.4"), Source(VDM, "eq. 14")),
            ("lab/engine/noising.py:alpha_bar",),
            (Shown("ledger", "What nobody sees"),),
        ),
        Step(
            "v",
            "Predict v",
            (
                r"Close to pure noise a guess of the noise says nothing about the picture, and close to the picture a guess of the picture says nothing about the noise. $v$ changes gradually from one to the other. "
                r"The pair $(x_t, v)$ is the pair $(x_0, \epsilon)$, rotated by the angle whose cosine is $\sqrt{\bar\alpha_t}$ and whose sine is $\sqrt{1-\bar\alpha_t}$; the second line rotates it back.",
                r"Let $\hat v$ be a guess. At a given $x_t$ an error $d$ of $x_0$ goes with an error $-\sqrt{\bar\alpha_t}\,d/\sqrt{1-\bar\alpha_t}$ of $\epsilon$. Together they make an error $-d/\sqrt{1-\bar\alpha_t}$ of $v$, and $1/(1-\bar\alpha_t) = \mathrm{SNR}(t) + 1$.",
            ),
            (
                r"v = \sqrt{\bar\alpha_t}\,\epsilon - \sqrt{1-\bar\alpha_t}\,x_0",
                r"x_0 = \sqrt{\bar\alpha_t}\,x_t - \sqrt{1-\bar\alpha_t}\,v, \quad \epsilon = \sqrt{1-\bar\alpha_t}\,x_t + \sqrt{\bar\alpha_t}\,v",
                r"(v - \hat v)^2 = \big(\mathrm{SNR}(t) + 1\big)\,(x_0 - \hat x_0)^2",
            ),
            Check(
                r"squared error of the lab's $v$",
                r"$(\mathrm{SNR} + 1)(x_0 - \hat x_0)^2$",
                "loss.velocity",
                (X_0, X_T, GUESS, TIME),
            ),
            (Source("Salimans & Ho 2022", "section 4 and appendix D"),),
            ("lab/engine/predictions.py:join_prediction",),
            (Shown("samplers", "DDIM or flow?"),),
        ),
        Step(
            "best",
            "What a squared error teaches: the mean",
            (
                r"Write $m(x_t) = \mathbb{E}[x_0 \mid x_t]$ for the mean of all pictures that $x_t$ may have come from. For every function $h$, $\mathbb{E}[(x_0 - m(x_t))\,h(x_t)] = 0$: given $x_t$, $h(x_t)$ is a fixed number and the mean of $x_0 - m(x_t)$ is 0.",
                r"Let $f(x_t)$ be any guess of the picture, and expand the square of $(x_0 - m) + (m - f)$. The mixed term is 0, by the above with $h = m - f$. So no guess is better than $f = m$.",
                r"That is why the best guess from much noise looks blurred: it is the mean of many pictures.",
            ),
            (
                r"\mathbb{E}\big[(x_0 - f(x_t))^2\big] = \mathbb{E}\big[(x_0 - m(x_t))^2\big] + \mathbb{E}\big[(m(x_t) - f(x_t))^2\big]",
                r"\mathbb{E}\big[(x_0 - m(x_t))\,h(x_t)\big] = 0",
            ),
            Check(
                r"$\mathbb{E}[(x_0 - m(x_t)) \sin 3x_t]$ with the lab's exact $m$, by draws",
                "0",
                "loss.best_guess",
                (TIME, SHARE, SEED),
            ),
            (Source("Karras et al. 2022", "appendix B.3"),),
            ("lab/engine/mixture.py:Mixture.denoise",),
            (Shown("samplers", "Learned or perfect?"),),
        ),
        Step(
            "score",
            "Predict the score",
            (
                r"The score is the gradient of $\log q(x_t)$ by $x_t$. Differentiate $q(x_t) = \int q(x_t \mid x_0)\,q(x_0)\,\mathrm{d}x_0$ under the integral and divide by $q(x_t)$. "
                r"The gradient of $q(x_t \mid x_0)$ is $q(x_t \mid x_0)$ times the gradient of its logarithm, which for a normal density is $-(x_t - \sqrt{\bar\alpha_t}\,x_0)/(1-\bar\alpha_t) = -\epsilon/\sqrt{1-\bar\alpha_t}$.",
                r"The fraction in the first line is $q(x_0 \mid x_t)$, by Bayes' rule. So the score is the mean of $-\epsilon/\sqrt{1-\bar\alpha_t}$ over all pictures that $x_t$ may have come from: a network that predicts noise has learned the score up to a known factor.",
            ),
            (
                r"\nabla \log q(x_t) = \int \nabla \log q(x_t \mid x_0)\, \frac{q(x_t \mid x_0)\,q(x_0)}{q(x_t)}\,\mathrm{d}x_0",
                r"= -\frac{\mathbb{E}[\epsilon \mid x_t]}{\sqrt{1-\bar\alpha_t}}",
            ),
            Check(
                r"slope of the lab's $\log q(x_t)$, by differences",
                r"$-\mathbb{E}[\epsilon \mid x_t]/\sqrt{1-\bar\alpha_t}$",
                "loss.score",
                (X_T, TIME, SHARE),
            ),
            (Source("Song et al. 2020", "section 3.3"),),
            ("lab/engine/mixture.py:Mixture.score", "lab/engine/predictions.py:add_score"),
            (Shown("score", "Figure 3"),),
        ),
        Step(
            "tweedie",
            "Tweedie's formula",
            (
                r"The same equation, solved for the picture, with $\mathbb{E}[\epsilon \mid x_t] = (x_t - \sqrt{\bar\alpha_t}\,\mathbb{E}[x_0 \mid x_t])/\sqrt{1-\bar\alpha_t}$. "
                r"To get the best guess of the picture, move $x_t$ along the score by the variance of the noise, and divide by the factor of the picture.",
            ),
            (r"\mathbb{E}[x_0 \mid x_t] = \frac{x_t + (1-\bar\alpha_t)\,\nabla \log q(x_t)}{\sqrt{\bar\alpha_t}}",),
            Check(
                r"$\mathbb{E}[x_0 \mid x_t]$ by Bayes' rule and quadrature",
                "the formula with the lab's score",
                "loss.tweedie",
                (Number("x_t", "x_t", 0.4, -2.5, 2.5), Number("t", "t", 300, 20, T, whole=True), SHARE),
            ),
            (Source("Efron 2011", "its opening"),),
            ("lab/engine/plane_lanes.py:denoised",),
            (Shown("score", "Only where data are"),),
        ),
        Step(
            "matching",
            "Denoising is score matching",
            (
                r"We would like to learn the score by a squared error, but nobody knows $\nabla\log q(x_t)$ of real data. The score of $q(x_t \mid x_0)$ is known, and it will do: its mean given $x_t$ is the unknown one, as was just shown.",
                r"Let $f(x_t)$ be a guess of the score and expand both squares. The mixed terms are equal, because $\mathbb{E}[f(x_t)\,\nabla\log q(x_t \mid x_0)] = \mathbb{E}[f(x_t)\,\nabla\log q(x_t)]$: take the mean given $x_t$ first. "
                r"What is left, $C$, does not depend on $f$, so both errors are least for the same $f$. Its first part is the mean of $\epsilon^2/(1-\bar\alpha_t)$. The check takes $f(x) = k x$ with any number $k$.",
            ),
            (
                r"\mathbb{E}\big[(f - \nabla\log q(x_t \mid x_0))^2\big] = \mathbb{E}\big[(f - \nabla\log q(x_t))^2\big] + C",
                r"C = \frac{1}{1-\bar\alpha_t} - \mathbb{E}\big[(\nabla\log q(x_t))^2\big]",
            ),
            Check(
                r"difference of both errors for $f(x) = kx$, by draws",
                r"$C$, by quadrature",
                "loss.denoising_score",
                (Number("slope_of_guess", "k", -1.5, -10, 10), Number("t", "t", 300, 20, T, whole=True), SHARE, SEED),
            ),
            (
                Source("Vincent 2011", "on the equivalence of both losses, and its appendix"),
                Source("Song & Ermon 2019", "eq. 2"),
            ),
            ("lab/engine/mixture.py:Mixture.score_at",),
            (Shown("score", "Learn a roll"),),
        ),
    ),
)
