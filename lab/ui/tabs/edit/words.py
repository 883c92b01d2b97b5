"""What the Edit tab says of itself."""

ABOUT = r"""
Every picture here is made by a diffusion model that is not told to draw, but to draw **so that something stays**.

- **Noise it, walk back** ([SDEdit](https://arxiv.org/abs/2108.01073)). The picture is noised up to a level and walked back under the prompt.
  A low level keeps the picture, a high one follows the words: faithfulness is paid with realism, and the chart shows the price.
- **Fill a hole.** What is painted over is drawn anew, the rest is known. After every step *replacement* puts the known part back, noised to the
  level reached; the hole is drawn without a look at what will be put beside it, so the seam shows. [RePaint](https://arxiv.org/abs/2201.09865)
  goes back up and down again until both agree. [Blending](https://arxiv.org/abs/2206.02779) is replacement in the latent space of an autoencoder.
  A network with *nine channels* was taught to fill holes: it sees the mask and what lies around it.
  The *exact posterior* is the truth: of the pictures of the set, the mean of those that agree with the known part,
  $p(x_0 \mid x_t, y) \propto p(y \mid x_0)\, p(x_0 \mid x_t)$.
- **Other words** ([DDIM](https://arxiv.org/abs/2010.02502) inversion). Without noise on the way the steps can be walked upwards, to the noise
  that draws this picture under its own words; walked down under other words, it keeps what these do not speak of. With guidance
  the way down is not the way up, and the picture is lost: [Null-text inversion](https://arxiv.org/abs/2211.09794) repairs
  that by a word of its own for the unconditional half of every step. Here it is only named.
- **Enlarge** ([Ho et al. 2021](https://arxiv.org/abs/2106.15282)). An upsampler draws a large picture, given the small one.
  Given all of it, its picture is nearer to the original than a formula's. With noise on the small picture it believes it less: likeness falls, and it
  invents. That is wanted where the small picture is a model's own, as in a cascade.
- **Two at once** ([Geng et al. 2023](https://arxiv.org/abs/2311.17919)). At every step one prediction is made for the picture and one for
  the picture turned over, and their mean is taken: both descriptions hold. Hybrids split by frequency instead
  ([Geng et al. 2024](https://arxiv.org/abs/2404.11615)), regions by a mask ([MultiDiffusion](https://arxiv.org/abs/2302.08113)).

$$x_{t-1} = m \odot \mathrm{step}(x_t, c) + (1 - m) \odot \big(\sqrt{\bar\alpha_{t-1}}\, x + \sqrt{1 - \bar\alpha_{t-1}}\, \epsilon\big)$$

**What to keep in mind.** The models are small, and the judge that says how well a picture fits its words is as small; where it knows
a word badly, or never saw such a picture as a hybrid, its number says little. RMS compares pixel by pixel: an eye that moved by two pixels counts as a wrong eye.
"""
