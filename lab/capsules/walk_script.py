"""Scripts of samplers that leave the model's own process: flow matching and Langevin dynamics.

The state is not a scheduler's of the model's process, and the model sees it at the timestep of equal signal-to-noise ratio,
as in lab/engine/samplers.py.
"""

from typing import NamedTuple

from lab.catalog import Sampler


class Walk(NamedTuple):
    """What such a script has in the place of a scheduler and its loop."""

    scheduler: str  # of diffusers; "" where there is none
    making: str  # what stands before x_T
    loop: tuple[str, ...]  # its head, and what it knows before the model is called
    seen: str  # x_t as the model sees it
    step: tuple[str, ...]  # from x_0 to the next x
    calls: str  # how many there are


def walk(row: Sampler) -> Walk | None:
    """The walk of a sampler; None where a scheduler of diffusers runs in the model's process."""
    if row.scheduler.startswith("FlowMatch"):
        making = _TIMESTEP + _EQUAL + (_HEUN if "Heun" in row.scheduler else _EULER).format(name=row.scheduler)
        return Walk(row.scheduler, making, _FLOW_LOOP, "x / norm", (_FLOW_STEP,), "len(scheduler.timesteps)")
    if row.scheduler in _LEVELS:
        return Walk("", _TIMESTEP + _LEVELS[row.scheduler], _LANGEVIN_LOOP, "x", _LANGEVIN_STEP, "STEPS")
    return None


def clean(seen: str, exact: bool) -> list[str]:
    """The lines that make x_0 of a prediction: of eps, or of what the model predicts."""
    of_eps = f"x_0 = ({seen} - (1 - a).sqrt() * prediction) / a.sqrt()"
    if exact:
        return [f"    {of_eps}"]
    return [
        "    x_0 = prediction",
        '    if predicts == "epsilon":',
        f"        {of_eps}",
        '    if predicts == "v_prediction":',
        f"        x_0 = a.sqrt() * {seen} - (1 - a).sqrt() * prediction",
    ]


_TIMESTEP = '''
sigmas = ((1 - alpha_bar) / alpha_bar).sqrt()


def timestep(sigma):
    """The model's timestep at a noise level, mostly between two of those it was made for."""
    k = int(torch.searchsorted(sigmas, sigma).clamp(1, len(sigmas) - 1))
    return (k - 1 + (sigma - sigmas[k - 1]) / (sigmas[k] - sigmas[k - 1])).float()


'''
_EQUAL = '''
def equal(u):
    """The timestep where signal and noise stand as at time u of the flow, alpha-bar there, and the flow's norm."""
    sigma = (u.double() / (1 - u.double())).clamp(sigmas[0], sigmas[-1])
    return timestep(sigma), 1 / (1 + sigma**2), ((1 - u) ** 2 + u**2) ** 0.5


'''
_EULER = """
scheduler = {name}()
scheduler.set_timesteps(sigmas=[1 - i / STEPS for i in range(STEPS)])  # in equal parts
"""
_HEUN = """
scheduler = {name}()
scheduler.set_timesteps(STEPS)
u = torch.tensor([1 - i / STEPS for i in range(STEPS)])  # in equal parts; each but the first is called at twice
scheduler.sigmas = torch.cat([u[:1], u[1:].repeat_interleave(2), torch.zeros(1)])
scheduler.timesteps = 1000 * scheduler.sigmas[:-1]
"""
_FLOW_LOOP = ("for i, u in enumerate(scheduler.sigmas[:-1]):", "    t, a, norm = equal(u)")
_FLOW_STEP = (
    "    x = scheduler.step((x - x_0) / u, scheduler.timesteps[i], x).prev_sample  # (x - x_0) / u is the velocity"
)

_LEVELS = {
    "Langevin": """
levels = torch.full((STEPS,), 0.1).double().clamp(sigmas[0], sigmas[-1])
part = 0.1  # of the way to x_0 in a step
""",
    "AnnealedLangevin": """
places = torch.arange(STEPS).double().div(5, rounding_mode="floor")  # five steps at each level
levels = sigmas[-1] * (sigmas[0] / sigmas[-1]) ** (places / max(float(places[-1]), 1))
gamma = levels[0] / levels[min(5, STEPS - 1)]
parts = torch.arange(1, 1001).double() / 1000  # of the way to x_0 in a step
rest = 1 / (1 - parts / 2)
part = float(parts[((1 - parts) ** 10 * (gamma**2 - rest) + rest - 1).abs().argmin()])  # Song & Ermon 2020, technique 4
""",
}
_LANGEVIN_LOOP = (
    "seeded = None",
    "for i, sigma in enumerate(levels):",
    "    t, a = timestep(sigma), 1 / (1 + sigma**2)",
)
_LANGEVIN_STEP = (
    "    if i == STEPS - 1:",
    "        x = x_0",
    "        break",
    "    if round(float(t)) != seeded:  # steps at one timestep go on drawing",
    "        seeded, _ = round(float(t)), noise_of(t)",
    "    y = x / a.sqrt()  # x_0 + sigma * eps",
    "    y = y + part * (x_0 - y) + (2 * part) ** 0.5 * sigma * torch.randn(shape, generator=generator)",
    "    x = y / (1 + levels[i + 1] ** 2).sqrt()",
)
