# %% [markdown]
# # Attention
#
# Which word drew which pixel, and what happens to the picture if one word is made weaker, louder, or another.
#
# Of Vaswani et al. 2017 ([arXiv:1706.03762](https://arxiv.org/abs/1706.03762)), Tang et al. 2022
# ([arXiv:2210.04885](https://arxiv.org/abs/2210.04885)) and Hertz et al. 2022 ([arXiv:2208.01626](https://arxiv.org/abs/2208.01626)). The lab plays it in
# the tab *Inside*.

# %%
QUICK = False  # True: less of everything, to try it out

# What is missing is installed, as on a machine of Colab; nothing else is touched.
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

needed = {
    "diffusers": "diffusers",
    "matplotlib": "matplotlib",
    "torch": "torch",
    "transformers": "transformers",
}
missing = [package for module, package in needed.items() if importlib.util.find_spec(module) is None]
if missing:
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *missing], check=True)

LAB = Path.cwd()  # the lab's folder or one inside it; name it here if this notebook lies elsewhere
found = [folder for folder in (LAB, *LAB.parents) if (folder / "assets" / "models").is_dir()]
if not found:
    raise FileNotFoundError("This is not Diffusion Lab's folder. Set LAB, above, to the one that has assets in it.")
os.chdir(found[0])

# %%
import matplotlib.pyplot as plt
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline

# %% [markdown]
# ## The model
#
# **For Stable Diffusion change the first line** to `MODEL = "stable-diffusion-v1-5/stable-diffusion-v1-5"`, and the prompt with it.

# %%
MODEL, PROMPT = "assets/models/text-to-image", "a person in a red shirt and trousers"
STEPS, SCALE, SEED = (6 if QUICK else 20), 3.0, 4

torch.set_grad_enabled(False)
pipe = StableDiffusionPipeline.from_pretrained(MODEL)
pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, timestep_spacing="trailing", clip_sample=False)
shape = (1, pipe.unet.config.in_channels, pipe.unet.config.sample_size, pipe.unet.config.sample_size)
WINDOW = pipe.tokenizer.model_max_length


def tokens_of(prompt):
    """Token ids, (1, WINDOW)."""
    return pipe.tokenizer(
        prompt, padding="max_length", max_length=WINDOW, truncation=True, return_tensors="pt"
    ).input_ids


def read(prompt):
    """The text encoder's last hidden states, (1, WINDOW, width)."""
    return pipe.text_encoder(tokens_of(prompt))[0]


words = [pipe.tokenizer.decode([one]).strip() for one in tokens_of(PROMPT)[0]]
count = len(pipe.tokenizer(PROMPT).input_ids)
print(words[:count], f"and {WINDOW - count} of padding")

# %% [markdown]
# ## Attention, written out
#
# In each block of the UNet every place of the picture asks ($Q$), every token of the prompt answers ($K$) with what it has to say ($V$):
#
# $$M = \mathrm{softmax}\!\left(\frac{QK^\top}{\sqrt d}\right), \qquad \text{output} = M V.$$
#
# A row of $M$ is how much a place takes of each token; it sums to one. diffusers lets the computation be replaced, so that $M$ can be
# seen and changed. Replaced by itself, nothing changes.

# %%
seen, change = [], {}  # maps of the conditional row in the call under way, and what is done to M


class Explicit:
    """Attention with its probabilities in the open."""

    def __init__(self, to_words):
        self.to_words = to_words

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = (
            states.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for states in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context))
        )  # (rows, heads, places, width of a head)
        m = (attn.scale * q @ k.transpose(-1, -2)).softmax(-1)
        if self.to_words:
            side = round(m.shape[2] ** 0.5)
            seen.append(m[-1].mean(0).T.unflatten(1, (side, side)))  # (tokens, side, side)
            if "factors" in change:
                m = torch.cat([m[:-1], m[-1:] * change["factors"]])
            if "kept" in change:
                m = torch.cat([m[:-1], change["kept"].pop(0)])
            if "record" in change:
                change["record"].append(m[-1:])
        output = (m @ v).transpose(1, 2).flatten(2)
        for layer in attn.to_out:
            output = layer(output)
        return output


def sample(prompt, factors=None, keep=None, record=None, share=1.0):
    """A picture (3, height, width), and the maps of every call. `keep` are recorded M that replace its own in a first share of the calls."""
    pipe.scheduler.set_timesteps(STEPS)
    x, both, maps = (
        torch.randn(shape, generator=torch.Generator().manual_seed(SEED)),
        torch.cat([read(""), read(prompt)]),
        [],
    )
    for i, t in enumerate(pipe.scheduler.timesteps):
        seen.clear()
        change.clear()
        if factors is not None:
            change["factors"] = factors
        if record is not None:
            record.append([])
            change["record"] = record[-1]
        if keep is not None and i < share * STEPS:
            change["kept"] = list(keep[i])
        without, with_words = pipe.unet(x.expand(2, -1, -1, -1), t, both).sample.chunk(2)
        maps.append(list(seen))
        x = pipe.scheduler.step(without + SCALE * (with_words - without), t, x).prev_sample
    change.clear()
    return pipe.vae.decode(x / pipe.vae.config.scaling_factor).sample[0].clamp(-1, 1), maps


before, _ = sample(PROMPT)
pipe.unet.set_attn_processor({name: Explicit("attn2" in name) for name in pipe.unet.attn_processors})
recorded = []
plain, maps = sample(PROMPT, record=recorded)
print("largest difference to diffusers' own attention:", float((before - plain).abs().max()))
assert torch.allclose(before, plain, atol=1e-3)

# %% [markdown]
# ## A map for each word
#
# The mean over layers, heads and steps, all enlarged to one side (DAAM, Tang et al.).


# %%
def mean_map(maps):
    """(tokens, side, side)."""
    side = shape[-1]
    enlarged = [
        torch.nn.functional.interpolate(one[None], (side, side), mode="bicubic")[0] for call in maps for one in call
    ]
    return torch.stack(enlarged).mean(0)


def show(pictures, titles):
    """Pictures (3, height, width) in colour, maps (height, width) in grey, each over its own range."""
    _, axes = plt.subplots(1, len(pictures), figsize=(1.35 * len(pictures), 1.8), squeeze=False)
    for axis, one, title in zip(axes.flat, pictures, titles):
        axis.imshow((one + 1).permute(1, 2, 0) / 2) if one.ndim == 3 else axis.imshow(one, cmap="gray")
        axis.set_title(title, fontsize=8)
        axis.axis("off")
    plt.show()


whole = mean_map(maps)
print(f"all tokens together: {float(whole.sum(0).min()):.3f} to {float(whole.sum(0).max()):.3f}")
assert torch.allclose(whole.sum(0), torch.ones(()), atol=0.02)
show([plain, *whole[1 : count - 1]], ["picture", *words[1 : count - 1]])
print(f"end and padding   take {100 * float(whole[count - 1 :].mean((1, 2)).sum()):5.2f} % of the attention")
for word, share in sorted(zip(words[: count - 1], whole[: count - 1].mean((1, 2)).tolist()), key=lambda one: -one[1]):
    print(f"{word:16} takes {100 * share:5.2f} % of the attention")

# %% [markdown]
# ## Weaker and louder
#
# Multiply one word's column of $M$ (section 3.2 of Hertz et al.):
#
# $$M'_{\cdot j} = c\,M_{\cdot j}.$$

# %%
word = "red"
weights, drawn = (-1, 0, 1, 3, 6), []
for weight in weights:
    factors = torch.ones(WINDOW)
    factors[words.index(word)] = weight
    drawn.append(sample(PROMPT, factors)[0])
show(drawn, [f"{word} x {weight}" for weight in weights])
away = [float((one - plain).square().mean().sqrt() * 127.5) for one in drawn]
print("RMS from the plain picture, in grey levels:", [round(one, 2) for one in away])
assert away[2] < 0.1 < away[-1]

# %% [markdown]
# In the miniature one word's column moves the picture by a few grey levels: its text encoder tells of the colour at every token,
# and the padding, too, is heard.
#
# ## Another word in the same place
#
# A prompt of as many tokens with one exchanged, once drawn by itself and once with the source's $M$: what is said is new, who listens
# to it is not.
#
# $$M^{\text{kept}}_t = M^{\text{source}}_t, \qquad \text{output} = M^{\text{kept}} V^{\text{target}}.$$

# %%
target = PROMPT.replace("red", "blue")
assert len(pipe.tokenizer(target).input_ids) == count
alone, kept = sample(target)[0], sample(target, keep=recorded, share=0.8)[0]
show([plain, alone, kept], ["source", "target alone", "attention kept"])
for name, one in (("alone", alone), ("with the source's attention", kept)):
    print(
        f"the target {name}: RMS {float((one - plain).square().mean().sqrt() * 127.5):.1f} grey levels from the source"
    )

# %% [markdown]
# In Stable Diffusion that keeps the scene. In the miniature it brings the picture nearer to the source, as the numbers say, and not
# much: its layout, too, comes through $V$.
#
# **Try.** Keep the maps in a smaller share of the steps, or exchange the noun in the place of the colour.
