"""Chapter: diffusion in a latent space, attention to words, and a control that starts from zero."""

from lab.notes.chapters.forward import SHARE, X_T, T
from lab.notes.step import SEED, Chapter, Check, Number, Shown, Source, Step

LDM, ATTENTION, CONTROL = "Rombach et al. 2021", "Vaswani et al. 2017", "Zhang, Rao & Agrawala 2023"
PICTURES = (-1.4, -0.3, 0.8, 2.0)
FEATURE, INNER, TARGET = (
    Number("feature", "h", 0.7, -2, 2),
    Number("inner", "u", 1.3, -3, 3),
    Number("target", "r", 1.0, -2, 2),
)
FROZEN = Number("frozen", "F(x)", 0.3, -2, 2)

CHAPTER = Chapter(
    "latent",
    "Latents, words, controls",
    "What turned the equations into pictures of any size and subject: diffuse codes in place of pixels, let words in by attention, and add a control that does no harm at first.",
    (
        Step(
            "bound",
            "A bound with a learned prior",
            (
                r"Let $z$ be an autoencoder's code of $x$, and let a diffusion model of codes be the prior $p(z)$ in place of $\mathcal{N}(0, I)$. The evidence lower bound stays what it is. Write its divergence as two parts, $\mathbb{E}_q[-\log q(z)] = H(q)$, the entropy of the code, and $\mathbb{E}_q[\log p(z)]$. "
                r"The first two terms below belong to the autoencoder. For the last one the diffusion model has its own bound, with $z$ in the place of the picture.",
                r"Latent diffusion trains one part after the other: first the autoencoder, with hardly any weight on the divergence, then the prior on its codes. In the check $p(z)$ are the two humps, and $q = \mathcal{N}(m, s^2)$.",
            ),
            (
                r"\log p(x) \ge \mathbb{E}_q[\log p(x \mid z)] + H(q) + \mathbb{E}_q[\log p(z)]",
                r"-\log p(z) \le L_T + \sum_{t=2}^T L_{t-1} + L_0",
            ),
            Check(
                "the three terms, by quadrature",
                r"$\log p(x)$, by quadrature",
                "latent.below",
                (Number("x", "x", 1.2, -3, 3), Number("m", "m", 0.9, -2, 2), Number("s", "s", 0.5, 0.2, 2), SHARE),
            ),
            (Source(LDM, "section 3, eq. 2"),),
            ("lab/engine/variational.py:log_weights",),
            (Shown("samplers", "A model that learned"),),
        ),
        Step(
            "scaled",
            "Why latents are scaled",
            (
                r"A schedule is made for values of variance 1. Codes of a smaller variance would disappear in the noise too early, those of a larger one too late. So codes $z$ of standard deviation $1/f$ are multiplied by $f$. Stable Diffusion's codes are large, and its $f$ is 0.18215.",
                r"The second form of the first line says what this does: it is the same as a schedule whose picture has the factor $f\sqrt{\bar\alpha_t}$, so the signal-to-noise ratio is multiplied by $f^2$. And given the same $x_t$, the best guess of the scaled code is $f$ times that of the code.",
            ),
            (
                r"x_t = \sqrt{\bar\alpha_t}\,(f z) + \sqrt{1-\bar\alpha_t}\,\epsilon = (f\sqrt{\bar\alpha_t})\,z + \sqrt{1-\bar\alpha_t}\,\epsilon",
                r"\mathbb{E}[f z \mid x_t] / f = \mathbb{E}[z \mid x_t]",
            ),
            Check(
                r"the lab's best guess of scaled codes, divided by $f$",
                r"its best guess of the codes, with $f$ times the signal",
                "latent.scaled",
                (X_T, Number("t", "t", 300, 20, T, whole=True), Number("factor", "f", 0.5, 0.05, 5)),
            ),
            (Source(LDM, "appendix G"),),
            ("lab/models/stable_diffusion.py:Parts.statistics",),
            (Shown("inside", "Why latents pay"),),
        ),
        Step(
            "root",
            "Attention, and its root of d",
            (
                r"Attention lets words act on the picture. Each place of the picture has a query, a vector of $d$ numbers; each word has a key, also of $d$ numbers, and a value. Where a query and a key agree, their product $Q \cdot K = \sum_i Q_i K_i$ is large, and the place takes more of that word's value. "
                r"The rows of the matrices $Q$, $K$ and $V$ are the queries, keys and values, and $\mathrm{Attention}$ is what all places take. $\mathrm{softmax}$ turns each row of products into shares that add up to 1.",
                r"If the entries are independent, with mean 0 and variance 1, so are the $d$ products, and their sum has the variance $d$. Divided by $\sqrt d$ it has the variance 1 for every $d$. Without the root, one share would be nearly 1 and all others nearly 0 when $d$ is large.",
            ),
            (
                r"\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\Big(\frac{Q K^\top}{\sqrt d}\Big)\,V",
                r"\mathrm{Var}[Q \cdot K] = \sum_{i=1}^d \mathbb{E}[Q_i^2]\,\mathbb{E}[K_i^2] = d",
            ),
            Check(
                r"variance of $Q \cdot K/\sqrt d$, by draws",
                "1",
                "latent.dot_product",
                (Number("dimensions", "d", 64, 1, 256, whole=True), SEED),
            ),
            (Source(ATTENTION, "eq. 1 and section 3.2.1"), Source(LDM, "section 3.3")),
            ("lab/models/attention.py:AttentionDenoiser",),
            (Shown("inside", "Which word drew it"),),
        ),
        Step(
            "denoiser",
            "The exact denoiser is attention",
            (
                r"Let the data be a finite set of equally likely pictures $x_i$. By Bayes' rule the chance that $x_t$ came from $x_i$ is proportional to $\exp(-\|x_t - \sqrt{\bar\alpha_t}\,x_i\|^2/2(1-\bar\alpha_t))$. Expand the square: $\|x_t\|^2$ is the same for all $i$ and cancels when the chances are made to add up to 1. "
                r"What is left is a product of $x_t$ with $x_i$, less a part for the length of $x_i$.",
                r"So the best denoiser of a set is attention: $x_t$ is the query, the pictures are keys and values, and $1-\bar\alpha_t$ plays the part of a temperature. It looks pictures up as a place looks up its word.",
            ),
            (
                r"\mathbb{E}[x_0 \mid x_t] = \sum_i \mathrm{softmax}_i\Big(\frac{\sqrt{\bar\alpha_t}\;x_t \cdot x_i - \tfrac12\bar\alpha_t\|x_i\|^2}{1-\bar\alpha_t}\Big)\,x_i",
            ),
            Check(
                "softmax attention to four pictures of one value",
                r"the lab's $\mathbb{E}[x_0 \mid x_t]$ of these four",
                "latent.denoiser_is_attention",
                (X_T, Number("t", "t", 300, 20, T, whole=True)),
            ),
            (Source("Karras et al. 2022", "appendix B.3"),),
            ("lab/models/exact.py:ExactDenoiser", "lab/engine/mixture.py:Mixture.responsibilities"),
            (Shown("memory", "More data, still copies"),),
        ),
        Step(
            "zero",
            "ControlNet: nothing changes at first",
            (
                r"A denoising network, the U-Net, has two halves: an encoder, whose layers make the picture smaller and smaller, and a decoder, which makes it large again. ControlNet takes a trained U-Net and leaves it as it is. It adds a copy of the encoder that also sees a map: a second picture, of edges or of a pose, that the result should follow.",
                r"What the copy says is added to the U-Net through zero layers, convolutions of one pixel whose weights and biases start at zero. Whatever the copy says, times zero it adds nothing: training starts from the model as it was.",
                r"The checks have one number of each. $F(x)$ is what the U-Net says without control, and $y_c$ what it says with it. The copy is one neuron, $\tanh(u\,h)$, which sees a feature $h$ of the map with the weight $u$; the zero layer has the weight $w$.",
            ),
            (r"y_c = F(x) + w\,\tanh(u\,h), \quad w = 0 \ \Rightarrow\ y_c = F(x)",),
            Check(
                "$y_c$ with a new zero layer of diffusers",
                "$F(x)$",
                "latent.nothing_at_first",
                (FROZEN, FEATURE, INNER),
            ),
            (Source(CONTROL, "eq. 2 and 3"),),
            ("lab/models/stable_diffusion.py:Residuals",),
            (Shown("controlnet", "How hard to hold"),),
        ),
        Step(
            "gradient",
            "Zero layers do learn",
            (
                r"Let $r$ be the right answer, and half the squared error of $y_c = F(x) + w\,\tanh(u\,h)$ the loss. The slope of a product by one factor is the other factor. So at $w = 0$ the gradient of the zero layer is the error times what comes into the layer. That is not zero, though what comes out is.",
            ),
            (r"\frac{\partial}{\partial w}\,\tfrac12(y_c - r)^2\Big|_{w=0} = (F(x) - r)\,\tanh(u\,h)",),
            Check(
                r"slope of the loss by $w$ at 0, by differences",
                "error times what comes in",
                "latent.gradient_of_zero",
                (FROZEN, FEATURE, INNER, TARGET),
            ),
            (Source(CONTROL, "section 3.1 and its supplement"),),
            ("lab/training/recipes/controlnet.py:ControlNet.loss",),
        ),
        Step(
            "inner",
            "One step later the copy learns, too",
            (
                r"The copy, $\tanh(u\,h)$, lies behind the zero layer. By the chain rule the gradient of its weight $u$ is the error $y_c - r$, times $w$, times the copy's own slope $h\,(1 - \tanh^2(u\,h))$. In the first step of training $w$ is 0 and so is this gradient.",
                r"That step moves $w$ against its gradient $(F(x) - r)\tanh(u\,h)$, with a step size $\eta$, to the value in the second line. From then on the copy learns as well. Nothing moves only if the error is exactly zero, when there is nothing to learn, or if what comes into the zero layer is.",
            ),
            (
                r"\frac{\partial}{\partial u}\,\tfrac12(y_c - r)^2 = (y_c - r)\, w\, h\,\big(1 - \tanh^2(u\,h)\big)",
                r"w = -\eta\,(F(x) - r)\,\tanh(u\,h)",
            ),
            Check(
                r"slope of the loss by $u$ after one step, by differences",
                "the formula",
                "latent.inner_gradient",
                (FROZEN, FEATURE, INNER, TARGET, Number("rate", r"\eta", 0.1, 0, 1)),
            ),
            (Source(CONTROL, "section 3.1 and its supplement"),),
            ("lab/models/stable_diffusion.py:strengths_of",),
        ),
    ),
)
