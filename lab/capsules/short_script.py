"""A script of about twenty lines in NumPy alone: the exact denoiser, and a sampler whose step is one line.

Those are DDIM, DDPM, which is DDIM with eta = 1 (Song et al. 2021, section 4.1), and Euler, which is DDIM with eta = 0 on
another scale (Karras et al. 2022, section 4). torch's noise is a line of arithmetic, too: Box and Muller's of the same
Mersenne twister.
"""

from textwrap import indent

from lab.capsules import exact_script
from lab.catalog import SAMPLERS, Model, Sampler
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneSettings, SamplingRequest
from lab.vocabulary import as_read

ETAS = {"ddpm": 1.0, "euler": 0.0}  # of DDIM, where that is what the sampler does
MAX_BETA = 0.999  # as in lab/engine/noising.py


def suits(model: Model, lane: LaneSettings, forward: Forward, spacing: str) -> bool:
    """Whether a lane's script is a short one."""
    plain = lane.rule == "cfg" and spacing == "trailing" and not lane.mix and not forward.zero_snr
    return model.family == "exact" and plain and (lane.sampler == "ddim" or lane.sampler in ETAS)


def parts(model: Model, request: SamplingRequest, lane: LaneSettings) -> list[str]:
    """The script of a lane that it `suits`, in parts, empty ones among them. Raises LabError where the lab has no picture of what was asked for."""
    row, eta, scale = SAMPLERS[lane.sampler], ETAS.get(lane.sampler, lane.eta), lane.guidance_scale
    guided = scale not in (0, 1)
    condition = request.condition if scale else Condition(prompt=request.negative)
    return [
        _head(model, row, eta > 0),
        f"SEED, STEPS = {lane.seed}, {lane.steps}" + (f"\nSCALE = {scale!r}  # of guidance" if guided else ""),
        picture_set(model, Condition() if guided else condition),
        exact_script.sets(request.condition, request.negative, (True, True)) if guided else "",
        alpha_bars(request.forward),
        DRAWING if eta > 0 else BOX_MULLER.format(seed="SEED", result="x ="),
        "x *= (1 - levels[0]) ** 0.5  # where Euler begins" if lane.sampler == "euler" else "",
        _POSTERIOR_MEAN if guided else "",
        loop(eta, guided),
        saving(model.size),
    ]


def _head(model: Model, row: Sampler, draws: bool) -> str:
    return "\n".join(
        [
            f'"""{model.title}, {row.title}: a picture of Diffusion Lab, drawn again by NumPy alone.',
            "",
            "Run it in the lab's folder; it writes picture.png. What a perfect network would predict is a sum over the lab's",
            f"pictures (Karras et al. 2022, appendix B.3). The sampler is of {row.paper}, https://arxiv.org/abs/{row.arxiv}.",
            '"""',
            "",
            "import csv",
            *(["import hashlib"] if draws else []),
            "",
            "import numpy as np",
            "from PIL import Image",
            "",
        ]
    )


def picture_set(model: Model, condition: Condition) -> str:
    """The pictures that the sum is over, a row each, with values in [-1, 1]."""
    side, part = exact_script.SIDE, exact_script.SIDE // model.size
    smaller = [
        f"blocks = sum(pictures[:, i::{part}, j::{part}].astype(np.uint16) for i in range({part}) for j in range({part}))",
        f"pictures = (blocks + {part * part // 2}) // {part * part}  # averaged down to {model.size} pixels",
    ]
    return "\n".join(
        [
            'index = csv.DictReader(open("assets/pictures/index.csv", encoding="utf-8"))',
            *_rows(condition),
            'names = {row["sheet"] for row in rows}',
            'sheets = {name: np.array(Image.open(f"assets/pictures/{name}").convert("RGB")) for name in names}',
            'cells = [(sheets[row["sheet"]], *divmod(int(row["cell"]), 32)) for row in rows]  # 32 in a row of a sheet',
            f"pictures = np.stack([sheet[{side} * y :, {side} * x :][:{side}, :{side}] for sheet, y, x in cells])",
            *(smaller if part > 1 else []),
            "data = pictures.transpose(0, 3, 1, 2).reshape(len(rows), -1) / 127.5 - 1",
        ]
    )


def _rows(condition: Condition) -> list[str]:
    """The rows of the index that a condition leaves."""
    tests = ['row["split"] != "held-out"']
    if as_read(condition.prompt):
        return [
            f"rows = [row for row in index if {tests[0]}]",
            f"rows = [rows[i] for i in {exact_script.numbers(condition)}]",
        ]
    tests += [
        f'row["{name}"] == "{value}"' for name in ("group", "style") if (value := getattr(condition, name).strip())
    ]
    return [f"rows = [row for row in index if {' and '.join(tests)}]"]


def alpha_bars(forward: Forward) -> str:
    """alpha-bar at the timesteps of the run, and after the last of them."""
    T, (_, first, last) = forward.T, exact_script.BETAS[forward.schedule]
    low, high = first * 1000 / T, last * 1000 / T
    if forward.schedule == "cosine":
        lines = [
            f"signal = np.cos((np.arange({T + 1}) / {T} + 0.008) / 1.008 * np.pi / 2) ** 2",
            f"alpha_bar = np.cumprod(np.maximum(signal[1:] / signal[:-1], {1 - MAX_BETA:g})).clip(2**-24)",
        ]
    else:
        betas = {
            "linear": f"np.linspace({low!r}, {high!r}, {T})",
            "scaled_linear": f"np.linspace({low!r}**0.5, {high!r}**0.5, {T}) ** 2",
            "sigmoid": f"{low!r} + {high - low!r} / (1 + np.exp(-np.linspace(-6, 6, {T})))",
        }[forward.schedule]
        capped = f"np.minimum({betas}, {MAX_BETA})" if high > MAX_BETA else f"({betas})" if "+" in betas else betas
        floor = ".clip(2**-24)" if T != 1000 else ""
        lines = [f"alpha_bar = np.cumprod(1 - {capped}){floor}"]
    return "\n".join(
        [
            *lines,
            f"timesteps = [round({T} * i / STEPS) - 1 for i in range(STEPS, 0, -1)]",
            "levels = [*alpha_bar[timesteps], 1]",
        ]
    )


BOX_MULLER = """\
bits = np.random.RandomState({seed}).randint(2**32, size=data.shape[1], dtype=np.uint32)  # as torch.randn's
u, v = (bits % 2**24 / 2**24).reshape(-1, 2, 8).swapaxes(0, 1)
{result} (np.sqrt(-2 * np.log(1 - u)) * [np.cos(2 * np.pi * v), np.sin(2 * np.pi * v)]).swapaxes(0, 1).ravel()
"""
DRAWING = f"""
def randn(seed):
    \"""What torch.randn draws: Box and Muller's of the same Mersenne twister.\"""
{indent(BOX_MULLER.format(seed="seed", result="return"), "    ")}

x = randn(SEED)"""
_POSTERIOR_MEAN = """
def mean(x, a, data):
    \"""E[x_0 | x_t], the mean of the pictures x_i weighted by softmax(-|x - sqrt(a) x_i|^2 / (2 (1 - a))).\"""
    scores = (a**0.5 * (data @ x) - a / 2 * (data**2).sum(1)) / (1 - a)
    weights = np.exp(scores - scores.max())
    return weights @ data / weights.sum()
"""


def loop(eta: float, guided: bool = False, prior: str = "") -> str:
    """From x_T to x_0; `a` is alpha-bar, and `b` what it is after the step. `prior` is as in exact_script.posterior_mean."""
    lines = ["for a, b in zip(levels, levels[1:]):  # alpha-bar, and what it is after the step"]
    if guided:
        lines += [
            "    without = mean(x, a, unconditional)",
            "    x_0 = without + SCALE * (mean(x, a, conditional) - without)",
        ]
    else:
        lines = [
            "norms = (data**2).sum(1)",
            "# E[x_0 | x_t]: the mean of the pictures x_i, weighted by softmax(-|x - sqrt(a) x_i|^2 / (2 (1 - a)))",
            *lines,
            f"    scores = (a**0.5 * (data @ x) - a / 2 * norms) / (1 - a){f' + {prior}' if prior else ''}",
            "    weights = np.exp(scores - scores.max())",
            "    x_0 = weights @ data / weights.sum()",
        ]
    lines += ["    eps = (x - a**0.5 * x_0) / (1 - a) ** 0.5"]
    if not eta:
        return "\n".join([*lines, "    x = b**0.5 * x_0 + (1 - b) ** 0.5 * eps"])
    return "\n".join(
        [
            *(line.replace("for a, b in zip(levels", "for t, a, b in zip(timesteps, levels") for line in lines),
            f"    sigma = {eta!r} * ((1 - b) / (1 - a) * (1 - a / b)) ** 0.5",
            '    digest = hashlib.blake2b(f"{SEED}/{t}".encode(), digest_size=4).digest()',
            '    noise = randn(int.from_bytes(digest, "big"))',
            "    x = b**0.5 * x_0 + (1 - b - sigma**2) ** 0.5 * eps + sigma * noise",
        ]
    )


def saving(side: int) -> str:
    """x as a picture in a file."""
    return (
        f"picture = ((x.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8).reshape(3, {side}, {side})\n"
        'Image.fromarray(picture.transpose(1, 2, 0)).save("picture.png")'
    )
