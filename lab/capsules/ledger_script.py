"""A picture's bill as a short Python script that needs nothing of the lab: torch, diffusers, NumPy and Pillow.

It prints every term and the totals, by variance, from the weights or the pictures that ship with the lab. Its noise is the
lab's, so its bits are, to within float32's rounding.
"""

import base64
import io
from textwrap import indent, wrap

import numpy as np
from PIL import Image

from lab.capsules import exact_script
from lab.capsules.script import laid_out
from lab.catalog import MODELS, SCHEDULES, Model
from lab.requests.base import LabError
from lab.requests.fields import Forward
from lab.requests.ledger import LedgerRequest


def ledger_script(request: LedgerRequest, picture: np.ndarray) -> str:
    """The script of a bill; `picture` is x_0 as the model has it, as in LedgerPrior, (side, side, 3) uint8. Raises LabError, in
    words, where there can be none."""
    row = MODELS[request.model]
    if row.family not in ("pixel", "exact"):
        raise LabError(
            f"There is no script of a bill for '{row.title}'; there is one for the miniature pixel diffusion and for the exact "
            "denoiser. Choose one of these."
        )
    exact = row.family == "exact"
    parts = [
        _head(row, request),
        _constants(row, request, picture),
        exact_script.pictures(row) if exact else _NETWORK,
        *_chain(row, request),
        _NOISE,
        _EXACT if exact else _PREDICT,
        _COSTS,
        _loop(exact),
        _TOTALS,
    ]
    return laid_out(parts)


def _head(row: Model, request: LedgerRequest) -> str:
    classes = "DDPMScheduler" if row.family == "exact" else "DDPMScheduler, UNet2DModel"
    standard = ["base64", "csv" if row.family == "exact" else "json", "hashlib", "io", "math", "sys"]
    return "\n".join(
        [
            f'"""What a picture costs under {row.title}: a bill of Diffusion Lab, again without the lab.',
            "",
            "    pip install numpy torch diffusers pillow",
            f"    python bill.py [{'PICTURES' if row.family == 'exact' else 'MODEL'}]",
            "",
            "Run it in the lab's folder, or name that of the pictures or the model. It prints the terms of the variational",
            "bound on -log2 p(x_0) in bits of the whole picture (Ho et al. 2020, eq. 5, https://arxiv.org/abs/2006.11239)",
            f"in {request.calls} steps of the {SCHEDULES[request.schedule].title.lower()} schedule.",
            '"""',
            "",
            *(f"import {name}" for name in sorted(standard)),
            "from pathlib import Path",
            "",
            "import numpy as np",
            "import torch",
            f"from diffusers import {classes}",
            "from PIL import Image",
        ]
    )


def _constants(row: Model, request: LedgerRequest, picture: np.ndarray) -> str:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", optimize=True)
    data = "\n".join(f'"{line}"' for line in wrap(base64.b64encode(stream.getvalue()).decode(), 100))
    return "\n".join(
        [
            f'FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else "assets/{row.source}")',
            f"SEED, CALLS = {request.seed}, {request.calls}",
            "PICTURE = (",
            indent(data, "    "),
            ")",
            "",
            "torch.set_grad_enabled(False)",
            "pixels = np.array(Image.open(io.BytesIO(base64.b64decode(PICTURE))))",
            "x_0 = torch.from_numpy(pixels).permute(2, 0, 1).double() / 127.5 - 1",
        ]
    )


_NETWORK = """
unet = UNet2DModel.from_pretrained(FOLDER / "unet", low_cpu_mem_usage=False).float()
config = DDPMScheduler.from_pretrained(FOLDER / "scheduler")
trained = config.alphas_cumprod.double()
classes = len(json.loads((FOLDER / "classes.json").read_text()))  # the last one is the null class
learned = unet.config.out_channels == 6  # a variance, too (Improved DDPM, https://arxiv.org/abs/2102.09672)
"""


def _chain(row: Model, request: LedgerRequest) -> list[str]:
    """alpha-bar of the bill's steps, and the timesteps of the network."""
    places = "places = [round(999 * k / (CALLS - 1)) for k in range(CALLS)]  # of the schedule's timesteps, both ends"
    if row.family == "exact":
        return [exact_script.table(Forward(schedule=request.schedule)), f"{places}\nbars = alpha_bar.double()[places]"]
    if request.schedule in row.schedules:
        return [f"{places}\nbars, timesteps = trained[places], places"]
    return [
        exact_script.table(Forward(schedule=request.schedule)),
        f"{places}\nbars = alpha_bar.double()[places]\n"
        "sigmas, wanted = (((1 - a) / a).sqrt().numpy() for a in (trained, bars))\n"
        "timesteps = np.interp(wanted, sigmas, np.arange(1000))  # of the network, of equal signal-to-noise ratio",
    ]


_NOISE = '''

def noise(place):
    """That of the lab, which belongs to (seed, timestep)."""
    digest = hashlib.blake2b(f"{SEED}/{place}".encode(), digest_size=4).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest, "big"))
    return torch.randn(x_0.shape, generator=generator).double()

'''
_PREDICT = '''
def predict(x, k):
    """The guess of x_0 and, where it is learned, the share of the way from log tilde-beta to log beta."""
    signal, sigma = bars[k] ** 0.5, (1 - bars[k]) ** 0.5
    label = torch.tensor([classes - 1]) if unet.config.num_class_embeds else None
    said = unet(x[None].float(), torch.tensor([float(timesteps[k])]), class_labels=label).sample[0].double()
    guess = {
        "epsilon": (x - sigma * said[:3]) / signal,
        "v_prediction": signal * x - sigma * said[:3],
        "sample": said[:3],
    }[config.config.prediction_type]
    guess = guess.clamp(-1, 1) if config.config.clip_sample else guess
    return guess, (said[3:] + 1) / 2 if learned else None

'''
_EXACT = '''
flat = x_0.flatten().numpy() - mean
apart = ((data - flat) ** 2).sum(1)  # of every picture to this one
same = apart < 1e-8 * x_0.numel()
whole = math.log2(len(data) / same.sum()) if same.any() else math.inf


def predict(x, k):
    """E[x_0 | x_t], and what x_t says of x_0: log2 q(x_t | x_0) - log2 p_t(x_t), of the mixture over all pictures."""
    a = float(bars[k])
    away = x.flatten().numpy() - a**0.5 * (flat + mean)
    along = data.dot(away.astype(np.float32)) - flat.astype(np.float32).dot(away.astype(np.float32))
    exponents = (a**0.5 * along.astype(float) - a * apart / 2) / (1 - a)
    exponents[same] = 0
    weights = np.exp(exponents - exponents.max())
    guess = weights @ data / weights.sum() + mean
    says = math.log(len(data)) - exponents.max() - math.log(weights.sum())
    return torch.from_numpy(guess).reshape(x_0.shape).double(), says / math.log(2)

'''
_COSTS = '''
def divergence(mean_q, variance_q, mean_p, variance_p):
    """KL of two normal distributions, in bits of all values."""
    ratio = (variance_q + (mean_q - mean_p) ** 2) / variance_p
    return float((ratio - 1 - math.log(variance_q) + variance_p.log()).sum()) / 2 / math.log(2)


def bytes_bits(mean, variance):
    """-log2 of the mass on the bin of each byte; black and white take in all that lies beyond."""
    normal = torch.distributions.Normal(mean, variance.sqrt().expand(mean.shape))
    upper = torch.where(x_0 > 0.999, 1.0, normal.cdf(x_0 + 1 / 255))
    lower = torch.where(x_0 < -0.999, 0.0, normal.cdf(x_0 - 1 / 255))
    return -float((upper - lower).clamp(min=1e-12).log2().sum())

'''
_LOOP = """
x, terms = bars[-1] ** 0.5 * x_0 + (1 - bars[-1]) ** 0.5 * noise(places[-1]), []
for k in reversed(range(CALLS)):  # the path that a receiver has, and what each step of it costs
    a, before = float(bars[k]), float(bars[k - 1]) if k else 1.0
    beta = 1 - a / before
    tilde = beta * (1 - before) / (1 - a)
    if k == 0:  # where that is 0: the one of the next step
        tilde = float((1 - bars[1] / bars[0]) * (1 - bars[0]) / (1 - bars[1]))
    guess, SAID = predict(x, k)
    q, p = ((before**0.5 * beta * y + (1 - beta) ** 0.5 * (1 - before) * x) / (1 - a) for y in (x_0, guess))
    variances = {"small": torch.tensor(tilde).double(), "large": torch.tensor(beta).double()}
LEARNED    bits = {
        name: divergence(q, tilde, p, variance) if k else bytes_bits(p, variance) for name, variance in variances.items()
    }
SAYING    terms.append(bits)
    if k:
        x = q + tilde**0.5 * noise(places[k - 1])
"""
_LEARNED = """    if share is not None:
        variances["learned"] = (share * math.log(beta) + (1 - share) * math.log(tilde)).exp()
"""
_SAYING = """    bits["exact"] = says
"""
_MIXTURE = """
# The mixture pays for what the next state says beyond what this one said; the first step, for all that is said by then.
said = [0.0, *(bits["exact"] for bits in terms[1:]), whole]
for bits, before, after in zip(terms, said, said[1:]):
    bits["exact"] = after - before
"""
_TOTALS = """
last = float(bars[-1])
prior = float((last * x_0**2 + (1 - last) - 1 - math.log(1 - last)).sum()) / 2 / math.log(2)
print("timestep", *terms[0], sep="\\t")
print("prior", *[f"{prior:.4f}"] * len(terms[0]), sep="\\t")
for place, bits in zip(reversed(places), terms):
    print(place, *(f"{one:.4f}" for one in bits.values()), sep="\\t")
print("total", *(f"{prior + sum(bits[name] for bits in terms):.4f}" for name in terms[0]), sep="\\t")
"""


def _loop(exact: bool) -> str:
    """From x_T to x_1, and the costs."""
    parts = {
        "SAID": "says" if exact else "share",
        "LEARNED": "" if exact else _LEARNED,
        "SAYING": _SAYING if exact else "",
    }
    text = _LOOP
    for name, part in parts.items():
        text = text.replace(name, part)
    return text + (_MIXTURE if exact else "")
