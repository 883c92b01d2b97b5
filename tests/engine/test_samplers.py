"""Every sampler of the catalog against diffusers' own loop, the papers' equations and data known in closed form."""

import inspect
import itertools

import diffusers
import numpy as np
import pytest
import torch

from lab.catalog import SAMPLERS as ALL_SAMPLERS
from lab.catalog import SPACINGS
from lab.engine.denoisers import FlowVelocity
from lab.engine.guidance import ClassifierFree
from lab.engine.lanes import Lane, StepNoise, drive
from lab.engine.noising import alphas_cumprod, stream_seed
from lab.engine.predictions import join_prediction
from lab.engine.process import Level, VariancePreserving, betas_of
from lab.engine.reference import plain_loop
from lab.engine.samplers import make_scheduler, slerp

SAMPLERS = {name: row for name, row in ALL_SAMPLERS.items() if not row.learned_variance}

T = 1000
BETAS = torch.linspace(1e-4, 0.02, T, dtype=torch.float64)
ALPHAS_CUMPROD = torch.cumprod(1 - BETAS, 0)
PROCESS = VariancePreserving(ALPHAS_CUMPROD)
SHAPE = (3, 8, 8)
THEIRS = {"DDIM": "DDIMScheduler", "PNDM": "PNDMScheduler"}  # ours -> the class of diffusers that it mends
FLOWS = ("flow_euler", "flow_heun")
LANGEVIN = ("langevin", "annealed")  # which diffusers does not have
# Our DDIM and PNDM differ from diffusers' where its stride T // steps is wrong, which "linspace" always is.
SAME_AS_THEIRS = [
    (name, spacing)
    for name, row in SAMPLERS.items()
    for spacing in row.spacings
    if not (row.scheduler in THEIRS and spacing == "linspace") and name not in LANGEVIN
]


class Gaussian:
    """The exact denoiser of data N(m, s^2 I): a line in x_t, so nothing in it can amplify a rounding error.

    A row's conditioning is its mean m.
    """

    shape = SHAPE

    def __init__(self, prediction_type="epsilon", alphas_cumprod=ALPHAS_CUMPROD, deviation=0.4):
        self.prediction_type, self.deviation = prediction_type, deviation
        self.process, self.alphas_cumprod = VariancePreserving(alphas_cumprod), alphas_cumprod
        self.rows = []  # of each call

    def __call__(self, x_t, t, conditioning):
        self.rows.append(len(x_t))
        a = level(self.alphas_cumprod, t).to(x_t)[:, None, None, None]
        mean = torch.tensor(conditioning, dtype=x_t.dtype)[:, None, None, None]
        gain = a.sqrt() * self.deviation**2 / (a * self.deviation**2 + 1 - a)
        return join_prediction(
            mean + gain * (x_t - a.sqrt() * mean), x_t, Level.from_alpha_bar(a), self.prediction_type
        )


class OnePicture(Gaussian):
    """The exact denoiser of a set of one picture: E[x_0 | x_t] is that picture, whatever x_t."""

    picture = torch.rand(SHAPE, generator=torch.Generator().manual_seed(5)) * 2 - 1

    def __call__(self, x_t, t, conditioning):
        a = level(self.alphas_cumprod, t).to(x_t)[:, None, None, None]
        return join_prediction(self.picture.expand_as(x_t), x_t, Level.from_alpha_bar(a), self.prediction_type)


def level(alphas_cumprod, t):
    """alpha-bar at t by numpy, sigma linear between two timesteps; independent of the code under test."""
    table = alphas_cumprod.clamp(min=2.0**-24).numpy()  # zero terminal SNR is taken as diffusers takes it
    sigma = np.interp(np.asarray(t, dtype=np.float64), np.arange(len(table)), np.sqrt((1 - table) / table))
    return torch.as_tensor(1 / (1 + sigma**2))


def theirs(row, prediction_type, steps, spacing, alphas_cumprod=ALPHAS_CUMPROD):
    """The scheduler as a user of diffusers would build it, without make_scheduler."""
    cls = getattr(diffusers, THEIRS.get(row.scheduler, row.scheduler))
    if row.name in FLOWS:
        return straight(cls, steps)
    config = {
        "trained_betas": betas_of(alphas_cumprod).tolist(),
        "num_train_timesteps": len(alphas_cumprod),
        "prediction_type": prediction_type,
        "timestep_spacing": "trailing" if steps == 1 else spacing,
        **row.options,
    }
    if spacing == "leading" and steps > 1 and "steps_offset" in inspect.signature(cls.__init__).parameters:
        config["steps_offset"] = 1
    scheduler = cls(**config)
    scheduler.set_timesteps(steps)
    return scheduler


def straight(cls, steps):
    """A flow-matching scheduler of diffusers from u = 1 to 0 in equal parts; Heun's class takes no sigmas of one's own."""
    scheduler, sigmas = cls(), [1 - i / steps for i in range(steps)]
    if cls is diffusers.FlowMatchEulerDiscreteScheduler:
        scheduler.set_timesteps(sigmas=sigmas)
        return scheduler
    scheduler.set_timesteps(steps)
    scheduler.sigmas = torch.tensor([sigmas[0], *(u for u in sigmas[1:] for _ in range(2)), 0.0])
    scheduler.timesteps = 1000 * scheduler.sigmas[:-1]
    return scheduler


def asked(row, denoiser):
    """What `theirs` asks: a flow-matching scheduler asks for the velocity."""
    return FlowVelocity(denoiser) if row.name in FLOWS else denoiser


def lane(index, row, denoiser, steps, spacing, seed, mean=0.3, scale=1.0, eta=0.0, by="sequence"):
    scheduler = make_scheduler(row.scheduler, denoiser.process, denoiser.prediction_type, steps, spacing, row.options)
    noise = StepNoise(seed, by)
    return Lane(index, scheduler, noise.initial(SHAPE), noise, mean, 0.0, ClassifierFree(scale), eta)


def picture_of(lanes, denoiser):
    return {record.lane: record.x_0 for record in drive(denoiser, lanes) if record.i == record.n}


def eta_of(row):
    return 0.5 if row.eta else 0.0


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("steps", [1, 4, 20])
@pytest.mark.parametrize(("name", "spacing"), SAME_AS_THEIRS)
def test_alone_equals_the_loop_of_diffusers(name, spacing, steps, prediction_type):
    row, denoiser = SAMPLERS[name], Gaussian(prediction_type)
    want = plain_loop(theirs(row, prediction_type, steps, spacing), asked(row, denoiser), 11, 0.3, eta=eta_of(row))
    got = picture_of([lane(0, row, denoiser, steps, spacing, 11, eta=eta_of(row))], denoiser)[0]
    torch.testing.assert_close(got, want, atol=1e-5, rtol=0)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_in_mixed_company_equals_the_loop_of_diffusers(prediction_type):
    """All samplers, steps and spacings at once, guided and unguided lanes side by side, 16 rows a call."""
    denoiser = Gaussian(prediction_type)
    lanes, wants, tolerances = [], [], []
    cases = itertools.product(SAME_AS_THEIRS, (1, 4, 20))
    for index, (((name, spacing), steps), scale) in enumerate(
        zip(cases, itertools.cycle((1, 3, 0, 1.5)), strict=False)
    ):
        row, mean = SAMPLERS[name], 0.1 * (index % 7)
        lanes.append(lane(index, row, denoiser, steps, spacing, index, mean, scale, eta_of(row)))
        scheduler = theirs(row, prediction_type, steps, spacing)
        wants.append(plain_loop(scheduler, asked(row, denoiser), index, mean, 0.0, scale, eta_of(row)))
        # Guided before it is a velocity: x_0 of eps at T - 1 has 160 times float32's rounding.
        tolerances.append(1e-4 if name in FLOWS else 1e-5)
    denoiser.rows.clear()
    got = picture_of(lanes, denoiser)
    assert max(denoiser.rows) == 16 and len(lanes) > 60
    for index, (want, atol) in enumerate(zip(wants, tolerances, strict=True)):
        torch.testing.assert_close(got[index], want, atol=atol, rtol=0, msg=lambda m, i=index: f"lane {i}: {m}")


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("name", SAMPLERS)
def test_every_record_holds_the_x_0_of_its_x_t(name, spacing, prediction_type):
    """x_0 and eps against the definitions in float64: x_t = sqrt(a) x_0 + sqrt(1 - a) eps, v = sqrt(a) eps - ..."""
    row = SAMPLERS[name]
    if spacing not in row.spacings:
        spacing = row.spacings[0]
    denoiser = Gaussian(prediction_type)
    for record in drive(denoiser, [lane(0, row, denoiser, 7, spacing, 1)]):
        if record.i == record.n:
            torch.testing.assert_close(record.x_0, record.x_t)
            continue
        a = float(level(ALPHAS_CUMPROD, record.t))
        prediction = denoiser(record.x_t[None], torch.tensor([record.t]), [0.3])[0].double()
        x_t = record.x_t.double()
        x_0 = {
            "epsilon": (x_t - (1 - a) ** 0.5 * prediction) / a**0.5,
            "v_prediction": a**0.5 * x_t - (1 - a) ** 0.5 * prediction,
            "sample": prediction,
        }[prediction_type]
        # From eps, x_0 is a difference divided by sqrt(a): float32's rounding grows by that (160 at t = 999). So it does with
        # x_t itself, which annealed Langevin of two levels takes far away.
        large = max(1.0, float(x_t.abs().max()) / 6)
        tolerance = 1e-6 / a**0.5 if prediction_type == "epsilon" else 2e-6
        torch.testing.assert_close(record.x_0.double(), x_0, atol=tolerance * large, rtol=0)
        whole = a**0.5 * record.x_0.double() + (1 - a) ** 0.5 * record.eps.double()
        torch.testing.assert_close(whole, x_t, atol=3e-6 * large, rtol=0)
        assert record.log_snr == pytest.approx(np.log(a / (1 - a)), abs=1e-6)


@pytest.mark.parametrize("eta", [0.0, 0.7])
@pytest.mark.parametrize(("spacing", "steps"), [("linspace", 20), ("linspace", 7), ("trailing", 7), ("leading", 30)])
def test_ddim_is_equation_12_along_its_timesteps(spacing, steps, eta):
    """Song et al. 2021, equations 12 and 16 in float64, where diffusers' own stride is wrong."""
    denoiser = Gaussian()
    timesteps = [int(t) for t in make_scheduler("DDIM", PROCESS, "epsilon", steps, spacing).timesteps]
    generator = torch.Generator().manual_seed(2)
    x = torch.randn((1, *SHAPE), generator=generator).double()
    for t, after in zip(timesteps, [*timesteps[1:], None], strict=True):
        a, b = float(ALPHAS_CUMPROD[t]), 1.0 if after is None else float(ALPHAS_CUMPROD[after])
        eps = denoiser(x, torch.tensor([t]), [0.3])
        sigma = eta * ((1 - b) / (1 - a)) ** 0.5 * (1 - a / b) ** 0.5
        x = b**0.5 * (x - (1 - a) ** 0.5 * eps) / a**0.5 + (1 - b - sigma**2) ** 0.5 * eps
        if eta:
            x = x + sigma * torch.randn((1, *SHAPE), generator=generator)
    got = picture_of([lane(0, SAMPLERS["ddim"], denoiser, steps, spacing, 2, eta=eta)], denoiser)[0]
    torch.testing.assert_close(got.double(), x[0], atol=1e-5, rtol=0)


# How near a sampler comes to the one picture there is. All end by jumping to sigma = 0, which gives the picture up to
# float32's rounding, since eps of point data is constant along the path. Two exceptions. PNDM extrapolates eps, with
# factors up to 59/24, and so enlarges the rounding of the first step, where x_0 is known to 1 / sqrt(a) = 160 times
# float32's digits. DEIS ends at the lowest sigma of the training schedule (0.01), by diffusers' design: what is left
# is that much noise, up to three deviations of it.
END_TOLERANCE = {"deis": 0.05, "pndm": 1e-3}


@pytest.mark.parametrize(("name", "spacing"), [(n, s) for n, row in SAMPLERS.items() for s in row.spacings])
def test_point_data_ends_at_the_point(name, spacing):
    denoiser = OnePicture()
    row = SAMPLERS[name]
    lanes = [lane(steps, row, denoiser, steps, spacing, 3, eta=eta_of(row)) for steps in (1, 3, 20, 30, 61, 122)]
    for picture in picture_of(lanes, denoiser).values():
        torch.testing.assert_close(picture, denoiser.picture, atol=END_TOLERANCE.get(name, 1e-4), rtol=0)


@pytest.mark.parametrize("schedule", ["linear", "sigmoid"])
@pytest.mark.parametrize(("name", "spacing"), [(n, s) for n, row in SAMPLERS.items() for s in row.spacings])
def test_short_chains_up_to_all_their_steps(name, spacing, schedule):
    """T = 10, the shortest chain the lab offers: every step count up to T works and stays finite. The lab's own betas
    reach 0.999 there, so several timesteps are pure noise."""
    denoiser, row = OnePicture(alphas_cumprod=alphas_cumprod(schedule, 10)), SAMPLERS[name]
    lanes = [lane(steps, row, denoiser, steps, spacing, 3, eta=eta_of(row)) for steps in range(1, 11)]
    records = list(drive(denoiser, lanes))
    assert all(0 <= record.t <= 9 for record in records if record.i < record.n)
    assert all(bool(record.x_t.isfinite().all()) for record in records)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_the_longest_step_there_is_stays_finite(schedule):
    """Two steps from zero terminal SNR (sigma = 4096) to t = 0: float32 loses sigma_down of Euler ancestral there."""
    denoiser = OnePicture("v_prediction", alphas_cumprod(schedule, 1000, zero_snr=True))
    lanes = [lane(index, row, denoiser, 2, "linspace", 3) for index, row in enumerate(SAMPLERS.values())]
    assert all(bool(record.x_t.isfinite().all()) for record in drive(denoiser, lanes))


DETERMINISTIC = [name for name, row in SAMPLERS.items() if not row.stochastic]


def test_a_picture_is_near_those_of_one_step_less_and_more():
    """61 and 122 steps, of which diffusers' floating point makes 62 and 123: the flow of a Gaussian is known, and all
    deterministic samplers come near it, with these counts as with their neighbours."""
    denoiser = Gaussian()
    x_T = StepNoise(3).initial(SHAPE)
    a = float(ALPHAS_CUMPROD[-1])
    truth = 0.3 + 0.4 * (x_T - a**0.5 * 0.3) / (a * 0.4**2 + 1 - a) ** 0.5
    counts = (60, 61, 62, 121, 122, 123)
    cases = list(itertools.product(DETERMINISTIC, counts))
    got = picture_of(
        [lane(k, SAMPLERS[name], denoiser, steps, "trailing", 3) for k, (name, steps) in enumerate(cases)], denoiser
    )
    errors = {case: (got[k] - truth).square().mean().sqrt() for k, case in enumerate(cases)}
    for name in DETERMINISTIC:
        for low, middle, high in (counts[:3], counts[3:]):
            assert errors[name, middle] < 0.024, (name, middle)
            between = (errors[name, low] + errors[name, high]) / 2
            assert abs(errors[name, middle] - between) < 1.5e-3, (name, middle)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_samplers_that_know_no_x_0_are_given_its_eps(spacing):
    """A model that predicts x_0 draws what the same model says as eps, and where diffusers' class takes x_0, its picture."""
    rows = [row for row in SAMPLERS.values() if spacing in row.spacings]
    pictures = {}
    for kind in ("epsilon", "sample"):
        denoiser = Gaussian(kind)
        lanes = [lane(k, row, denoiser, 20, spacing, k, eta=eta_of(row)) for k, row in enumerate(rows)]
        pictures[kind] = picture_of(lanes, denoiser)
    for k, row in enumerate(rows):
        torch.testing.assert_close(pictures["sample"][k], pictures["epsilon"][k], atol=1e-4, rtol=0)
        if row.name not in ("pndm", "euler_a") and (row.name, spacing) in SAME_AS_THEIRS:
            scheduler, theirs_asks = theirs(row, "sample", 20, spacing), asked(row, Gaussian("sample"))
            want = plain_loop(scheduler, theirs_asks, k, 0.3, eta=eta_of(row))
            torch.testing.assert_close(pictures["sample"][k], want, atol=1e-5, rtol=0)


@pytest.mark.parametrize("total", [50, T])
def test_ddim_at_eta_1_and_full_steps_is_ddpm(total):
    """With the same noise. Equation 16 at eta = 1 is the variance of q(x_{t-1} | x_t, x_0), the posterior variance
    beta_t (1 - a_{t-1}) / (1 - a_t), which Ho et al. call sigma_t^2 = tilde beta_t and diffusers "fixed_small".
    "fixed_large" (beta_t) is another sampler. The tolerance is float32's rounding over `total` steps.
    """
    table = ALPHAS_CUMPROD if total == T else torch.cumprod(1 - torch.linspace(2e-3, 0.3, 50, dtype=torch.float64), 0)
    denoiser, ddpm = Gaussian(alphas_cumprod=table), SAMPLERS["ddpm"]
    assert ddpm.options["variance_type"] == "fixed_small"
    options = {**ddpm.options, "variance_type": "fixed_large"}
    large = Lane(
        2,
        make_scheduler("DDPMScheduler", VariancePreserving(table), "epsilon", total, options=options),
        *noise_of(4),
        0.3,
    )
    got = picture_of(
        [
            lane(0, ddpm, denoiser, total, "trailing", 4),
            lane(1, SAMPLERS["ddim"], denoiser, total, "trailing", 4, eta=1.0),
            large,
        ],
        denoiser,
    )
    torch.testing.assert_close(got[1], got[0], atol=2e-5, rtol=0)
    assert (got[2] - got[0]).abs().max() > 1e-3


def noise_of(seed):
    noise = StepNoise(seed, "sequence")
    return noise.initial(SHAPE), noise


def drawn(records):
    """The noise that a DDIM lane with eta = 1 drew at each timestep, solved from equation 12."""
    found = {}
    for now, later in itertools.pairwise(records):
        a = float(ALPHAS_CUMPROD[int(now.t)])
        b = 1.0 if later.t < 0 else float(ALPHAS_CUMPROD[int(later.t)])
        sigma = ((1 - b) / (1 - a) * (1 - a / b)) ** 0.5
        if sigma:
            mean = b**0.5 * now.x_0.double() + (1 - b - sigma**2) ** 0.5 * now.eps.double()
            found[now.t] = (later.x_t.double() - mean) / sigma
    return found


def test_level_noise_is_shared_by_lanes_that_meet_a_timestep():
    denoiser = Gaussian()
    ddim = SAMPLERS["ddim"]
    lanes = [
        lane(index, ddim, denoiser, steps, "trailing", seed, eta=1.0, by="level")
        for index, (steps, seed) in enumerate([(10, 7), (20, 7), (10, 8)])
    ]
    records = list(drive(denoiser, lanes))
    ten, twenty, other = (drawn([r for r in records if r.lane == index]) for index in range(3))
    shared = ten.keys() & twenty.keys()
    assert len(shared) == 9  # all of the ten steps' timesteps but the last, which draws nothing
    for t in shared:
        torch.testing.assert_close(ten[t], twenty[t], atol=1e-3, rtol=0)
    for one, another in itertools.combinations([*ten.values(), *other.values()], 2):
        # 192 values: the correlation of independent noise has deviation 1 / sqrt(192) = 0.07.
        assert abs(float(torch.corrcoef(torch.stack([one.flatten(), another.flatten()]))[0, 1])) < 0.35


def test_level_noise_is_independent_of_neighbours_and_of_x_T():
    size = (100_000,)
    noises = [StepNoise(seed).initial(size) for seed in (0, 1)]
    for seed, t in itertools.product((0, 1, 2, 2**31 - 1), (0, 1, 2, 999)):
        noises.append(torch.randn(size, generator=StepNoise(seed).at(t)))
    correlation = torch.corrcoef(torch.stack(noises)) - torch.eye(len(noises))
    assert correlation.abs().max() < 0.02  # six deviations of 1 / sqrt(100,000)
    torch.testing.assert_close(noises[2], torch.randn(size, generator=StepNoise(0).at(0.0)))


def test_noise_is_drawn_by_level_or_sequence_only():
    with pytest.raises(ValueError, match="'level' or by 'sequence'"):
        StepNoise(0, "weather")


def test_inversion_and_back_returns_to_the_start_and_better_with_more_steps():
    denoiser = Gaussian()
    x_0 = 0.3 + 0.4 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(9))
    errors = []
    for steps in (10, 50, 250, 61, 122):
        up = make_scheduler("DDIMInversion", PROCESS, "epsilon", steps)
        down = make_scheduler("DDIM", PROCESS, "epsilon", steps, options={"clip_sample": False})
        assert list(up.timesteps) == list(down.timesteps.flip(0)) and up.timesteps[-1] == T - 1
        x_T = picture_of([Lane(0, up, x_0, StepNoise(0), 0.3)], denoiser)[0]
        back = picture_of([Lane(0, down, x_T, StepNoise(0), 0.3)], denoiser)[0]
        errors.append(float((back - x_0).square().mean().sqrt()))
    assert errors[0] > 2 * errors[1] > 4 * errors[2]  # first order: near five times a row
    assert errors[2] < 0.02  # of data with deviation 0.4
    assert errors[1] > errors[3] > errors[4] > errors[2]  # 61 and 122 steps, of which floating point makes one more
    # The flow of a Gaussian is known: it keeps the place in units of the marginal's deviation (here at 122 steps).
    a = float(ALPHAS_CUMPROD[-1])
    want = a**0.5 * 0.3 + (a * 0.4**2 + 1 - a) ** 0.5 * (x_0 - 0.3) / 0.4
    torch.testing.assert_close(x_T, want, atol=0.1, rtol=0)


def test_slerp_keeps_ends_norm_and_symmetry():
    a, b = (torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    torch.testing.assert_close(slerp(a, b, 0.0), a)
    torch.testing.assert_close(slerp(a, b, 1.0), b)
    torch.testing.assert_close(slerp(a, b, 0.3), slerp(b, a, 0.7))
    unit_a, unit_b = a / a.norm(), b / b.norm()
    for u in (0.1, 0.5, 0.8):
        assert float(slerp(unit_a, unit_b, u).norm()) == pytest.approx(1, abs=1e-5)
    half = slerp(unit_a, unit_b, 0.5)
    assert float((half * unit_a).sum()) == pytest.approx(float((half * unit_b).sum()), abs=1e-6)
    torch.testing.assert_close(slerp(a, a, 0.4), a)


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_class_gets_the_betas_of_the_model(name):
    row = SAMPLERS[name]
    table = torch.cumprod(1 - torch.linspace(0.001, 0.05, 300, dtype=torch.float64), 0)
    for spacing in row.spacings:
        scheduler = make_scheduler(row.scheduler, VariancePreserving(table), "epsilon", 10, spacing, row.options)
        torch.testing.assert_close(scheduler.alphas_cumprod.double(), table, atol=1e-6, rtol=1e-4)
        assert scheduler.config.prediction_type == "epsilon"
    if "trailing" in row.spacings:
        scheduler = make_scheduler(row.scheduler, VariancePreserving(table), "epsilon", 10, "trailing", row.options)
        assert float(scheduler.timesteps[0]) == 299 or name == "langevin"  # whose one level is a low one
    one = make_scheduler(row.scheduler, VariancePreserving(table), "epsilon", 1, row.spacings[-1], row.options)
    assert [float(t) for t in one.timesteps] == [299] or name == "langevin"


@pytest.mark.parametrize("name", SAMPLERS)
def test_zero_terminal_snr_stays_finite(name):
    """alpha-bar(T) = 0 (Lin et al. 2023): v-prediction is defined there, and every sampler starts from there."""
    roots = ALPHAS_CUMPROD.sqrt()
    table = ((roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])) ** 2
    denoiser = OnePicture("v_prediction", table)
    row = SAMPLERS[name]
    got = picture_of([lane(0, row, denoiser, 20, "trailing", 3)], denoiser)[0]
    # alpha-bar(T) is taken as 2^-24, so PNDM, which works with eps, divides its first rounding by 2^-12.
    tolerance = 0.02 if name == "pndm" else END_TOLERANCE.get(name, 1e-3)
    torch.testing.assert_close(got, denoiser.picture, atol=tolerance, rtol=0)


def test_each_call_makes_a_fresh_scheduler():
    first, second = (make_scheduler("UniPCMultistepScheduler", PROCESS, "epsilon", 5) for _ in range(2))
    assert first is not second and first.timesteps is not second.timesteps


def langevin_lane(index, name, denoiser, steps, seed=3):
    return lane(index, SAMPLERS[name], denoiser, steps, "trailing", seed, by="level")


@pytest.mark.parametrize("name", LANGEVIN)
def test_langevin_is_the_papers_step_in_sigma(name):
    """Song & Ermon 2019, algorithm 1 in float64: x + alpha / 2 score + sqrt(alpha) z, alpha = epsilon sigma^2 / sigma_L^2."""
    denoiser, steps = Gaussian(), 23
    *records, last = drive(denoiser, [langevin_lane(0, name, denoiser, steps)])
    scheduler = make_scheduler(SAMPLERS[name].scheduler, PROCESS, "epsilon", steps)
    generator, before = torch.Generator(), None
    for now, after in itertools.pairwise(records):
        a, sigma = now.level.alpha_bar, now.level.sigma
        if round(now.t) != before:
            generator.manual_seed(stream_seed(3, round(now.t)))
        before = round(now.t)
        x, alpha = now.x_t.double() / a**0.5, 2 * scheduler.part * sigma**2
        score = -now.eps.double() / sigma  # of x = x_0 + sigma eps
        x = x + alpha / 2 * score + alpha**0.5 * torch.randn(SHAPE, generator=generator).double()
        torch.testing.assert_close(after.x_t.double(), x * after.level.signal, atol=2e-4, rtol=1e-4)
    torch.testing.assert_close(last.x_0, records[-1].x_0)
    levels = [record.level.sigma for record in records]
    if name == "annealed":  # five at a level, which fall by one factor from the highest there is to the lowest
        firsts = levels[::5]
        assert len(set(levels)) == 5 and levels[5:10] == [levels[5]] * 5
        np.testing.assert_allclose(np.diff(np.log(firsts)), np.log(firsts[-1] / firsts[0]) / 4, rtol=1e-4)
        np.testing.assert_allclose(
            [firsts[0], firsts[-1]], [PROCESS.level(999.0).sigma, PROCESS.level(0.0).sigma], rtol=1e-4
        )


def test_steps_at_one_level_draw_new_noise():
    noise = StepNoise(4)
    first, second = (torch.randn(1000, generator=noise.at(t)) for t in (7.2, 7.4))
    assert torch.equal(first, torch.randn(1000, generator=StepNoise(4).at(7.0)))
    assert abs(float(torch.corrcoef(torch.stack([first, second]))[0, 1])) < 0.15  # five deviations


def test_annealed_langevin_of_a_gaussian_has_the_mean_and_deviation_of_its_recursion():
    """Every step is affine in x and z there, so what 40 runs of 100 calls end in is known; the data are N(0.3, 0.4^2)."""
    denoiser = Gaussian()
    got = picture_of([langevin_lane(k, "annealed", denoiser, 100, k) for k in range(40)], denoiser)
    scheduler = make_scheduler("AnnealedLangevin", PROCESS, "epsilon", 100)
    *sigmas, last = (PROCESS.level(float(t)).sigma for t in scheduler.timesteps)
    mean, variance = 0.0, 1 + sigmas[0] ** 2
    for sigma in sigmas:
        pull = scheduler.part * sigma**2 / (sigma**2 + 0.4**2)
        mean = mean + pull * (0.3 - mean)
        variance = (1 - pull) ** 2 * variance + 2 * scheduler.part * sigma**2
    gain = 0.4**2 / (0.4**2 + last**2)  # of E[x_0 | x]
    values = torch.stack(list(got.values()))
    assert float(values.mean()) == pytest.approx(0.3 + gain * (mean - 0.3), abs=0.03)
    assert float(values.std()) == pytest.approx(gain * variance**0.5, rel=0.03)
