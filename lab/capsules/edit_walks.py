"""The ways to edit as a script has them: what makes two predictions one, and the loop from x_T to x_0.

They take `x_0` and `hole`, with a batch of one, where they need them, `noise`, and `predict` of lab/capsules/edit_models.py, and
leave `x`.
"""

from lab.capsules import rule_script, scheduler_script
from lab.catalog import SAMPLERS, VIEWS
from lab.requests.edit import EditLane, EditRequest

GUESSING = ("repaint", "inverted")  # methods that step by themselves, by the guess of x_0


def predicted(scale: float, conditional: str = "conditional", view: str = "") -> tuple[str, str]:
    """The function that guides, "" where nothing is guided, and an expression for the prediction of x_t at t: under the row that is
    named `conditional`, or with a `view` under two rows that `joined` makes one."""
    both, alone = f"predict(x_t, t, {conditional})", "predict(x_t, t, unconditional)"
    if view:
        both = "joined(x_t, t, conditional, second)"
        alone = "joined(x_t, t, unconditional, unconditional)" if VIEWS[view].kind == "turned" else alone
    needs = rule_script.needs("cfg", scale)
    if all(needs):
        return _GUIDED.format(both=both, alone=alone), "guided(x_t, t)"
    return "", both if needs[0] else alone


def joined(request: EditRequest, latent: bool) -> str:
    """The function that makes the predictions under two rows one, as the request's view has it. A `latent` model turns its picture,
    which it has in two latents."""
    view = VIEWS[request.view]
    paper = f"{view.paper}, https://arxiv.org/abs/{view.arxiv}"
    if view.kind == "turned":
        there, back = TURNS[view.name]
        return (_SYNCHRONISED if latent else _TURNED).format(
            paper=paper, there=there.format("both" if latent else "x_t"), back=back
        )
    if view.kind == "frequencies":
        return _HYBRID.format(paper=paper, cutoff=request.cutoff)
    return _REGIONS.format(paper=paper, part=_PARTS[view.name])


def noise(seed: str, shape: str, twice: bool) -> str:
    """x_T, of expressions for the seed and its shape; with `twice` as many channels."""
    return _NOISE.format(seed=seed, shape=shape, drawn="(1, 2 * shape[1], *shape[2:])" if twice else "shape")


def draws(lane: EditLane) -> bool:
    """Whether a step of the lane draws noise that belongs to its timestep."""
    if lane.method == "inverted":
        return lane.sampler == "ddim" and lane.eta > 0
    return lane.method == "replace" or (lane.method != "repaint" and scheduler_script.draws(lane))


def walk(lane: EditLane, total: int, prediction: str, exact: bool) -> str:
    """The loop, from `noise` to `x`."""
    if lane.method == "repaint":
        return _repaint(lane, total, prediction)
    if lane.method == "inverted":
        return _inverted(lane, total, prediction)
    if not lane.taken:
        return "x = x_0  # at this strength no step is taken"
    return _sampled(lane, prediction, exact)


def _sampled(lane: EditLane, prediction: str, exact: bool) -> str:
    """From noise to picture by a scheduler of diffusers."""
    known = {"replace": _FRESH, "blend": _SAME}.get(lane.method, "")
    middle = lane.method == "sdedit" or lane.taken < lane.steps
    if middle:
        calls = "2 * (STEPS - int(STEPS * STRENGTH))" if lane.sampler == "heun" else "STEPS - int(STEPS * STRENGTH)"
        beginning = _MIDDLE.format(calls=calls)
    else:
        beginning = "x = noise * scheduler.init_noise_sigma\n"
    timesteps = "scheduler.timesteps[begin:]" if middle else "scheduler.timesteps"
    lines = [
        f"for i, t in enumerate({timesteps}, {'begin' if middle else 0}):" if known else f"for t in {timesteps}:",
        "    x_t = scheduler.scale_model_input(x, t)",
        f"    prediction = {prediction}",
        *([] if exact else scheduler_script.eps_for_x_0(SAMPLERS[lane.sampler])),
        scheduler_script.step(lane),
    ]
    return beginning + "\n".join(lines) + known


def _repaint(lane: EditLane, total: int, prediction: str) -> str:
    """RePaint: down by DDPM's steps, and up again."""
    timesteps = scheduler_script.grid("DDIM", scheduler_script.spacing_of(lane, total), total)
    return _REPAINT.format(timesteps=timesteps, prediction=prediction)


def _inverted(lane: EditLane, total: int, prediction: str) -> str:
    """Up by DDIM inversion under the source's words, and down again by DDIM."""
    down = (_DOWN if draws(lane) else _DETERMINISTIC).format(prediction=prediction)
    return _UP.format(timesteps=scheduler_script.grid("DDIM", "trailing", total)) + down


_NOISE = """
# x_T is the first thing that the seed's generator draws, on the CPU whatever computes the rest.
shape = {shape}
generator = torch.Generator().manual_seed({seed})
noise = torch.randn({drawn}, generator=generator)
"""
_GUIDED = '''

def guided(x_t, t):
    """The prediction under the words, led away from the one without them (Ho & Salimans 2022)."""
    without = {alone}
    return without + SCALE * ({both} - without)


'''
TURNS = {  # of a view: there and back
    "flip": ("{0}.flip(2)", ".flip(2)"),
    "mirror": ("{0}.flip(3)", ".flip(3)"),
    "turn": ("{0}.flip(2, 3)", ".flip(2, 3)"),
    "quarter": ("{0}.rot90(1, (2, 3))", ".rot90(-1, (2, 3))"),
    "negative": ("-{0}", " * -1"),
}
_TURNED = '''

def joined(x_t, t, first, second):
    """The mean of two predictions, the second one of x_t seen in the other way, and brought back.

    {paper}."""
    return (predict(x_t, t, first) + predict({there}, t, second){back}) / 2


'''
_SYNCHRONISED = '''

def joined(x_t, t, first, second):
    """Predictions of two latents, of the picture and of what is seen of it in the other way, that agree on it in pixels.

    {paper}; synchronised:
    Kim et al. 2024, https://arxiv.org/abs/2403.14370.
    """
    scale, a = pipe.vae.config.scaling_factor, level(t)
    latents = x_t.chunk(2, dim=1)
    guesses = [x_0_of(predict(x, t, row), x, a) for x, row in zip(latents, (first, second))]
    whole, turned = (pipe.vae.decode(guess / scale).sample for guess in guesses)
    both = (whole + turned{back}) / 2
    guesses = [pipe.vae.encode(picture).latent_dist.mean * scale for picture in (both, {there})]
    return torch.cat([prediction_of(guess, x, a) for guess, x in zip(guesses, latents)], dim=1)


'''
_HYBRID = '''
places = torch.arange(shape[3]).double()
deviation = {cutoff!r} * len(places) / 64  # of the blur that parts the frequencies
blur = (-((places[:, None] - places) ** 2) / (2 * deviation**2)).softmax(1).float()  # each row sums to 1


def joined(x_t, t, first, second):
    """The low frequencies of the first prediction, the high ones of the second.

    {paper}."""
    first, second = predict(x_t, t, first), predict(x_t, t, second)
    return blur @ first @ blur.T + second - blur @ second @ blur.T


'''
_REGIONS = '''
{part}


def joined(x_t, t, first, second):
    """Each prediction in its own part of the picture.

    {paper}."""
    return (1 - part) * predict(x_t, t, first) + part * predict(x_t, t, second)


'''
_PARTS = {  # how much of each place is the second one's
    "left-right": "side = shape[3]\npart = (torch.arange(side) - side / 2 + 1).clamp(0, 1)  # 1 on the right",
    "top-bottom": "side = shape[2]\npart = (torch.arange(side)[:, None] - side / 2 + 1).clamp(0, 1)  # 1 in the lower half",
    "painted": 'part = torch.nn.functional.interpolate(hole, shape[2:], mode="area")  # how much of a place is painted',
}
_MIDDLE = """\
# As StableDiffusionImg2ImgPipeline: the last int(STEPS * STRENGTH) of the steps are taken, from the picture at their level.
begin = {calls}
if hasattr(scheduler, "set_begin_index"):
    scheduler.set_begin_index(begin)
x = scheduler.add_noise(x_0, noise, scheduler.timesteps[begin : begin + 1])
"""
_SAME = """
    known = x_0
    if i + 1 < len(scheduler.timesteps):  # at the level that was reached
        known = scheduler.add_noise(x_0, noise, scheduler.timesteps[i + 1 : i + 2])
    x = (1 - hole) * known + hole * x
"""
_FRESH = """
    known = x_0
    if i + 1 < len(scheduler.timesteps):  # at the level that was reached, with a noise of its own
        fresh = torch.randn(x_0.shape, generator=noise_of(scheduler.timesteps[i + 1]))
        known = scheduler.add_noise(x_0, fresh, scheduler.timesteps[i + 1 : i + 2])
    x = (1 - hole) * known + hole * x
"""
_LEVELS = """\
timesteps = {timesteps}
bars = [*(float(alpha_bar[t]) for t in timesteps), 1.0]  # alpha-bar at them, and of the picture
"""
_REPAINT = (
    _LEVELS
    + """\
again = dict.fromkeys(range(1, STEPS - JUMP + 1, JUMP), RESAMPLINGS - 1)  # ways back up, by the steps that are left
x_t, i = noise, 0
while i < STEPS:
    t, a, b = timesteps[i], bars[i], bars[i + 1]
    guess = x_0_of({prediction}, x_t, a)
    eps = (x_t - a**0.5 * guess) / (1 - a) ** 0.5
    sigma = ((1 - b) / (1 - a) * (1 - a / b)) ** 0.5  # DDIM with eta = 1, which is DDPM
    x = b**0.5 * guess + (1 - b - sigma**2) ** 0.5 * eps + sigma * torch.randn(x_t.shape, generator=generator)
    known = b**0.5 * x_0 + (1 - b) ** 0.5 * torch.randn(x_t.shape, generator=generator)
    x_t, i = (1 - hole) * known + hole * x, i + 1
    if again.get(STEPS - i, 0) > 0:
        again[STEPS - i] -= 1
        for _ in range(JUMP):  # up again, q(x_t | x_t-1)
            kept = bars[i - 1] / bars[i]
            x_t = kept**0.5 * x_t + (1 - kept) ** 0.5 * torch.randn(x_t.shape, generator=generator)
            i -= 1
x = x_t
"""
)
_UP = (
    _LEVELS
    + """\
x_t = bars[-2] ** 0.5 * x_0 + (1 - bars[-2]) ** 0.5 * noise  # at the lowest level
for t, a, b in zip(timesteps[:0:-1], bars[-2:0:-1], bars[-3::-1]):  # up: by the eps of the level that is left
    guess = x_0_of(predict(x_t, t, source), x_t, a)
    x_t = b**0.5 * guess + ((1 - b) / (1 - a)) ** 0.5 * (x_t - a**0.5 * guess)
"""
)
_DETERMINISTIC = """\
for t, a, b in zip(timesteps, bars, bars[1:]):  # and down again
    guess = x_0_of({prediction}, x_t, a)
    x_t = b**0.5 * guess + ((1 - b) / (1 - a)) ** 0.5 * (x_t - a**0.5 * guess)
x = x_t
"""
_DOWN = """\
for t, a, b in zip(timesteps, bars, bars[1:]):  # and down again
    guess = x_0_of({prediction}, x_t, a)
    eps = (x_t - a**0.5 * guess) / (1 - a) ** 0.5
    sigma = ETA * ((1 - b) / (1 - a) * (1 - a / b)) ** 0.5
    x_t = b**0.5 * guess + (1 - b - sigma**2) ** 0.5 * eps
    x_t = x_t + sigma * torch.randn(x_t.shape, generator=noise_of(t))
x = x_t
"""
