"""What a script has of a sampler: the scheduler, its timesteps (lab/engine/samplers.py), the noise and the loop."""

import json
from typing import Any

from lab.capsules import rule_script, walk_script
from lab.catalog import SAMPLERS, Sampler
from lab.requests.sampling import LaneSettings

PLAIN = {"DDIM": "DDIMScheduler", "PNDM": "PNDMScheduler"}  # the classes of diffusers behind the lab's mended ones
# As in lab/engine/grid.py: classes whose "leading" and "linspace" leave out the lowest of n + 1 timesteps, classes whose
# "linspace" is not rounded, and those that can be given timesteps. The tests hold both to the same timesteps.
LOWEST_LEFT_OUT = {"DPMSolverMultistepScheduler", "UniPCMultistepScheduler", "DEISMultistepScheduler"}
FRACTIONAL = {"EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler"}
TAKE_TIMESTEPS = {
    "DDPMScheduler",
    "DPMSolverMultistepScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "LCMScheduler",
}
LCM_STEPS = 50
EPS_FOR_X_0 = {  # classes that cannot be given an x_0 prediction, and how a script gives them its eps
    "PNDM": "(x - scheduler.alphas_cumprod[t] ** 0.5 * prediction) / (1 - scheduler.alphas_cumprod[t]) ** 0.5",
    "EulerAncestralDiscreteScheduler": "(x - prediction) / scheduler.sigmas[scheduler.step_index]",
}


def parts(lane: LaneSettings, total: int, table: str, predicts: str = "", *, level: bool = False) -> list[str]:
    """From the model's table of alpha-bar to the sampler and its timesteps; with `level` also alpha-bar at each of them.

    `table` and `predicts` are expressions; without the second the model predicts eps.
    """
    row, spacing = SAMPLERS[lane.sampler], spacing_of(lane, total)
    if walk := walk_script.walk(row):
        return [levels(table, predicts), walk.making]
    offset = int(spacing == "leading" and (lane.steps < total - 1 or row.scheduler not in LOWEST_LEFT_OUT))
    mended = _mended(row, spacing, lane.steps, total)
    return [
        _MENDED[row.scheduler] if mended else "",
        levels(table, predicts),
        _made(row, spacing, row.scheduler if mended else class_of(row), offset, not predicts, total),
        _timesteps(row.scheduler, spacing, lane.steps, total),
        rule_script.LEVEL if level else "",
    ]


def by_itself(lane: LaneSettings, total: int) -> bool:
    """Whether the class of diffusers, given a number of steps alone, takes the steps of the lab."""
    row, spacing = SAMPLERS[lane.sampler], spacing_of(lane, total)
    return not (
        walk_script.walk(row)
        or _mended(row, spacing, lane.steps, total)
        or _exact(row.scheduler, spacing, lane.steps, total)
    )


def _mended(row: Sampler, spacing: str, steps: int, total: int) -> bool:
    """Whether a class steps elsewhere than to its next timestep, and is mended."""
    return row.scheduler in PLAIN and (spacing == "linspace" or total % steps > 0)


def _exact(scheduler: str, spacing: str, steps: int, total: int) -> bool:
    """Whether the timesteps are given to the class: its own are others."""
    if spacing == "trailing":
        return steps > LCM_STEPS if scheduler == "LCMScheduler" else total % steps > 0
    return spacing == "linspace" and scheduler not in FRACTIONAL


def class_of(row: Sampler) -> str:
    """The class of diffusers that a script of the sampler imports; "" where there is none."""
    walk = walk_script.walk(row)
    return walk.scheduler if walk else PLAIN.get(row.scheduler, row.scheduler)


def draws(lane: LaneSettings) -> bool:
    """Whether a step of the lane draws noise."""
    row = SAMPLERS[lane.sampler]
    return row.stochastic or (row.eta and lane.eta > 0)


def spacing_of(lane: LaneSettings, total: int) -> str:
    """As the lab has it: one step starts at the last timestep, and so do steps that fill the whole chain."""
    row = SAMPLERS[lane.sampler]
    return lane.spacing if lane.spacing in row.spacings and 1 < lane.steps < total else row.spacings[0]


def grid(scheduler: str, spacing: str, total: int) -> str:
    """An expression for the timesteps of STEPS steps, highest first, as lab/engine/grid.py lays them out for a class of diffusers
    that takes none between two; "leading" of one that takes the lowest."""
    end = 0 if scheduler in LOWEST_LEFT_OUT else 1  # places counted from here
    if spacing == "linspace":
        parts = "(STEPS - 1)" if end else "STEPS"
        return f"[round({total - 1} * i / {parts}) for i in range(STEPS - {end}, {-end}, -1)]".replace(" - 0", "")
    if spacing == "leading":
        return f"[{total} // STEPS * i + 1 for i in range(STEPS - 1, -1, -1)]"
    return f"[round({total} * i / STEPS) - 1 for i in range(STEPS, 0, -1)]"


def constants(lane: LaneSettings, source: str) -> str:
    """Those of a script without a prompt; `source` is the line that names what it reads."""
    lines = [
        source,
        'PICTURE = sys.argv[2] if len(sys.argv) > 2 else "picture.png"',
        f"SCALE = {lane.guidance_scale!r}  # of guidance; {rule_script.scale_words(lane.rule)}",
        f"SEED = {lane.seed}",
        f"STEPS = {lane.steps}",
        *([f"ETA = {lane.eta!r}  # 0: deterministic, 1: as noisy as DDPM"] if SAMPLERS[lane.sampler].eta else []),
    ]
    return "\n".join(lines)


def noise(lane: LaneSettings, shape: str) -> str:
    """x_T, of an expression for its shape, and where a step of the lane draws noise, how."""
    lines = [
        "# x_T is the first thing that the seed's generator draws, on the CPU whatever computes the rest.",
        f"shape = {shape}",
        "generator = torch.Generator().manual_seed(SEED)",
        "x = torch.randn(shape, generator=generator)",
    ]
    if lane.mix_seed is not None and lane.mix > 0:
        lines += [
            "",
            f"# On the sphere {lane.mix:.3g} of the way to another seed's x_T (Shoemake 1985).",
            f"other = torch.randn(shape, generator=torch.Generator().manual_seed({lane.mix_seed}))",
            "theta = torch.arccos((x * other).sum() / (x.norm() * other.norm()))",
            f"near, far = (torch.sin(part * theta) for part in ({1 - lane.mix!r}, {lane.mix!r}))",
            "x = (near * x + far * other) / torch.sin(theta)",
        ]
    if not walk_script.walk(SAMPLERS[lane.sampler]):  # these begin at the noise itself
        lines.append("x = x * scheduler.init_noise_sigma")
    if draws(lane):
        lines += ["", NOISE_OF]
    return "\n".join(lines)


def loop(lane: LaneSettings, predictions: list[str], *, level: bool, exact: bool) -> str:
    """The loop of a script whose model is a function, by the lines from x_t, and alpha-bar where they need that, to the
    prediction."""
    row = SAMPLERS[lane.sampler]
    walk = walk_script.walk(row)
    seen = walk.seen if walk else "scheduler.scale_model_input(x, t)"
    lines = [*walk.loop] if walk else ["for t in scheduler.timesteps:"]
    lines += [f"    x_t = {seen}", *(["    a = level(t)"] if level and not walk else []), *predictions]
    if not exact:
        lines += eps_for_x_0(row)
    lines += [*walk_script.clean(walk.seen, exact=exact), *walk.step] if walk else [step(lane)]
    return "\n".join(lines)


def step(lane: LaneSettings) -> str:
    """The line that steps."""
    row = SAMPLERS[lane.sampler]
    more = (", eta=ETA" if row.eta else "") + (", generator=noise_of(t)" if draws(lane) else "")
    return f"    x = scheduler.step(prediction, t, x{more}).prev_sample"


def eps_for_x_0(row: Sampler) -> list[str]:
    """The lines for a model that predicts x_0, where the class cannot be given that."""
    if row.scheduler not in EPS_FOR_X_0:
        return []
    return [
        f'    if predicts == "sample":  # the class takes eps only\n        prediction = {EPS_FOR_X_0[row.scheduler]}'
    ]


_MENDED = {
    "DDIM": '''
class DDIM(DDIMScheduler):
    """diffusers steps by T // steps, not the stride of these timesteps; this goes to the one that comes next."""

    def step(self, prediction, t, x, eta=0.0, generator=None):
        out = super().step(prediction, t, x)
        x_0, alpha_bar = out.pred_original_sample, self.alphas_cumprod[t]
        later = self.timesteps[self.timesteps < t]
        alpha_bar_next = self.alphas_cumprod[later[0]] if len(later) else self.final_alpha_cumprod
        eps = (x - alpha_bar**0.5 * x_0) / (1 - alpha_bar) ** 0.5
        sigma = eta * ((1 - alpha_bar_next) / (1 - alpha_bar) * (1 - alpha_bar / alpha_bar_next)).clamp(min=0) ** 0.5
        x = alpha_bar_next**0.5 * x_0 + (1 - alpha_bar_next - sigma**2).clamp(min=0) ** 0.5 * eps
        out.prev_sample = x + sigma * torch.randn(x.shape, generator=generator) if eta else x
        return out

''',
    "PNDM": '''
class PNDM(PNDMScheduler):
    """diffusers steps by T // steps, not the stride of these timesteps; this goes to the one that comes next."""

    def _get_prev_sample(self, x, t, t_next, prediction):
        levels = [*dict.fromkeys(int(t) for t in self.timesteps), -1]  # the second call repeats its timestep
        k = max(self.counter - 1, 0)
        return super()._get_prev_sample(x, levels[k], levels[k + 1], prediction)

''',
}


def levels(table: str, predicts: str) -> str:
    """What the model predicts, where that is not eps, and alpha-bar as schedulers take it."""
    return f"""
{f"predicts = {predicts}" if predicts else ""}
alpha_bar = {table}.double()
alpha_bar = alpha_bar.maximum(2.0**-24 * (1 + 0.01 * torch.arange(len(alpha_bar)).flip(0)))  # above 0 and falling
"""


def _made(row: Sampler, spacing: str, name: str, offset: int, exact: bool, total: int) -> str:
    options: dict[str, Any] = {"timestep_spacing": spacing, "steps_offset": offset, **row.options}
    if total != 1000:
        options["num_train_timesteps"] = total
    arguments = "".join(f"    {key}={_python(value)},\n" for key, value in options.items())
    predicts = 'predicts.replace("sample", "epsilon")' if row.scheduler in EPS_FOR_X_0 else "predicts"
    if exact:
        predicts = '"epsilon"'
    return f"""
scheduler = {name}(
    trained_betas=(1 - alpha_bar / torch.cat([torch.ones(1), alpha_bar[:-1]])).tolist(),
    prediction_type={predicts},
{arguments})
"""


def _timesteps(scheduler: str, spacing: str, steps: int, total: int) -> str:
    """How the scheduler gets its timesteps: diffusers' own where these are the lab's (lab/engine/grid.py), else exact ones."""
    exact = grid(scheduler, spacing, total) if _exact(scheduler, spacing, steps, total) else ""
    lines = ["scheduler.set_timesteps(STEPS)"]
    if exact:
        lines = [
            "# One division each: a stride that is added up drifts, and makes 62 of 61 steps of 1000, the last one below 0.",
            f"timesteps = {exact}",
            "scheduler.set_timesteps(timesteps=timesteps)" if scheduler in TAKE_TIMESTEPS else lines[0],
        ]
        if scheduler == "PNDM":
            lines += ["scheduler.timesteps = torch.tensor(timesteps[:2] + timesteps[1:])  # the second one twice"]
        elif scheduler not in TAKE_TIMESTEPS:
            lines += ["scheduler.timesteps = torch.tensor(timesteps).to(scheduler.timesteps.dtype)"]
        if scheduler not in TAKE_TIMESTEPS and scheduler not in PLAIN:
            lines += [
                "levels = ((1 - scheduler.alphas_cumprod) / scheduler.alphas_cumprod).sqrt()",
                "scheduler.sigmas = torch.cat([levels[timesteps], scheduler.sigmas[-1:]])",
            ]
    if scheduler == "EulerAncestralDiscreteScheduler":
        lines += ["scheduler.sigmas = scheduler.sigmas.double()  # a difference of their squares is below 0 in float32"]
    return "\n".join(lines)


def _python(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)


NOISE_OF = '''
def noise_of(t):
    """The noise of a timestep is drawn from (seed, timestep): however many steps there are, it is the same."""
    digest = hashlib.blake2b(f"{SEED}/{round(float(t))}".encode(), digest_size=4).digest()
    return generator.manual_seed(int.from_bytes(digest, "big"))

'''
TO_BYTES = "picture = ((picture.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0)\n"
TO_FILE = "Image.fromarray(picture.numpy()).save(PICTURE)\n"
SIGNED_TO_FILE = f"{TO_BYTES}{TO_FILE}"
SAVING = f"picture = x[0]\n{SIGNED_TO_FILE}"
