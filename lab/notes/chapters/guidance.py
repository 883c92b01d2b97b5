"""Chapter: guidance, from Bayes' rule to a model that is asked with and without words."""

from lab.notes.chapters.forward import SHARE, X_T, T
from lab.notes.step import Chapter, Check, Number, Shown, Source, Step

BEAT, CFG = "Dhariwal & Nichol 2021", "Ho & Salimans 2022"
SCALE = Number("scale", "s", 3, 0, 10)
TIME = Number("t", "t", 300, 20, T, whole=True)
NARROW = Number("width", "c", 0.5, 0.2, 0.95)

CHAPTER = Chapter(
    "guidance",
    "Guidance",
    "A picture of something in particular. Bayes' rule adds a pull to the score; then the pull is made without a classifier, and stronger than Bayes' rule would have it.",
    (
        Step(
            "bayes",
            "Bayes' rule for scores",
            (
                r"Let $y$ be what the picture should show, a class or some words. At every noise level Bayes' rule says $q(x_t \mid y) = q(x_t)\,p(y \mid x_t)/p(y)$, where $p(y \mid x_t)$ is the belief of a classifier that sees the noisy picture. "
                r"Take logarithms, and the gradient by $x_t$: $p(y)$ does not depend on $x_t$ and drops out.",
                r"So a model that knows nothing of $y$ becomes one for $y$ if the gradient of a classifier is added to its score. The classifier has to be trained on noisy pictures. In the checks $y$ is the hump at 1.5.",
            ),
            (r"\nabla\log q(x_t \mid y) = \nabla\log q(x_t) + \nabla\log p(y \mid x_t)",),
            Check(
                "the lab's score of this hump alone",
                r"the lab's score of all data plus the slope of $\log p(y \mid x_t)$, by differences",
                "guidance.bayes",
                (X_T, TIME, SHARE),
            ),
            (Source("Song et al. 2020", "eq. 14"), Source("Sohl-Dickstein et al. 2015", "section 2.5")),
            ("lab/engine/mixture.py:Mixture.responsibilities",),
            (Shown("guidance", "Bayes' rule, exactly"),),
        ),
        Step(
            "noise",
            "The pull on predicted noise",
            (
                r"Networks predict noise, and the score is $-\epsilon_\theta/\sqrt{1-\bar\alpha_t}$. Multiply the equation above by $-\sqrt{1-\bar\alpha_t}$. The guided noise $\hat\epsilon$ can be handed to any sampler, with fresh noise or without.",
            ),
            (r"\hat\epsilon(x_t \mid y) = \epsilon_\theta(x_t) - \sqrt{1-\bar\alpha_t}\;\nabla\log p(y \mid x_t)",),
            Check(
                r"$\mathbb{E}[\epsilon \mid x_t, y]$",
                r"$\mathbb{E}[\epsilon \mid x_t]$ with the pull, as the lab adds it",
                "guidance.noise",
                (X_T, TIME, SHARE),
            ),
            (Source(BEAT, "algorithm 2 and eq. 14"),),
            ("lab/engine/predictions.py:add_score", "lab/engine/potentials.py:Guided"),
            (Shown("guidance", "A classifier pulls"),),
        ),
        Step(
            "mean",
            "The pull on the mean of a step",
            (
                r"The same for a step of DDPM, whose density is $p_\theta(x_{t-1} \mid x_t) = \mathcal{N}(\mu, \Sigma)$. Given $y$ it becomes proportional to $p_\theta(x_{t-1} \mid x_t)\,p(y \mid x_{t-1})$. Over the short way of one step $\log p(y \mid x)$ is nearly a straight line with some slope $g$.",
                r"A normal density times $e^{g x}$ is again a normal density. Complete the square: $-\frac{(x-\mu)^2}{2\Sigma} + g x = -\frac{(x - \mu - \Sigma g)^2}{2\Sigma} + \mathrm{const}$. The variance stays, and the mean moves by variance times slope.",
            ),
            (r"\mathcal{N}(x;\ \mu, \Sigma)\; e^{g x} \propto \mathcal{N}(x;\ \mu + \Sigma g,\ \Sigma)",),
            Check(
                "mean of the left side, by quadrature",
                r"$\mu + \Sigma g$",
                "guidance.mean_moves",
                (
                    Number("mean", r"\mu", 0.5, -3, 3),
                    Number("variance", r"\Sigma", 0.2, 0.01, 4),
                    Number("gradient", "g", 1.5, -5, 5),
                ),
            ),
            (Source(BEAT, "algorithm 1 and eq. 10"),),
            ("lab/engine/potentials.py:Guided",),
            (Shown("guidance", "A classifier in doubt"),),
        ),
        Step(
            "power",
            "A scale: what it does to the density",
            (
                r"Multiply the pull by a number $s$, the guidance scale. A gradient times $s$ is the gradient of a power, $s\,\nabla\log p(y \mid x_t) = \nabla\log\big(p(y \mid x_t)^s\big)$. For $s > 1$ the classifier is taken to be surer than it is.",
                r"Now put in Bayes' rule, $p(y \mid x_t) \propto q(x_t \mid y)/q(x_t)$. The guided density is the one with words to the power $s$, times the one without words to the power $1-s$.",
            ),
            (
                r"q(x_t)\,p(y \mid x_t)^s \propto q(x_t \mid y)^s\, q(x_t)^{1-s}",
                r"\nabla\log\big(q(x_t \mid y)^s\, q(x_t)^{1-s}\big)",
                r"= s\,\nabla\log q(x_t \mid y) + (1-s)\,\nabla\log q(x_t)",
            ),
            Check(
                r"slope of $s\log q(x_t \mid y) + (1-s)\log q(x_t)$, by differences",
                "the lab's guided score",
                "guidance.power",
                (X_T, TIME, SHARE, SCALE),
            ),
            (Source(BEAT, "section 4.3"), Source(CFG, "section 3.2")),
            ("lab/engine/mixture.py:guided",),
            (Shown("guidance", "From vague to burnt"),),
        ),
        Step(
            "free",
            "Without a classifier",
            (
                r"There is no need to train a classifier. A network that gets the words in training, but now and then an empty prompt instead, knows both scores; by Bayes' rule their difference is the pull. Multiply by $-\sqrt{1-\bar\alpha_t}$ to have it in terms of noise.",
                r"The lab counts as diffusers does: $s = 1$ is the plain model with words, $s = 0$ the model without. The paper's $w$ is $s-1$.",
            ),
            (
                r"\nabla\log p(y \mid x_t) = \nabla\log q(x_t \mid y) - \nabla\log q(x_t)",
                r"\hat\epsilon = \epsilon_\theta(x_t) + s\,\big(\epsilon_\theta(x_t, y) - \epsilon_\theta(x_t)\big)",
            ),
            Check(
                r"noise with $s$ times the classifier's pull, by differences",
                "the lab's classifier-free guidance",
                "guidance.without_classifier",
                (X_T, TIME, SHARE, SCALE),
            ),
            (Source(CFG, "eq. 6"),),
            ("lab/engine/guidance.py:classifier_free",),
            (Shown("guidance", "Perfect scores, too"),),
        ),
        Step(
            "any",
            "The same for every kind of prediction",
            (
                r"At a given $x_t$, the noise, $v$ and the velocity of a flow are each a multiple of the picture plus a multiple of $x_t$, say $\epsilon = a\,x_0 + b\,x_t$. Let $x_0$ be the guess without words and $x_0'$ that with words. "
                r"Guidance is a mean with the weights $1-s$ and $s$, which add up to 1, so $b\,x_t$ passes through unchanged. Whatever the network predicts, the guided picture is the same.",
            ),
            (r"(1-s)(a\,x_0 + b\,x_t) + s\,(a\,x_0' + b\,x_t) = a\,\big((1-s)\,x_0 + s\,x_0'\big) + b\,x_t",),
            Check(
                r"the largest $\hat x_0$ that the lab's guidance finds by noise, picture, $v$ and flow",
                "the smallest of them",
                "guidance.any_prediction",
                (X_T, TIME, SCALE),
            ),
            (Source(CFG, "section 3.2"),),
            ("lab/engine/predictions.py:split_prediction",),
            (Shown("guidance", "Four rules"),),
        ),
        Step(
            "no-data",
            "Beyond 1 it is no diffusion of any data",
            (
                r"One could sharpen the data themselves by powers $s$ and $1-s$, and then add noise. Guidance does something else: it sharpens each noisy density separately. Without noise both are the same. For normal densities of mean 0 and variances $a$ and $b$ the sharpened density is normal with variance $g(a, b) = 1/(s/a + (1-s)/b)$.",
                r"Multiply $a$ and $b$ by a number: $g$ is multiplied by it, too. And for $s \ge 1$, $g$ is convex: $g(a, 1) = a/(s - (s-1)\,a)$ has the second derivative $2s(s-1)/(s - (s-1)\,a)^3 \ge 0$ wherever the sharpened density exists. Both together say that $g$ of a sum is at most the sum of the $g$.",
                r"Take data of variance $1$ without words and $c^2 < 1$ with words. The noisy variances are the sum of $\bar\alpha_t\,(c^2, 1)$ and $(1-\bar\alpha_t)\,(1, 1)$. So on the way down guided densities are narrower than sharpened data would be, and the paths of different seeds come closer to one another.",
            ),
            (r"g\big(\bar\alpha_t c^2 + 1-\bar\alpha_t,\ 1\big) \le \bar\alpha_t\, g(c^2, 1) + 1-\bar\alpha_t",),
            Check(
                "variance of the guided density, by quadrature",
                "variance of sharpened data with noise",
                "guidance.no_data",
                (NARROW, Number("scale", "s", 3, 1, 10), TIME),
            ),
            (Source(CFG, "section 3.2"),),
            ("lab/engine/mixture.py:guided",),
            (Shown("guidance", "All seeds alike"),),
        ),
    ),
)
