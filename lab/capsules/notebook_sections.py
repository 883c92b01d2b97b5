r"""What stands between the cells of an exported notebook: headings, sentences and equations, by the code that they are about.

A row of SECTIONS is told by a regular expression that its code holds; tests/capsules/test_notebook.py sees that every row
is of use to some script, and that every script has an equation. The notation is that of lab/equations.py.
"""

from typing import NamedTuple

from lab.catalog import GUIDANCE
from lab.papers import PAPERS


class Section(NamedTuple):
    """A heading and what is said below it. `code` is the regular expression, multi-line, of a part of a script."""

    code: str
    title: str
    words: str
    latex: str = ""
    paper: str = ""  # Markdown, with the place in the paper


def _paper(number: str, place: str = "") -> str:
    """Markdown of a paper of the lab's table, by a part of its link."""
    row = next(row for row in PAPERS if number in row.link)
    return f"[{row.authors} {row.year}]({row.link}){place and ', ' + place}"


def _rule(name: str, place: str = "") -> str:
    """Markdown of the paper of a guidance rule."""
    row = GUIDANCE[name]
    return f"[{row.paper}](https://arxiv.org/abs/{row.arxiv}){place and ', ' + place}"


SETTINGS = Section(
    r"^(MODEL|FOLDER|SEED|UNET)\b.* = |^LANES, STEPS",
    "Settings",
    "What the controls of the lab were set to. Change a line and run all cells below it.",
)
LARGER = (
    "`MODEL` is the one line to change for a larger model: a folder, or a name of the Hugging Face hub as "
    '`"stable-diffusion-v1-5/stable-diffusion-v1-5"`. Pictures then are others than those below.'
)

SECTIONS = (
    SETTINGS,
    # What is read
    Section(
        r"Pipeline\.from_pretrained\(MODEL",
        "The model",
        "A latent diffusion model in three parts: a text encoder, a UNet that predicts noise, and an autoencoder between "
        "pixels and latents, so that the UNet works on a picture of an eighth of the side or less.",
        r"z = \mathcal E(x), \qquad \tilde x = \mathcal D(z), \qquad \hat\epsilon = \epsilon_\theta(z_t, t, \tau(y))",
        _paper("2112.10752", "section 3"),
    ),
    Section(
        r"^(unet|weak_unet|vae) = \w+\.from_pretrained|^unet, alpha_bar = load",
        "The network",
        "It was trained on one regression: to tell from a noised picture what was added to it. A network that predicts "
        "$v$ is asked for a mixture of noise and picture, from which both follow.",
        r"L = \mathbb{E}_{x_0, \epsilon, t}\,\big\|\epsilon - \epsilon_\theta(x_t, t)\big\|^2, \qquad "
        r"v = \sqrt{\bar\alpha_t}\,\epsilon - \sqrt{1-\bar\alpha_t}\,x_0",
        _paper("2006.11239", "equation 14"),
    ),
    Section(
        r"^def read\(",
        "What the words become",
        "The text encoder is frozen. Every token of the prompt becomes a vector; in each block of the UNet places of the "
        "picture ask ($Q$) and tokens answer ($K$, $V$).",
        r"\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{QK^{\top}}{\sqrt d}\right) V",
        _paper("2112.10752", "section 3.3"),
    ),
    Section(
        r"index\.csv",
        "The pictures that are known",
        "The lab's pictures, cut out of their sheets, one row each with values in [−1, 1]. They take the place of a network's weights.",
    ),
    Section(
        r"ControlNetModel\.from_pretrained",
        "What steers the shape",
        "A ControlNet is a copy of the UNet's encoder that also sees a map $c$. What it finds goes through convolutions $\\mathcal Z$ "
        "that were zero when training began, and is added to the UNet's own values.",
        r"y_c = \mathcal F(x; \Theta) + \mathcal Z\big(\mathcal F(x + \mathcal Z(c; \Theta_{z1}); \Theta_c); \Theta_{z2}\big)",
        _paper("2302.05543", "equation 2"),
    ),
    # The process
    Section(
        r"alphas_cumprod|np\.cumprod|torch\.cumprod",
        "How noise is added",
        "The forward process in closed form: a picture fades while Gaussian noise grows, and $\\bar\\alpha_t$ says how far it is at $t$.",
        r"q(x_t \mid x_0) = \mathcal N\big(\sqrt{\bar\alpha_t}\,x_0,\ (1-\bar\alpha_t) I\big), \qquad "
        r"x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon, \qquad \bar\alpha_t = \prod_{s \le t} (1-\beta_s)",
        _paper("2006.11239", "equation 4"),
    ),
    Section(
        r"^def level\(t\):$|^def timestep\(|^def x_0_of\(",
        "Between noise and picture",
        "The same $x_t$ read in three ways. What lies between two timesteps of the table is interpolated in $\\sigma$.",
        r"\hat x_0 = \frac{x_t - \sqrt{1-\bar\alpha_t}\,\hat\epsilon}{\sqrt{\bar\alpha_t}}, \qquad "
        r"\sigma_t = \sqrt{\frac{1-\bar\alpha_t}{\bar\alpha_t}}",
        _paper("2010.02502", "equation 9"),
    ),
    Section(
        r"E\[x_0 \| x_t\](?!, the optimal)|^def mean\(x, a, data\)|weights @ data|\(weights\[:, None\] \* data\)",
        "The perfect prediction",
        "Of a finite set of pictures $x_i$ the best guess is known without any training: their mean, each weighted by how likely it "
        "is that $x_t$ came of it.",
        r"\hat x_0 = \mathbb{E}[x_0 \mid x_t] = \sum_i w_i x_i, \qquad "
        r"w = \mathrm{softmax}_i\!\left(-\frac{\|x_t - \sqrt{\bar\alpha_t}\,x_i\|^2}{2(1-\bar\alpha_t)}\right)",
        _paper("2206.00364", "appendix B.3"),
    ),
    Section(
        r"^PATCH = ",
        "A guess for each pixel alone",
        "The sum again, but for every pixel by itself: it sees no more than the patch $\\Omega$ around it, so parts of several "
        "pictures may come together in one.",
        r"w_i(p) \propto \exp\!\left(-\frac{\|x_t^{\Omega(p)} - \sqrt{\bar\alpha_t}\,x_i^{\Omega(p)}\|^2}{2(1-\bar\alpha_t)}\right)",
        _paper("2412.20292"),
    ),
    # Guides
    Section(
        r"^def log_p\(",
        "What pulls",
        "Bayes' rule adds a gradient to the score: towards pictures that a classifier, a caption or a formula finds likelier. "
        "What is asked of predicted $x_0$ goes through the denoiser first.",
        r"\nabla_{x_t} \log p(x_t \mid y) = \nabla_{x_t} \log p(x_t) + s\,\nabla_{x_t} \log p(y \mid x_t)",
        f"{_paper('2105.05233', 'section 4')}; {_paper('2302.07121')}",
    ),
    Section(
        r"weak_unet",
        "Away from a weaker self",
        "Two checkpoints of one network are asked, and the prediction goes on from the early one through the late one.",
        r"\hat\epsilon = \epsilon_{\mathrm{weak}} + s\,(\epsilon_\theta - \epsilon_{\mathrm{weak}})",
        _rule("auto"),
    ),
    Section(
        r"get_guidance_scale_embedding",
        "The scale as an input",
        "A consistency model was distilled from a guided one: it reads the scale instead of being asked twice.",
        r"f_\theta(x_t, s, c, t) \approx \hat x_0",
        _paper("2310.04378"),
    ),
    # Pictures that are given
    Section(
        r"^original, mask = |^pixels = opened\(|^x_0 = pipe\.vae|^pixels, latents, spreads|^pictures = \[opened|^picture = opened\(|^small = torch\.from_numpy|^values = torch\.tensor|^x_0 = torch\.from_numpy",
        "The picture that is given",
        "It comes with the notebook, and is read as values in [−1, 1].",
    ),
    Section(
        r"^agreement = ",
        "Only what agrees",
        "The set is known, so the truth is: each picture weighs as much as it agrees with what is around the hole.",
        r"w_i \propto q(x_t \mid x_i)\; p(\text{known part} \mid x_i)",
    ),
    Section(
        r"^def joined\(",
        "Two predictions in one",
        "A step may follow the mean of two predictions, each part its own, or the low frequencies of one and the high ones of the other.",
        r"\hat\epsilon = \tfrac12\big(\epsilon_\theta(x_t, c_1) + V^{-1}\epsilon_\theta(V x_t, c_2)\big) \quad\text{or}\quad "
        r"\hat\epsilon = (1-m)\,\epsilon_\theta(x_t, c_1) + m\,\epsilon_\theta(x_t, c_2)",
        f"{_paper('2302.08113')}; {_paper('2311.17919')}; {_paper('2404.11615')}",
    ),
    # Noise
    Section(
        r"torch\.randn\(shape|np\.random\.RandomState|^noise = torch\.randn|^x = torch\.randn|^eps = torch\.randn|^def noise\(|^def stream\(",
        "The noise that it begins with",
        "A seed names it: the same seed draws the same numbers on every machine, since they are drawn on the CPU.",
        r"x_T \sim \mathcal N(0, I)",
    ),
    Section(
        r"scheduler\.add_noise\(x_0, noise, scheduler\.timesteps\[begin",
        "From the middle of the way",
        "The picture is noised to a level that leaves its layout, and the sampler goes on from there.",
        r"x_{t_0} = \sqrt{\bar\alpha_{t_0}}\,x_0 + \sqrt{1-\bar\alpha_{t_0}}\,\epsilon",
        _paper("2108.01073", "algorithm 1"),
    ),
    Section(
        r"x = \(1 - hole\) \* known \+ hole \* x",
        "What is known is put back",
        "After each step the place around the hole is the given picture, noised to the level that was reached; $m$ is 1 in the hole.",
        r"x_s \leftarrow m \odot x_s + (1-m) \odot \big(\sqrt{\bar\alpha_s}\,x_0 + \sqrt{1-\bar\alpha_s}\,\epsilon\big)",
        _paper("2206.02779"),
    ),
    Section(
        r"x_t, i = \(1 - hole\) \* known",
        "There and back again",
        "RePaint noises its result some steps up and comes down once more, so that hole and surroundings can find together.",
        r"x_{t} = \sqrt{1-\beta_t}\,x_{t-1} + \sqrt{\beta_t}\,\epsilon",
        _paper("2201.09865", "algorithm 1"),
    ),
    Section(
        r"#.*up: by the eps|^def x_T_of",
        "The way up",
        "DDIM without noise is a path that can be walked in both directions: upwards it finds the noise of a given picture.",
        r"x_s = \sqrt{\bar\alpha_s}\,\hat x_0 + \sqrt{1-\bar\alpha_s}\,\hat\epsilon, \quad s > t",
        _paper("2010.02502", "section 4.3"),
    ),
    Section(
        r"alpha_bar\[NOISE\]",
        "Noise on the small picture",
        "The network was trained to enlarge small pictures under some noise, and is told how much: it then trusts details less.",
        r"y' = \sqrt{\bar\alpha_n}\,y + \sqrt{1-\bar\alpha_n}\,\epsilon",
        _paper("2106.15282", "section 4"),
    ),
    # The loop
    Section(
        r"SCALE \* \(|^def guided\(",
        "Guidance",
        "The model is asked twice, with the condition and without, and the difference between the answers is stretched.",
        r"\hat\epsilon = \epsilon_\theta(x_t) + s\,\big(\epsilon_\theta(x_t, c) - \epsilon_\theta(x_t)\big)",
        _paper("2207.12598", "equation 6"),
    ),
    Section(
        r"rescaled = prediction",
        "Contrast brought back",
        "Stretching raises the contrast; this rule brings most of it back to that of the plain conditional prediction.",
        r"\hat\epsilon \leftarrow 0.7\,\hat\epsilon\,\frac{\mathrm{std}(\epsilon_c)}{\mathrm{std}(\hat\epsilon)} + 0.3\,\hat\epsilon",
        _rule("rescaled", "section 3.4"),
    ),
    Section(
        r"at middle noise levels only",
        "Guided for a while",
        "Where noise is highest and lowest the model is left to itself.",
        r"s(\sigma) = \begin{cases} s & 0.28 < \sigma \le 2.9 \\ 1 & \text{else} \end{cases}",
        _rule("interval", "equation 5"),
    ),
    Section(
        r"guided_x_0\.clamp",
        "Back into the range of pixels",
        "Where guidance drives the predicted picture beyond [−1, 1], all of it is scaled back.",
        r"\hat x_0 \leftarrow \frac{\mathrm{clip}(\hat x_0, -l, l)}{l}, \qquad l = \max(1, \text{99.5th percentile of } |\hat x_0|)",
        _rule("threshold", "section 2.3"),
    ),
    Section(
        r"along = \(difference \* own\)",
        "Only what is orthogonal",
        "Of the difference $\\Delta$ the part along the prediction is left out, which is what saturates colours.",
        r"\hat x_0 = \hat x_{0,c} + (s-1)\left(\Delta - \frac{\langle\Delta, \hat x_{0,c}\rangle}{\|\hat x_{0,c}\|^2}\hat x_{0,c}\right)",
        _rule("apg", "algorithm 1"),
    ),
    # Attention
    Section(
        r"^class Explicit",
        "Attention that can be seen",
        "The UNet's attention, written out: $M$ says how much each place of the picture takes from each word. It is kept, and it can be changed.",
        r"M = \mathrm{softmax}\!\left(\frac{QK^{\top}}{\sqrt d}\right), \qquad \text{output} = M V",
        f"{_paper('2210.04885')}; {_paper('2208.01626')}",
    ),
    # Autoencoders
    Section(
        r"^def log_likelihood|^class Network|^def encode\(weights",
        "Encoder and decoder",
        "The encoder tells a Gaussian over codes, the decoder the mean of a Gaussian over pictures.",
        r"q(z \mid x) = \mathcal N\big(\mu(x), \sigma^2(x)\big), \qquad p(x \mid z) = \mathcal N\big(\hat x(z), s^2 I\big), \qquad p(z) = \mathcal N(0, I)",
        _paper("1312.6114", "section 3"),
    ),
    Section(
        r"^kl = float|kl = 0\.5 \* ",
        "Both terms of the bound",
        "What the code costs, in nats, and how well the picture comes back; $\\beta$ is the price of a nat in training.",
        r"\log p(x) \ge \mathbb{E}_{q}[\log p(x \mid z)] - \beta\,D_{\mathrm{KL}}\big(q(z \mid x)\,\|\,p(z)\big), \qquad "
        r"D_{\mathrm{KL}} = \tfrac12 \sum_j \big(\mu_j^2 + \sigma_j^2 - 1 - \log\sigma_j^2\big)",
        f"{_paper('1312.6114', 'equation 10')}; {_paper('Sy2fzU9gl')}",
    ),
    Section(
        r"logsumexp\(1\) - math\.log\(K\)",
        "Several codes weighed",
        "With more draws the bound comes nearer to the likelihood.",
        r"\mathcal L_K = \mathbb{E}\left[\log \frac1K \sum_{k=1}^K \frac{p(x, z_k)}{q(z_k \mid x)}\right] \le \log p(x)",
        _paper("1509.00519", "equation 8"),
    ),
    Section(
        r"^places = torch\.special\.ndtri",
        "The plane of codes",
        "Codes at the quantiles of the prior, so that each cell is drawn equally often, decoded.",
        r"z_{ij} = \big(\Phi^{-1}(u_i),\ \Phi^{-1}(u_j)\big), \qquad x_{ij} = \hat x(z_{ij})",
        _paper("1312.6114", "figure 4"),
    ),
    Section(
        r"^def psnr",
        "What is lost",
        "Two measures of how near a picture is to the one that was encoded, and the time that a step of the UNet takes.",
        r"\mathrm{PSNR} = 10 \log_{10} \frac{255^2}{\mathrm{MSE}}",
        _paper("2112.10752", "section 4.1"),
    ),
    Section(
        r"^def changed\(|^def slerp\(",
        "Between two points",
        "A straight line between two draws of a Gaussian is shorter in the middle than both; an arc is not.",
        r"\mathrm{slerp}(a, b; t) = \frac{\sin((1-t)\theta)\,a + \sin(t\theta)\,b}{\sin\theta}, \qquad \cos\theta = \frac{\langle a, b\rangle}{\|a\|\,\|b\|}",
    ),
    # The ledger
    Section(
        r"share of the way from log",
        "A variance that is learned",
        "Beside its guess the network says, for every value, where between two bounds the variance of the step lies.",
        r"\sigma^2 = \exp\big(w \log\beta + (1-w)\log\tilde\beta\big)",
        _paper("2102.09672", "equation 15"),
    ),
    Section(
        r"^def divergence\(",
        "What a step costs",
        "Sender and receiver differ in a Gaussian; what it takes to tell the difference is its divergence, in bits.",
        r"L_{t-1} = D_{\mathrm{KL}}\big(q(x_{t-1} \mid x_t, x_0)\,\|\,p_\theta(x_{t-1} \mid x_t)\big)",
        _paper("2006.11239", "equation 5"),
    ),
    Section(
        r"^def bytes_bits\(",
        "The last step",
        "It must end at whole grey levels: each value costs the mass of its bin.",
        r"L_0 = -\log_2 \int_{\text{bin of } x_0} \mathcal N\big(x; \mu_\theta(x_1), \sigma_1^2\big)\,dx",
        _paper("2006.11239", "equation 13"),
    ),
    Section(
        r"^prior = float\(",
        "The sum of the bill",
        "All terms together bound how many bits it takes to send the picture.",
        r"-\log_2 p(x_0) \le L_T + \sum_{t > 1} L_{t-1} + L_0",
        _paper("1503.03585"),
    ),
    # The plane
    Section(
        r"^def odds\(x, signal, noise\)",
        "The score of a mixture",
        "On the plane everything is in closed form: the best denoiser is a mean over points, and the score follows from it.",
        r"\nabla_{x} \log p_t(x) = \frac{s_t\,\mathbb{E}[x_0 \mid x] - x}{n_t^2}",
        _paper("2011.13456"),
    ),
    Section(
        r"^def step\(lane",
        "One step of each lane",
        "Langevin dynamics, the reverse SDE, its ODE and a straight flow, each by the same score.",
        r"x \leftarrow x + \frac{h}{2}\,\nabla_x \log p(x) + \sqrt h\,z \qquad \text{(Langevin)}",
        f"{_paper('1907.05600', 'equation 4')}; {_paper('2209.03003')}",
    ),
    # unCLIP
    Section(
        r"^def call_prior\(|^def drawn\(",
        "The prior",
        "From the caption it draws the embedding of a picture, by diffusion in the space of CLIP.",
        r"p(x \mid y) = p(x \mid z, y)\,p(z \mid y)",
        _paper("2204.06125", "equation 1"),
    ),
    Section(
        r"^def difference\(",
        "A text difference",
        "The embedding is turned towards what one text says and the other does not.",
        r"z_\theta = \mathrm{slerp}(z_i, z_d; \theta), \qquad z_d = \frac{z_t - z_{t_0}}{\|z_t - z_{t_0}\|}",
        _paper("2204.06125", "section 3.3"),
    ),
    Section(
        r"^def kept\(",
        "Principal components",
        "Of an embedding only the first directions are kept.",
        r"z' = \bar z + V_k^{\top} V_k (z - \bar z)",
        _paper("2204.06125", "figure 7"),
    ),
)

STEPS = r"scheduler\.step\(|^for .*zip\((timesteps, )?levels|^for .* in levels\(|^for t, s in zip\(timesteps|^def ddim\(|^    x = b\*\*0\.5 \* x_0|^    y = y \+ part|^for t, a, b in zip|^picture = pipe\("
SAVING = r"\.save\("
