"""What the Memory tab says of itself."""

ABOUT = r"""
All machines start from **the same $x_T$** and walk down by the same deterministic DDIM. They differ only in how they guess $x_0$ from $x_t$.

- The **exact denoiser** takes the mean of whole training pictures, each weighted by how likely $x_t$ came from it. It is what a perfectly
  trained network would say, and it can only end in its training pictures.
- The **local score machine** ([Kamb & Ganguli 2024](https://arxiv.org/abs/2412.20292)) takes the same sum for every pixel by itself, over patches:

$$\hat x_0(p) = \sum_i w_i\, x_i(p), \qquad w_i \propto \exp\!\Big(-\tfrac{\|P x_t - \sqrt{\bar\alpha}\, P x_i\|^2}{2(1-\bar\alpha)}\Big)$$

  $P$ cuts the patch around the pixel $p$. Each pixel decides alone which picture it comes from, so parts of many pictures meet in one. Nothing
  is trained.
- The **equivariant local score machine** also compares with patches from every other place, as a convolution does that knows no place.
- The **learned network** is the lab's pixel diffusion model. It is neither of these machines: it has attention, so each pixel sees the whole
  picture. How alike its pictures are to theirs is measured as in the paper, by $r^2$, the squared correlation of all pixel values.

**What to keep in mind.** The paper fits a patch size to every noise level, after a trained network; here one size serves all levels. The network
learned from all 3,880 pictures, the other machines know those that are chosen. A copy is counted by the distance of pixels alone: a copy
that is shifted is not found. Networks copy, too, where pictures are few or repeated in the data:
[Carlini et al. 2023](https://arxiv.org/abs/2301.13188) and [Somepalli et al. 2022](https://arxiv.org/abs/2212.03860) found training pictures in
what large models draw, and two networks that [Kadkhodaie et al. 2023](https://arxiv.org/abs/2310.02557) trained on different pictures copied
them while they were few, and drew the same new pictures once they were many.
"""
