"""Cross-attention seen and edited, as a Python script that needs nothing of the lab: torch, diffusers and Pillow."""

from lab.capsules import latent_script, scheduler_script, source_script
from lab.capsules.script import laid_out
from lab.catalog import MODELS
from lab.requests.attention import AttentionRequest
from lab.requests.base import LabError
from lab.requests.fields import Condition


def attention_script(request: AttentionRequest) -> str:
    """The script of a run: its pictures, and the map of each word where steps were looked at. Raises LabError where there is none."""
    model, lane = MODELS[request.model], request.lane
    if latent_script.pipeline(model) != "StableDiffusionPipeline" or lane.sampler != "ddim" or model.consistency:
        raise LabError(
            f"There is no script for '{model.title}'; there is one for Stable Diffusion's architecture with DDIM."
        )
    quoted = source_script.quoted
    source = source_script.folder(model.source) or model.source.partition("@")[0]
    looks = min(request.looks, lane.calls)
    constants = [
        f"MODEL = sys.argv[1] if len(sys.argv) > 1 else {quoted(source)}",
        'FOLDER = Path(sys.argv[2] if len(sys.argv) > 2 else ".")',
        f"PROMPT = {quoted(latent_script.words(model, request.condition))}",
        f"NEGATIVE = {quoted(latent_script.words(model, Condition(prompt=request.negative)))}",
        f"SCALE, SEED, STEPS, ETA = {lane.guidance_scale!r}, {lane.seed}, {lane.steps}, {lane.eta!r}",
        f"LOOKS = {looks}  # steps of the plain picture whose maps are taken",
        f"WORDS, WEIGHTS = {list(request.words)!r}, {list(request.weights)!r}  # one picture each",
        f"TARGET = {quoted(latent_script.words(model, Condition(prompt=request.target)))}",
        f"KEPT, KEPT_PICTURE = {request.kept!r}, {request.kept_picture!r}  # shares of the calls",
    ]
    schedule = scheduler_script.parts(
        lane, request.forward.T, "pipe.scheduler.alphas_cumprod", "pipe.scheduler.config.prediction_type"
    )
    return laid_out(
        [
            _HEAD,
            "\n".join(constants),
            latent_script.loading(model),
            latent_script.READ,
            _WORDS,
            _PROCESSOR,
            *schedule,
            scheduler_script.noise(lane, latent_script.SHAPE),
            _DRAW,
            _RUN,
        ]
    )


_HEAD = '''"""Which word drew which pixel: cross-attention seen (Tang et al. 2022, https://arxiv.org/abs/2210.04885) and edited (Hertz et al.
2022, https://arxiv.org/abs/2208.01626): a run of Diffusion Lab, again by torch and diffusers alone.

    pip install torch diffusers transformers pillow
    python words.py [MODEL] [FOLDER]

It writes its pictures, and maps of words as grey pictures, into the folder.
"""

import sys
from difflib import SequenceMatcher
from pathlib import Path

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image
from torch.nn.functional import interpolate'''
_WORDS = '''
def words(prompt):
    """Name and tokens of each word, the start first and the end with its padding last."""
    tokens = pipe.tokenizer(
        prompt, max_length=WINDOW, truncation=True, return_offsets_mapping=True, return_special_tokens_mask=True
    )
    found, at, names = {}, 0, prompt.split()
    begins = []
    for name in names:
        begins.append(prompt.index(name, at))
        at = begins[-1] + len(name)
    for k, ((begin, _), special) in enumerate(zip(tokens.offset_mapping, tokens.special_tokens_mask)):
        if not special:
            found.setdefault(sum(one <= begin for one in begins) - 1, []).append(k)
    last = max((k for own in found.values() for k in own), default=0)
    middle = [(names[place].strip(",.;:!?()\\"'“”") or names[place], own) for place, own in found.items()]
    return [("start", [0]), *middle, ("end and padding", list(range(last + 1, WINDOW)))]


def align(source, target):
    """(source tokens, target tokens) that says what each target token takes, and (target tokens,) how much."""
    mapping, shares = torch.zeros(WINDOW, WINDOW), torch.zeros(WINDOW)
    (start, *before, end), (its_start, *after, its_end) = source, target
    if len(before) == len(after):
        pairs = list(zip(before, after))
    else:
        names = [[name.lower() for name, _ in one] for one in (before, after)]
        blocks = SequenceMatcher(None, *names, autojunk=False).get_matching_blocks()
        pairs = [(before[block.a + k], after[block.b + k]) for block in blocks for k in range(block.size)]
    both = min(len(end[1]), len(its_end[1]))
    for (_, one), (_, other) in [(start, its_start), *pairs, (("", end[1][:both]), ("", its_end[1][:both]))]:
        if len(one) == len(other):
            mapping[one, other] = 1
        else:
            mapping[torch.tensor(one)[:, None], torch.tensor(other)] = 1 / len(other)
        shares[other] = 1
    return mapping, shares


WINDOW = pipe.tokenizer.model_max_length'''
_PROCESSOR = '''
seen = []  # of the call under way: maps of each layer, (tokens, side, side)
change = {}  # what is done in the call under way


class Explicit:
    """Attention whose probabilities are seen and changed. In a call with a source the source is the first row."""

    def __init__(self, to_words):
        self.to_words = to_words

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, temb=None):
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            states.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for states in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context))
        )
        p = (attn.scale * query @ key.transpose(-1, -2)).softmax(-1)
        if self.to_words:
            side = round(p.shape[2] ** 0.5)
            seen.append(p[0].mean(0).T.unflatten(1, (side, side)))
            if "factors" in change:
                p = p * change["factors"]
            if "keep" in change:
                mapping, shares = change["keep"]
                p = torch.stack([p[0], p[0] @ mapping * shares + p[1] * (1 - shares)])
        elif change.get("keep picture"):
            p = p[[0, 0]]
        output = (p @ value).transpose(1, 2).flatten(2)
        for layer in attn.to_out:
            output = layer(output)
        return output


pipe.unet.set_attn_processor({name: Explicit("attn2" in name) for name in pipe.unet.attn_processors})'''
_DRAW = '''
def predict(rows, t, prompts, **edit):
    """The UNet's prediction under an edit."""
    seen.clear()
    change.clear()
    change.update(edit)
    prediction = pipe.unet(rows, t, prompts).sample
    change.clear()
    return prediction


def draw(prompt, factors=None, source=None, path=(), alignment=None):
    """A picture, x_t of each call, and the maps of each call by layer."""
    scheduler.set_timesteps(STEPS)
    sample, states, maps, n = x, [], [], len(scheduler.timesteps)
    for i, t in enumerate(scheduler.timesteps):
        row = scheduler.scale_model_input(sample, t)
        states.append(row)
        keep, keep_picture = (source is not None and i < round(share * n) for share in (KEPT, KEPT_PICTURE))
        if keep or keep_picture:
            edit = ({"keep": alignment} if keep else {}) | {"keep picture": keep_picture}
            both = torch.cat([path[i], row])
            conditional = predict(both, t, torch.cat([read(source), read(prompt)]), **edit)[1:]
        else:
            conditional = predict(row, t, read(prompt), **({} if factors is None else {"factors": factors}))
        maps.append(list(seen))
        prediction = conditional
        if SCALE != 1:
            unconditional = predict(row, t, read(NEGATIVE))
            prediction = unconditional + SCALE * (conditional - unconditional)
        sample = scheduler.step(prediction, t, sample, eta=ETA).prev_sample
    picture = pipe.vae.decode(sample / pipe.vae.config.scaling_factor).sample[0]
    picture = ((picture.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0)
    return Image.fromarray(picture.numpy()), states, maps'''
_RUN = """
plain, path, maps = draw(PROMPT)
plain.save(FOLDER / "plain.png")
named = words(PROMPT)

if LOOKS:  # the mean of all layers, heads and steps, each enlarged to the latents' side first
    n, side = len(maps), x.shape[-1]
    calls = {round(i * (n - 1) / max(LOOKS - 1, 1)) for i in range(LOOKS)} if LOOKS < n else range(n)
    enlarged = [interpolate(one[None], (side, side), mode="bicubic")[0] for i in calls for one in maps[i]]
    mean = torch.stack(enlarged).mean(0)
    for k, (name, tokens) in enumerate(named):
        own = mean[tokens].sum(0)
        print(f"{name}: {100 * own.mean():.2f} % of the attention, {100 * own.min():.2f} to {100 * own.max():.2f} %")
        grey = (own - own.min()) / (own.max() - own.min()).clamp(min=1e-9)
        Image.fromarray((255 * grey).round().to(torch.uint8).numpy()).save(FOLDER / f"map-{k:02}.png")

for word in WORDS:
    wanted = "end and padding" if word.casefold() in ("end", "padding") else word.casefold()
    tokens = [token for name, own in named if name.casefold() == wanted for token in own]
    for weight in WEIGHTS:
        factors = torch.ones(WINDOW)
        factors[tokens] = weight
        draw(PROMPT, factors)[0].save(FOLDER / f"weight-{WORDS.index(word)}-{WEIGHTS.index(weight)}.png")

if TARGET:
    draw(TARGET)[0].save(FOLDER / "target.png")
    draw(TARGET, None, PROMPT, path, align(named, words(TARGET)))[0].save(FOLDER / "kept.png")"""
