"""The table of papers: what each one says and what of it can be played in the lab. No imports of other rooms.

Adding a paper is adding a row to PAPERS, oldest first; `tries` names presets of tabs by their titles, and a row without
any is shown as an instrument that is not built yet.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Try:
    """A preset that shows what a paper says."""

    tab: str  # a folder of lab/ui/tabs
    preset: str  # the title of one of its presets
    look_for: str


@dataclass(frozen=True)
class Paper:
    """A paper of the field. The year is that of the preprint, as in the arXiv id."""

    authors: str
    year: int
    title: str
    link: str
    idea: str
    equation: str  # LaTeX
    tries: tuple[Try, ...] = ()


def _arxiv(number: str) -> str:
    return f"https://arxiv.org/abs/{number}"


# fmt: off
PAPERS = (
    Paper("Kingma & Welling", 2013, "Auto-Encoding Variational Bayes", _arxiv("1312.6114"),
          "An encoder and a decoder are trained together by a bound on the likelihood; sampling is made differentiable by moving its noise outside.",
          r"\log p(x) \ge \mathbb{E}_{q(z \mid x)}[\log p(x \mid z)] - D_{\mathrm{KL}}(q(z \mid x) \,\|\, p(z))"),
    Paper("Sohl-Dickstein et al.", 2015, "Deep Unsupervised Learning using Nonequilibrium Thermodynamics", _arxiv("1503.03585"),
          "Destroy the data slowly by a known diffusion, and learn to run it backwards.",
          r"q(x_t \mid x_{t-1}) = \mathcal{N}(\sqrt{1-\beta_t}\,x_{t-1},\ \beta_t I)",
          (Try("score", "Learn a roll", "The paper's swiss roll: a network learns the way back from noise, before your eyes."),
           Try("ledger", "The bill of an apple", "The paper's bound on the likelihood, term by term, while a picture comes out of noise."),
           Try("noising", "Values turn normal", "The histogram of a photograph becomes a bell, whatever it was before."))),
    Paper("Higgins et al.", 2017, "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework", "https://openreview.net/forum?id=Sy2fzU9gl",
          "A heavier price on the code makes the autoencoder keep separate causes in separate coordinates.",
          r"\mathbb{E}_{q(z \mid x)}[\log p(x \mid z)] - \beta\, D_{\mathrm{KL}}(q(z \mid x) \,\|\, p(z))"),
    Paper("Song & Ermon", 2019, "Generative Modeling by Estimating Gradients of the Data Distribution", _arxiv("1907.05600"),
          "Learn the score of the data at many noise levels, then follow it by Langevin dynamics from much noise to little.",
          r"x \leftarrow x + \tfrac{\alpha}{2}\, s_\theta(x, \sigma) + \sqrt{\alpha}\, z",
          (Try("score", "Figure 3", "Plain Langevin keeps the shares of its start, annealed Langevin finds those of the data."),
           Try("score", "Ten times longer", "Waiting does not help plain Langevin."),
           Try("score", "Only where data are", "The paper's Figure 2: a network that learns a score is right only where data are."),
           Try("samplers", "Falling levels", "On pictures: at one low level there is no cat, through falling levels there is."),
           Try("samplers", "Two groups", "Figure 3 on pictures, 80 of one group and 20 of another: annealed Langevin finds the share though it starts in the small one."))),
    Paper("Ho, Jain & Abbeel", 2020, "Denoising Diffusion Probabilistic Models", _arxiv("2006.11239"),
          "Predict the noise that was added: a plain squared error is enough to train a diffusion model that makes good pictures.",
          r"\mathbb{E}\,\big\|\epsilon - \epsilon_\theta(\sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon,\ t)\big\|^2",
          (Try("ledger", "What nobody sees", "The paper's Figure 5: error over bits. A third of them holds all that one sees."),
           Try("noising", "Half gone", "One jump to t = 260 of 1000, where half of the variance is noise."),
           Try("samplers", "DDPM against DDIM", "The same start: one lane adds fresh noise at each step, the other none."))),
    Paper("Song, Meng & Ermon", 2020, "Denoising Diffusion Implicit Models", _arxiv("2010.02502"),
          "The same trained model allows a deterministic walk back, which can skip most of the steps.",
          r"x_s = \sqrt{\bar\alpha_s}\,\hat x_0 + \sqrt{1-\bar\alpha_s}\,\hat\epsilon",
          (Try("samplers", "How few steps?", "How far the end lies from that of a long run, for 2 to 100 steps."),
           Try("samplers", "Few steps, noise or none", "A model that learned: without noise the same face from 4 steps to 40, with noise another at each count."),
           Try("samplers", "The eta dial", "From the smooth path at 0 to DDPM's noise at 1."),
           Try("samplers", "There and back", "The path can be walked upwards: from a picture to its own noise."))),
    Paper("Song et al.", 2020, "Score-Based Generative Modeling through Stochastic Differential Equations", _arxiv("2011.13456"),
          "Noise that grows without steps is a stochastic differential equation. It can be run backwards with the score, with noise on the way or, by the probability flow, without.",
          r"\mathrm{d}x = \big[f(x, t) - g(t)^2\, \nabla_x \log p_t(x)\big]\, \mathrm{d}t + g(t)\, \mathrm{d}\bar w",
          (Try("score", "Four ways down", "The reverse equation with noise and the flow without it, beside DDPM and a straight flow."),
           Try("samplers", "One formula", "Variance preserving and variance exploding, with noise and without: in each pair the same picture."))),
    Paper("Nichol & Dhariwal", 2021, "Improved Denoising Diffusion Probabilistic Models", _arxiv("2102.09672"),
          "A cosine schedule drowns the picture evenly, and a learned variance let the paper's models sample in fewer steps.",
          r"\bar\alpha_t \propto \cos^2\!\Big(\frac{t/T + s}{1 + s} \cdot \frac{\pi}{2}\Big)",
          (Try("ledger", "The last steps cost most", "The paper's Figure 2: the terms near the picture hold most of the bound."),
           Try("ledger", "Three variances", "With few steps the learned variance makes the cheapest bill."),
           Try("ledger", "Fewer steps cost more", "The bound of one picture in 25, 100 and 1,000 steps."),
           Try("noising", "Linear against cosine", "Half-way, cosine still keeps half of the picture's variance, linear 8 %."),
           Try("samplers", "Learned or perfect?", "A small model on the paper's cosine schedule, and the best that it could have learned, from the same noise."),
           Try("samplers", "Few steps, noise or none", "The learned variance of a small model: in 4 to 10 steps it leaves speckles that are nearly gone at 40. What the paper gains by it is not gained here."))),
    Paper("Dhariwal & Nichol", 2021, "Diffusion Models Beat GANs on Image Synthesis", _arxiv("2105.05233"),
          "The gradient of a classifier of noisy pictures pushes each step towards a class.",
          r"\hat\epsilon = \epsilon_\theta(x_t) - \sqrt{1-\bar\alpha_t}\; s\, \nabla_{x_t} \log p_\phi(y \mid x_t)",
          (Try("guidance", "Bayes' rule, exactly", "A classifier without errors is classifier-free guidance, pixel for pixel."),
           Try("guidance", "A classifier pulls", "Classifier-free guidance has a yellow face at 3; a learned classifier hardly pulls at 1, and needs 10."),
           Try("guidance", "A classifier in doubt", "At temperature 5 it is less sure, and nothing happens up to 3: why the paper turned the scale up."))),
    Paper("Kingma et al.", 2021, "Variational Diffusion Models", _arxiv("2107.00630"),
          "Only the signal-to-noise ratio counts: the schedule between its two ends does not change the continuous-time loss.",
          r"\mathrm{SNR}(t) = \bar\alpha_t / (1-\bar\alpha_t)",
          (Try("ledger", "Only the ends differ", "Two schedules, one curve over log-SNR, and nearly one bill."),
           Try("noising", "Same log-SNR", "Two schedules at one log-SNR: all but the same picture, at different t."),)),
    Paper("Rombach et al.", 2021, "High-Resolution Image Synthesis with Latent Diffusion Models", _arxiv("2112.10752"),
          "Diffuse in the small latent space of an autoencoder and let words in by cross-attention.",
          r"\mathbb{E}\,\big\|\epsilon - \epsilon_\theta(z_t,\ t,\ \tau(y))\big\|^2, \quad z_0 = \mathcal{E}(x)",
          (Try("samplers", "A model that learned", "A small latent diffusion model makes a red heart from its words."),)),
    Paper("Nichol et al.", 2021, "GLIDE: Towards Photorealistic Image Generation and Editing with Text-Guided Diffusion Models", _arxiv("2112.10741"),
          "For pictures from text, people preferred classifier-free guidance to guidance by CLIP.",
          r"\hat\mu = \mu_\theta(x_t \mid c) + s\, \Sigma_\theta\, \nabla_{x_t}\big(f(x_t) \cdot g(c)\big)",
          (Try("guidance", "Words it never read", "A model without words is pulled to a frog by a CLIP of noisy pictures: it turns green."),
           Try("guidance", "Who judges?", "By the score of the CLIP that guides its pictures win; a judge that shares nothing with it finds both rules as good."))),
    Paper("Ramesh et al.", 2022, "Hierarchical Text-Conditional Image Generation with CLIP Latents", _arxiv("2204.06125"),
          "unCLIP, known as DALL-E 2: a prior turns the text into a CLIP picture embedding, a decoder turns that into a picture.",
          r"p(x \mid y) = p(x \mid z_i, y)\; p(z_i \mid y)"),
    Paper("Karras et al.", 2022, "Elucidating the Design Space of Diffusion-Based Generative Models", _arxiv("2206.00364"),
          "Training, noise levels and solver are separate choices; a second-order solver needs few calls.",
          r"\frac{\mathrm{d}x}{\mathrm{d}\sigma} = \frac{x - D_\theta(x;\sigma)}{\sigma}",
          (Try("samplers", "Who converges first?", "Compare Euler's distance to a long run with that of Heun, which makes two calls a step."),)),
    Paper("Ho & Salimans", 2022, "Classifier-Free Diffusion Guidance", _arxiv("2207.12598"),
          "Ask one model with and without the prompt, and go further in the direction of the difference.",
          r"\hat\epsilon = \epsilon_\theta(x_t) + s\,\big(\epsilon_\theta(x_t, c) - \epsilon_\theta(x_t)\big)",
          (Try("guidance", "From vague to burnt", "One prompt over a row of scales, from 0 to 30."),
           Try("guidance", "All seeds alike", "How much four seeds still differ as the scale grows."),
           Try("guidance", "Perfect scores, too", "The same sweep with a denoiser that makes no errors."))),
    Paper("Liu, Gong & Liu", 2022, "Flow Straight and Fast: Learning to Generate and Transfer Data with Rectified Flow", _arxiv("2209.03003"),
          "Mix noise and data along straight lines and learn the mean velocity; then do it again with the pairs that this flow makes, and its paths become straight.",
          r"\min_v \int_0^1 \mathbb{E}\,\big\|(x_1 - x_0) - v(x_t, t)\big\|^2\, \mathrm{d}t, \quad x_t = t x_1 + (1-t) x_0",
          (Try("score", "Straighten", "Paths that bend, and after reflow do not."),
           Try("score", "Four calls", "What straight paths are good for: four calls suffice."))),
    Paper("Lipman et al.", 2022, "Flow Matching for Generative Modeling", _arxiv("2210.02747"),
          "Regress on the velocity of a path from noise to each single datum: the mean of these is the velocity that moves noise to all data.",
          r"\mathbb{E}\,\big\|v_\theta(x_t, t) - u_t(x_t \mid x_1)\big\|^2",
          (Try("score", "Four ways down", "The straight flow beside diffusion's ways down, from the same particles."),
           Try("samplers", "DDIM or flow?", "On pictures, from the same noise: the straight flow ends where DDIM does."))),
    Paper("Bansal et al.", 2023, "Universal Guidance for Diffusion Models", _arxiv("2302.07121"),
          "Any loss of a finished picture can guide: it is taken of the predicted picture, and its gradient goes back through the denoiser.",
          r"\hat\epsilon = \epsilon_\theta(x_t) + s(t)\, \nabla_{x_t}\, \ell(c,\, f(\hat x_0))",
          (Try("guidance", "Only in orange", "A formula pulls: the mean colour of each picture, its paper included, goes towards the one that you pick."),
           Try("guidance", "Its own mirror image", "A formula asks that the two halves become mirror images."))),
    Paper("Zhang, Rao & Agrawala", 2023, "Adding Conditional Control to Text-to-Image Diffusion Models", _arxiv("2302.05543"),
          "A copy of the encoder reads a map of edges or a pose and adds to the untouched model through layers that start at zero.",
          r"h_k \leftarrow h_k + s\, r_k(x_t, t, c, \mathrm{map})",
          (Try("controlnet", "How hard to hold", "One map of edges at strengths from 0 to 1.5."),
           Try("controlnet", "When is shape decided?", "The map at work early, late or all the time."),
           Try("controlnet", "Strike a pose", "A skeleton, dragged by its joints."))),
    Paper("Lin et al.", 2023, "Common Diffusion Noise Schedules and Sample Steps are Flawed", _arxiv("2305.08891"),
          "Training never saw pure noise but sampling starts from it: mend the schedule so that nothing of the picture is left at t = T.",
          r"\mathrm{SNR}(T) = 0",
          (Try("noising", "The leak at t = T", "Stable Diffusion's schedule leaves a trace at t = T, the mended one none."),
           Try("guidance", "Four rules", "Rescaled guidance beside plain: on pictures as small as these it changes little. Guidance within an interval of noise levels spares the heart at 30."),
           Try("guidance", "Rules, exactly", "With exact scores nothing burns, whatever the rule: only the pictures differ in which they end."))),
    Paper("Luo et al.", 2023, "Latent Consistency Models: Synthesizing High-Resolution Images with Few-Step Inference", _arxiv("2310.04378"),
          "Teach a student to jump from any noise level to the end of the guided path in one call: a picture takes one to eight steps.",
          r"f_\theta(z_t, \omega, c, t) = f_\theta(z_{t'}, \omega, c, t') = z_0",
          (Try("samplers", "One step or eight?", "One prompt and noise in 1, 2, 4 and 8 calls of a student that was distilled here."),
           Try("controlnet", "Draw an emoji", "Four calls a picture: it follows the pen."))),
    Paper("Kadkhodaie et al.", 2023, "Generalization in diffusion models arises from geometry-adaptive harmonic representations", _arxiv("2310.02557"),
          "Two networks that are trained on different pictures copy them while these are few. Once they are many, both draw the same new picture from the same noise.",
          r"\hat x(x_t) = \sum_k \lambda_k(x_t)\, \langle x_t,\, e_k(x_t) \rangle\, e_k(x_t)",
          (Try("memory", "More data, still copies", "The exact denoiser copies however many pictures it knows: more data alone does not end it, what the machine can see does."),)),
    Paper("Karras et al.", 2024, "Guiding a Diffusion Model with a Bad Version of Itself", _arxiv("2406.02507"),
          "Lead away from a smaller or less trained version of the model, with the same condition, instead of from the unconditional one: it makes the same errors, only larger.",
          r"\tilde D(x; \sigma, c) = D_{\mathrm{weak}}(x; \sigma, c) + s\, \big(D(x; \sigma, c) - D_{\mathrm{weak}}(x; \sigma, c)\big)",
          (Try("guidance", "A worse self", "Away from a network that was stopped after 400 steps: faces are yellower at 2, and burn at 5."),)),
    Paper("Kamb & Ganguli", 2024, "An analytic theory of creativity in convolutional diffusion models", _arxiv("2412.20292"),
          "The perfect score can only copy. Where each pixel sees but a patch, as in a convolutional network, the closed form makes new pictures, a mosaic of patches of old ones.",
          r"\hat{x}_0(p) = \sum_i x_i(p)\; \mathrm{softmax}_i\!\left(-\frac{\big\|x_t^{\Omega_p} - \sqrt{\bar\alpha_t}\, x_i^{\Omega_p}\big\|^2}{2\,(1-\bar\alpha_t)}\right)",
          (Try("memory", "Copy or invent?", "The exact denoiser and the local score machine from the same noise, on the same pictures: one copies, one invents."),
           Try("memory", "From pixel to picture", "What a pixel sees grows from 1 px to the whole picture: at its end stands the exact denoiser."),
           Try("memory", "Like the network?", "The squared correlation with a network's pictures over the patch size: it is highest where a pixel sees a few pixels around it."))),
)
# fmt: on
