"""Guides of a script: the gradient of a log-probability, written out with autograd, as lab/engine/potentials.py adds it.

A `Pull` is what a guide adds to the script of a pixel model or of the exact denoiser. Its lines of the loop take x_t, t and
alpha-bar `a` and leave `prediction`.
"""

from typing import NamedTuple

from lab.capsules import source_script
from lab.catalog import ANY_LOSS, GUIDANCE, HELPERS, SAMPLERS, SCORER, Guidance, Model
from lab.requests.fields import GuideSettings
from lab.requests.sampling import LaneSettings, SamplingRequest


class Pull(NamedTuple):
    """The parts of a guide."""

    imports: tuple[str, ...]
    parts: tuple[str, ...]  # what it is, down to its gradient
    gradient: str  # the call of that, with what it is multiplied by


def pull(model: Model, request: SamplingRequest, lane: LaneSettings) -> Pull | None:
    """The pull of a lane's rule; None where the rule has no gradient, or the scale leaves nothing of it."""
    row = GUIDANCE[lane.rule]
    if not row.base or lane.guidance_scale == row.origin:
        return None
    exact, strength = model.family == "exact", f"(SCALE - {row.origin:g})" if row.origin else "SCALE"
    if row.guide in ANY_LOSS:
        loss = _loss(row.guide, request.guide, model.size)
        predict = "predict(x, t, a, label)" + ("[0]" if SAMPLERS[lane.sampler].learned_variance else "")
        through = (_SCORES, _EXACT_THROUGH) if exact else (_THROUGH.replace("PREDICTION", predict),)
        return Pull(
            (),
            (_CERTAINTY, loss, *through),
            f"{strength} * gradient(x_t, {'a, conditional' if exact else 't, a, CLASS'})",
        )
    if exact:
        return Pull((), (_SCORES, _EXACT_CLASSIFIER, _GRADIENT.format("a")), f"{strength} * gradient(x_t, a)")
    network = _network(model, row, request)
    return Pull(
        _IMPORTS + (_CLIP_IMPORTS if row.guide == "clip" else ()),
        (_CERTAINTY, *network, _GRADIENT.format("t, a")),
        f"{strength} * gradient(x_t, t, a)",
    )


def _network(model: Model, row: Guidance, request: SamplingRequest) -> tuple[str, ...]:
    """The network that guides a pixel model, and its log-probability."""
    where = source_script.beside(HELPERS[model.guides[row.guide]].source, model)
    if row.guide == "classifier":
        loading = (
            f"guides = {where}\n"
            'classifier = NoisyEncoder(guides / "classifier").eval()\n'
            'classes_of_guide = json.loads((guides / "classes.json").read_text("utf-8"))\n'
            f'WANTED = classes_of_guide.index("{request.condition.group}")\n'
            f"TEMPERATURE = {request.guide.temperature!r}  # divides the classifier's logits; above 1 it is less sure"
        )
        return _NOISY_ENCODER, loading, _CLASSIFIER
    text = source_script.beside(HELPERS[SCORER].source, model)
    loading = (
        f'encoder, texts = NoisyEncoder({where} / "image_encoder").eval(), {text}\n'
        'tokenizer = CLIPTokenizer.from_pretrained(texts / "tokenizer")\n'
        'text_encoder = CLIPTextModelWithProjection.from_pretrained(texts / "text_encoder")\n'
        f"PROMPT = {source_script.quoted(request.condition.prompt)}  # the pixel model itself reads no words\n"
        'tokens = tokenizer(PROMPT, max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt").input_ids\n'
        "caption = text_encoder(tokens).text_embeds"
    )
    return _NOISY_ENCODER, loading, _CLIP


def _loss(guide: str, settings: GuideSettings, side: int) -> str:
    """log p of predicted x_0, as lab/engine/losses.py has it: a measurement that is normal with deviation 0.1."""
    if guide == "colour":
        colour = [int(settings.colour[k : k + 2], 16) for k in (1, 3, 5)]
        constants = f"COLOUR = torch.tensor({colour}) / 127.5 - 1"
        words, formula = "The mean colour is COLOUR", "x_0.mean((2, 3)) - COLOUR"
    elif guide == "symmetry":
        constants, words = "", "The picture is its own mirror image"
        formula = "(x_0 - x_0.flip(3)) / x_0.numel() ** 0.5"
    else:
        rows, columns = _region(settings.region, side)
        constants = f"BRIGHTNESS = {settings.brightness!r}  # 0 black, 1 white"
        words = "The mean of a part of the picture is BRIGHTNESS"
        formula = f"x_0[:, :, {rows}, {columns}].mean() - (2 * BRIGHTNESS - 1)"
    return f'''{constants}


def log_p(x_0, a):
    """{words}, to within 0.1, as far as x_t tells."""
    deviations = {formula}
    return -certainty(a) * (deviations / 0.1).square().sum() / 2


'''


def _region(region: str, side: int) -> tuple[str, str]:
    """The rows and columns of a region, as slices."""
    half, quarter = side // 2, side // 4
    middle = f"{quarter}:{side - quarter}"
    return {
        "left": (":", f":{half}"),
        "right": (":", f"{half}:"),
        "top": (f":{half}", ":"),
        "bottom": (f"{half}:", ":"),
        "middle": (middle, middle),
    }.get(region, (":", ":"))


_IMPORTS = (
    "from diffusers.models.attention_processor import Attention",
    "from safetensors.torch import load_file",
)
_CLIP_IMPORTS = ("from transformers import CLIPTextModelWithProjection, CLIPTokenizer",)

_CERTAINTY = '''
def certainty(a):
    """How much may be made of x_t: nothing in pure noise, where no exact gradient exceeds 2 sqrt(a) / (1 - a)."""
    return 4 * a**0.5 / (4 * a**0.5 + 1 - a)


'''
_NOISY_ENCODER = '''
class NoisyEncoder(torch.nn.Module):
    """Half a UNet2DModel that reads x_t, an attention pool over its places and a linear head."""

    def __init__(self, folder):
        super().__init__()
        config = json.loads((folder / "config.json").read_text("utf-8"))
        channels = config["channels"]
        unet = UNet2DModel(
            down_block_types=("DownBlock2D",) + ("AttnDownBlock2D",) * (len(channels) - 1),
            up_block_types=("UpBlock2D",) * len(channels),
            block_out_channels=channels,
            layers_per_block=1,
            attention_head_dim=32,
        )
        for part in ("time_proj", "time_embedding", "conv_in", "down_blocks", "mid_block"):
            setattr(self, part, getattr(unet, part))
        self.norm = torch.nn.GroupNorm(32, channels[-1])
        self.pool = Attention(channels[-1], heads=channels[-1] // 32, dim_head=32)
        self.head = torch.nn.Linear(channels[-1], config["outputs"])
        self.load_state_dict(load_file(folder / "diffusion_pytorch_model.safetensors"))

    def forward(self, x_t, t):
        embedding = self.time_embedding(self.time_proj(t.reshape(1)).to(x_t))
        hidden = self.conv_in(x_t)
        for block in self.down_blocks:
            hidden, _ = block(hidden_states=hidden, temb=embedding)
        hidden = self.mid_block(hidden, embedding)
        places = torch.nn.functional.silu(self.norm(hidden)).flatten(2).transpose(1, 2)
        return self.head(self.pool(places.mean(1, keepdim=True), encoder_hidden_states=places)[:, 0])


'''
_CLASSIFIER = '''
def log_p(x_t, t, a):
    """log p(y | x_t) by a classifier of noisy pictures (Dhariwal & Nichol 2021, section 4)."""
    return (certainty(a) * classifier(x_t, t) / TEMPERATURE).log_softmax(1)[0, WANTED]


'''
_CLIP = '''
def log_p(x_t, t, a):
    """log p(caption | x_t), up to a constant, by a CLIP that was trained on noisy pictures (GLIDE, Nichol et al. 2021)."""
    return 20 * certainty(a) * torch.cosine_similarity(encoder(x_t, t), caption)[0]


'''
_SCORES = '''
def scores(x_t, a, these):
    """log q(x_t | x_i) of `these` pictures, up to what depends on x_t alone."""
    these = torch.from_numpy(these)
    moved = x_t.flatten() - a**0.5 * torch.from_numpy(mean)
    return (a**0.5 * (these @ moved) - a * these.square().sum(1) / 2) / (1 - a)


'''
_EXACT_CLASSIFIER = '''
def log_p(x_t, a):
    """log p(y | x_t) by Bayes' rule: what the pictures that were asked for have of the posterior, over what all have."""
    return scores(x_t, a, conditional).logsumexp(0) - scores(x_t, a, unconditional).logsumexp(0)


'''
_GRADIENT = '''
def gradient(x_t, {0}):
    """That of log p in x_t."""
    with torch.enable_grad():
        x = x_t.clone().requires_grad_()
        return torch.autograd.grad(log_p(x, {0}), x)[0]


'''
_THROUGH = '''
def gradient(x_t, t, a, label):
    """That of log p in x_t, through predicted x_0 (universal guidance, Bansal et al. 2023)."""
    with torch.enable_grad():
        x = x_t.clone().requires_grad_()
        return torch.autograd.grad(log_p(x_0_of(PREDICTION, x, a), a), x)[0]


'''
_EXACT_THROUGH = '''
def gradient(x_t, a, these):
    """That of log p in x_t, through predicted x_0 (universal guidance, Bansal et al. 2023)."""
    with torch.enable_grad():
        x = x_t.clone().requires_grad_()
        x_0 = torch.from_numpy(mean) + scores(x, a, these).softmax(0) @ torch.from_numpy(these)
        return torch.autograd.grad(log_p(x_0.reshape(x.shape), a), x)[0]


'''
