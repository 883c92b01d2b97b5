"""Every guidance rule against its paper's equations, written out here in float64; what lanes make of them."""

import itertools
import math

import pytest
import torch
from diffusers import DDPMScheduler

from lab.catalog import GUIDANCE as ALL_RULES
from lab.catalog import SAMPLERS
from lab.engine.guidance import (
    AdaptiveProjected,
    ClassifierFree,
    DynamicThresholding,
    Interval,
    Rescaled,
    make_rule,
)
from lab.engine.lanes import Changing, Lane, LaneLoop, Run, StepNoise, drive
from lab.engine.process import Level, VariancePreserving, betas_of
from lab.engine.samplers import make_scheduler

T = 1000
ALPHAS_CUMPROD = torch.cumprod(1 - torch.linspace(1e-4, 0.02, T, dtype=torch.float64), 0)
PROCESS = VariancePreserving(ALPHAS_CUMPROD)
SHAPE = (3, 8, 8)
TYPES = ("epsilon", "v_prediction", "sample")
LEVELS = (0.9999, 0.9, 0.4, 0.01)  # alpha-bar, from the picture to nearly pure noise
EXACT = {"atol": 1e-9, "rtol": 1e-9}

GUIDANCE = {name: row for name, row in ALL_RULES.items() if not row.guide}  # what combines two predictions


def rule_of(name, scale):
    """The rule of a row of the catalog."""
    return make_rule(GUIDANCE[name].rule, scale)


def gaussian(seed, deviation=1.0):
    return deviation * torch.randn((1, *SHAPE), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Halves:
    """Two opinions about the x_0 of one x_t, told as a network of each prediction type would tell them."""

    def __init__(self, alpha_bar, deviation=0.5, seed=0):
        self.alpha_bar, self.level = alpha_bar, Level.from_alpha_bar(alpha_bar)
        self.x_t = gaussian(seed)
        self.conditional = gaussian(seed + 1, deviation)  # x_0
        self.unconditional = gaussian(seed + 2, deviation)

    def as_prediction(self, x_0, prediction_type):
        """x_0 as eps or v, from x_t = sqrt(a) x_0 + sqrt(1 - a) eps and v = sqrt(a) eps - sqrt(1 - a) x_0."""
        a = self.alpha_bar
        eps = (self.x_t - a**0.5 * x_0) / (1 - a) ** 0.5
        return {"epsilon": eps, "v_prediction": a**0.5 * eps - (1 - a) ** 0.5 * x_0, "sample": x_0}[prediction_type]

    def as_x_0(self, prediction, prediction_type):
        """The x_0 that a prediction stands for."""
        a = self.alpha_bar
        return {
            "epsilon": (self.x_t - (1 - a) ** 0.5 * prediction) / a**0.5,
            "v_prediction": a**0.5 * self.x_t - (1 - a) ** 0.5 * prediction,
            "sample": prediction,
        }[prediction_type]

    def combined(self, rule, prediction_type="epsilon"):
        """What the rule makes of both, as it is predicted."""
        halves = (self.as_prediction(x_0, prediction_type) for x_0 in (self.conditional, self.unconditional))
        return rule.combine(*halves, self.x_t, self.level, prediction_type)

    def guided(self, rule, prediction_type="epsilon"):
        """What the rule makes of both, as an x_0."""
        return self.as_x_0(self.combined(rule, prediction_type), prediction_type)


def test_classifier_free_is_equation_6():
    """Ho & Salimans 2022: (1 + w) eps_c - w eps_u, whose w is our scale - 1."""
    halves = Halves(0.4)
    eps_c, eps_u = (
        halves.as_prediction(halves.conditional, "epsilon"),
        halves.as_prediction(halves.unconditional, "epsilon"),
    )
    for scale in (0.0, 0.5, 1.0, 3.0, 7.5):
        w = scale - 1
        got = halves.combined(ClassifierFree(scale))
        torch.testing.assert_close(got, (1 + w) * eps_c - w * eps_u, **EXACT)


@pytest.mark.parametrize("name", [name for name in GUIDANCE if name != "rescaled"])
@pytest.mark.parametrize("alpha_bar", LEVELS)
def test_a_rule_means_the_same_for_every_prediction_type(name, alpha_bar):
    """Rescaled does not, by its definition: it matches the deviation of whatever the network predicts."""
    halves = Halves(alpha_bar)
    want = halves.guided(rule_of(name, 4.0), "sample")
    assert (want - halves.conditional).abs().max() > 0.1
    for prediction_type in TYPES:
        # Told as eps, an x_0 loses the digits that 1 / sqrt(a) takes.
        torch.testing.assert_close(halves.guided(rule_of(name, 4.0), prediction_type), want, **EXACT)


def test_the_prediction_keeps_its_digits_where_there_is_little_noise():
    """In float32, as lanes are: at alpha-bar 0.9999 nothing may be computed from a rounded 1 - alpha-bar."""
    halves = Halves(0.9999)
    for name, kind in itertools.product(("apg", "threshold"), TYPES):
        eps_c, eps_u = (halves.as_prediction(x_0, kind) for x_0 in (halves.conditional, halves.unconditional))
        want = rule_of(name, 4.0).combine(eps_c, eps_u, halves.x_t, halves.level, kind)
        got = rule_of(name, 4.0).combine(eps_c.float(), eps_u.float(), halves.x_t.float(), halves.level, kind)
        assert got.dtype == torch.float32
        torch.testing.assert_close(got.double(), want, atol=5e-5, rtol=5e-6)


def test_rescaled_is_equations_14_to_16():
    """Lin et al. 2023, phi = 0.7: the guided prediction with the deviation of the conditional one, mixed with itself."""
    halves = Halves(0.4)
    for prediction_type, scale in itertools.product(TYPES, (2.0, 7.5)):
        pos, neg = (halves.as_prediction(x_0, prediction_type) for x_0 in (halves.conditional, halves.unconditional))
        cfg = neg + scale * (pos - neg)  # equation 14
        sigma_pos, sigma_cfg = (float((x - x.mean()).square().sum() / (x.numel() - 1)) ** 0.5 for x in (pos, cfg))
        rescaled = cfg * sigma_pos / sigma_cfg  # equation 15
        got = halves.combined(Rescaled(scale), prediction_type)
        torch.testing.assert_close(got, 0.7 * rescaled + 0.3 * cfg, **EXACT)  # equation 16
        assert sigma_cfg > 1.05 * sigma_pos


def test_rescaled_with_phi_1_has_the_conditional_deviation_and_with_0_is_cfg(monkeypatch):
    halves = Halves(0.4)
    monkeypatch.setattr(Rescaled, "PHI", 1.0)
    got = halves.combined(Rescaled(7.5))
    assert float(got.std()) == pytest.approx(
        float(halves.as_prediction(halves.conditional, "epsilon").std()), rel=1e-12
    )
    monkeypatch.setattr(Rescaled, "PHI", 0.0)
    torch.testing.assert_close(halves.combined(Rescaled(7.5)), halves.combined(ClassifierFree(7.5)), **EXACT)


def alpha_bar_at(sigma):
    return 1 / (1 + sigma**2)


def at_sigma(sigma):
    return Level.from_sigma(sigma)


def test_interval_guides_from_above_its_low_end_to_its_high_end():
    """Kynkäänniemi et al. 2024, equation 5: the scale within (sigma_lo, sigma_hi], the conditional model elsewhere."""
    rule = Interval(3.0)
    assert (rule.LOW, rule.HIGH) == (0.28, 2.9)
    for sigma, inside in [(1e-3, False), (0.279, False), (0.281, True), (1.0, True), (2.899, True), (2.901, False)]:
        assert rule.needs(at_sigma(sigma)) == (True, inside), sigma
    assert rule.needs(Level(0.0, 1.0)) == (True, False)  # zero terminal SNR: sigma is infinite
    assert Interval(1.0).needs(at_sigma(1.0)) == (True, False)
    assert Interval(0.0).needs(at_sigma(1.0)) == (False, True)
    assert Interval(0.0).needs(at_sigma(5.0)) == (True, False)


def test_inside_its_interval_it_is_classifier_free_guidance():
    halves = Halves(alpha_bar_at(1.0))
    assert torch.equal(halves.combined(Interval(4.0)), halves.combined(ClassifierFree(4.0)))


@pytest.mark.parametrize("alpha_bar", LEVELS)
def test_dynamic_thresholding_divides_by_the_percentile(alpha_bar):
    """Saharia et al. 2022, section 2.3: s = the 99.5th percentile of |x_0|; clip to [-s, s], divide by s."""
    halves = Halves(alpha_bar)
    guided = halves.unconditional + 5.0 * (halves.conditional - halves.unconditional)
    magnitudes = sorted(guided.abs().flatten().tolist())
    place = 0.995 * (len(magnitudes) - 1)
    below, above = magnitudes[math.floor(place)], magnitudes[math.ceil(place)]
    s = below + (place - math.floor(place)) * (above - below)
    assert s > 1 and magnitudes[-1] > s  # both the clip and the division matter
    want = guided.clamp(-s, s) / s
    for prediction_type in TYPES:
        got = halves.guided(DynamicThresholding(5.0), prediction_type)
        torch.testing.assert_close(got, want, **EXACT)
        assert float(got.abs().max()) == pytest.approx(1, abs=1e-9)


def test_dynamic_thresholding_also_keeps_a_lone_half_in_range():
    """At scale 1 and 0 there is one half only, and it may leave the range too."""
    halves = Halves(0.4, deviation=2.0)
    rule = DynamicThresholding(1.0)
    assert rule.needs(halves.level) == (True, False)
    for prediction_type in TYPES:
        alone = rule.alone(
            halves.as_prediction(halves.conditional, prediction_type), halves.x_t, halves.level, prediction_type
        )
        assert float(halves.as_x_0(alone, prediction_type).abs().max()) == pytest.approx(1, abs=1e-9)


def test_dynamic_thresholding_leaves_what_is_in_range():
    halves = Halves(0.4, deviation=0.01)
    for prediction_type in TYPES:
        got = halves.combined(DynamicThresholding(3.0), prediction_type)
        assert torch.equal(got, halves.combined(ClassifierFree(3.0), prediction_type))
        alone = halves.as_prediction(halves.conditional, prediction_type)
        assert DynamicThresholding(1.0).alone(alone, halves.x_t, halves.level, prediction_type) is alone


def algorithm_1(halves, scale, average, radius, momentum=-0.5, eta=0.0):
    """Sadat et al. 2024, algorithm 1, on x_0; `radius` is of the L2 norm. Returns the guided x_0 and the average."""
    average = (halves.conditional - halves.unconditional) + momentum * average
    update = average * min(1.0, radius / float(average.norm()))
    unit = halves.conditional / halves.conditional.norm()
    parallel = (update * unit).sum() * unit
    return halves.conditional + (scale - 1) * (update - parallel + eta * parallel), average


@pytest.mark.parametrize("prediction_type", TYPES)
def test_apg_is_algorithm_1_over_three_steps(prediction_type):
    """The momentum remembers: each step's average holds those before, and is not the clipped one."""
    rule, average, remembered = AdaptiveProjected(6.0), 0.0, []
    assert (rule.MOMENTUM, rule.PARALLEL) == (-0.5, 1.0)
    radius = rule.RADIUS * math.sqrt(math.prod(SHAPE))
    for seed, alpha_bar in enumerate((0.01, 0.4, 0.9)):
        halves = Halves(alpha_bar, seed=10 * seed)
        forgetful, _ = algorithm_1(halves, 6.0, 0.0, radius)
        want, average = algorithm_1(halves, 6.0, average, radius)
        torch.testing.assert_close(halves.guided(rule, prediction_type), want, **EXACT)
        remembered.append(float((want - forgetful).abs().max()) > 0.05)
    assert remembered == [False, True, True]


def test_apg_leaves_small_differences_their_length_and_cuts_large_ones():
    halves = Halves(0.4)
    spread = halves.conditional - halves.unconditional
    halves.unconditional = halves.conditional - 0.01 * spread  # an RMS of 0.007, within the radius
    unit = halves.conditional / halves.conditional.norm()
    orthogonal = spread - (spread * unit).sum() * unit
    got = halves.guided(AdaptiveProjected(2.0)) - halves.conditional
    torch.testing.assert_close(got, 0.01 * orthogonal, **EXACT)
    rms = float(spread.square().mean().sqrt())
    assert rms > 0.12
    halves.unconditional = halves.conditional - spread
    got = halves.guided(AdaptiveProjected(2.0)) - halves.conditional
    torch.testing.assert_close(got, 0.12 / rms * orthogonal, **EXACT)


@pytest.mark.parametrize("prediction_type", TYPES)
def test_apg_has_no_part_along_the_conditional_prediction(prediction_type):
    """Even where the whole difference lies along it: then nothing is left, and the conditional prediction stays."""
    halves = Halves(0.4)
    update = halves.guided(AdaptiveProjected(9.0), prediction_type) - halves.conditional
    assert float(update.norm()) > 1
    assert float((update * halves.conditional).sum()) == pytest.approx(0, abs=1e-9)
    halves.unconditional = 0.5 * halves.conditional
    got = halves.guided(AdaptiveProjected(9.0), prediction_type)
    torch.testing.assert_close(got, halves.conditional, **EXACT)


@pytest.mark.parametrize("prediction_type", TYPES)
@pytest.mark.parametrize("alpha_bar", LEVELS)
def test_apg_at_scale_1_is_the_conditional_prediction(alpha_bar, prediction_type):
    rule, halves = AdaptiveProjected(1.0), Halves(alpha_bar)
    assert rule.needs(halves.level) == (True, False)
    torch.testing.assert_close(halves.guided(rule, prediction_type), halves.conditional, **EXACT)


def test_a_rule_is_made_afresh_for_every_lane():
    """One lane's momentum must not reach another's."""
    halves = Halves(0.4)
    first = halves.guided(rule_of("apg", 5.0))
    used = rule_of("apg", 5.0)
    Halves(0.4, seed=20).guided(used)
    assert (halves.guided(used) - first).abs().max() > 0.01
    assert torch.equal(halves.guided(rule_of("apg", 5.0)), first)
    assert type(used) is AdaptiveProjected and used.scale == 5.0


# Lanes


class Gaussian:
    """The exact denoiser of data N(m * pattern, 0.4^2 I); a row's conditioning is m. Notes that of each call."""

    pattern = gaussian(9).float()
    process = PROCESS
    shape = SHAPE

    def __init__(self, prediction_type="epsilon"):
        self.prediction_type, self.calls = prediction_type, []

    def __call__(self, x_t, t, conditioning):
        self.calls.append(list(conditioning))
        a = ALPHAS_CUMPROD[t.long()].to(x_t)[:, None, None, None]
        mean = torch.tensor(conditioning, dtype=x_t.dtype)[:, None, None, None] * self.pattern
        x_0 = mean + a.sqrt() * 0.16 / (a * 0.16 + 1 - a) * (x_t - a.sqrt() * mean)
        eps = (x_t - a.sqrt() * x_0) / (1 - a).sqrt()
        return {"epsilon": eps, "v_prediction": a.sqrt() * eps - (1 - a).sqrt() * x_0, "sample": x_0}[
            self.prediction_type
        ]


FEW, ALL = 0.6, -0.2  # what the conditional and the unconditional rows are conditioned on


def lane(denoiser, rule, conditional=FEW, unconditional=ALL, steps=20, index=0, seed=3):
    scheduler = make_scheduler("DDIM", PROCESS, denoiser.prediction_type, steps, options={"clip_sample": False})
    noise = StepNoise(seed)
    return Lane(index, scheduler, noise.initial(SHAPE), noise, conditional, unconditional, rule)


def end_of(denoiser, *lanes):
    ends = {record.lane: record.x_0 for record in drive(denoiser, lanes) if record.i == record.n}
    return [ends[one.index] for one in lanes]


def interval_by_hand(denoiser, scale, steps, seed):
    """DDIM (eta 0) in float64 with guidance within the interval; returns the picture and the guided steps."""
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))[None].double()
    timesteps = [round(T - k * T / steps) - 1 for k in range(steps)]
    guided = 0
    for t, after in itertools.zip_longest(timesteps, timesteps[1:]):
        a, b = float(ALPHAS_CUMPROD[t]), 1.0 if after is None else float(ALPHAS_CUMPROD[after])
        eps = denoiser(x.float(), torch.tensor([t]), [FEW]).double()
        if 0.28 < ((1 - a) / a) ** 0.5 <= 2.9:
            guided += 1
            without = denoiser(x.float(), torch.tensor([t]), [ALL]).double()
            eps = without + scale * (eps - without)
        x = b**0.5 * (x - (1 - a) ** 0.5 * eps) / a**0.5 + (1 - b) ** 0.5 * eps
    return x[0], guided


def test_an_interval_lane_is_a_hand_written_loop_and_saves_the_other_calls():
    want, guided = interval_by_hand(Gaussian(), 3.0, steps=20, seed=3)
    assert 5 < guided < 15
    denoiser = Gaussian()
    (got,) = end_of(denoiser, lane(denoiser, Interval(3.0)))
    torch.testing.assert_close(got.double(), want, atol=2e-5, rtol=0)
    assert denoiser.calls.count([FEW, ALL]) == guided and denoiser.calls.count([FEW]) == 20 - guided
    plain = lane(denoiser, ClassifierFree(1.0), index=0)
    always = lane(denoiser, ClassifierFree(3.0), index=1)
    assert min((got - other).abs().max() for other in end_of(denoiser, plain, always)) > 0.01


def test_every_rule_gives_another_picture():
    denoiser = Gaussian()
    ends = end_of(denoiser, *[lane(denoiser, rule_of(name, 3.0), index=k) for k, name in enumerate(GUIDANCE)])
    for one, other in itertools.combinations(ends, 2):
        assert (one - other).abs().max() > 0.01


@pytest.mark.parametrize("name", GUIDANCE)
@pytest.mark.parametrize("prediction_type", TYPES)
def test_rules_in_company_give_what_they_give_alone(name, prediction_type):
    denoiser = Gaussian(prediction_type)
    (alone,) = end_of(denoiser, lane(denoiser, rule_of(name, 2.5)))
    others = [lane(denoiser, rule_of(other, 2.5), index=k) for k, other in enumerate(GUIDANCE)]
    among = end_of(denoiser, *others)[list(GUIDANCE).index(name)]
    torch.testing.assert_close(among, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("name", GUIDANCE)
def test_always_both_gives_the_halves_and_changes_nothing(name, scale):
    denoiser = Gaussian()
    (want,) = end_of(denoiser, lane(denoiser, rule_of(name, scale), steps=8))
    one = lane(denoiser, rule_of(name, scale), steps=8)
    one.always_both = True
    denoiser.calls.clear()
    *records, last = drive(denoiser, [one])
    assert denoiser.calls == [[FEW, ALL]] * 8 and last.halves is None
    torch.testing.assert_close(last.x_0, want, atol=1e-5, rtol=0)
    for record in records:
        for half, mean in zip(record.halves, (FEW, ALL), strict=True):
            want_half = denoiser(record.x_t[None], torch.tensor([record.t]), [mean])[0]
            torch.testing.assert_close(half, want_half, atol=1e-6, rtol=0)


def test_a_call_of_one_half_has_no_halves():
    denoiser = Gaussian()
    records = list(drive(denoiser, [lane(denoiser, Interval(3.0))]))
    both = [record.halves is not None for record in records[:-1]]
    assert both == [len(call) == 2 for call in denoiser.calls] and {True, False} == set(both)


class Alternating(Changing):
    """Its choices in turn; notes when it was asked."""

    def __init__(self, *choices):
        self.choices, self.asked = choices, []

    def at(self, i, n):
        self.asked.append((i, n))
        return self.choices[i % len(self.choices)]


def test_changing_conditioning_is_asked_once_a_call():
    denoiser = Gaussian()
    changing, twin = Alternating(0.1, 0.2), Alternating(-0.1, -0.2, -0.3)
    list(drive(denoiser, [lane(denoiser, ClassifierFree(2.0), changing, twin, steps=6)]))
    assert changing.asked == twin.asked == [(i, 6) for i in range(6)]
    assert denoiser.calls == [[(0.1, 0.2)[i % 2], (-0.1, -0.2, -0.3)[i % 3]] for i in range(6)]


def test_a_waiting_lane_does_not_ask_for_its_conditioning():
    """A lane may count its rows without being served; what it is conditioned on may note each asking."""
    denoiser = Gaussian()
    changing = [Alternating(0.1) for _ in range(3)]
    loop = LaneLoop(denoiser, max_rows=2)
    loop.add(Run([lane(denoiser, None, one, None, steps=4, index=k) for k, one in enumerate(changing)]))
    for _ in range(6):
        loop.tick()
    assert [one.asked for one in changing] == [[(i, 4) for i in range(4)]] * 3


@pytest.mark.parametrize(("scale", "needed"), [(0.0, [False, True]), (1.0, [True, False]), (2.0, [True, True])])
def test_a_half_that_is_not_needed_is_not_asked(scale, needed):
    denoiser = Gaussian()
    halves = [Alternating(0.1), Alternating(-0.1)]
    list(drive(denoiser, [lane(denoiser, ClassifierFree(scale), *halves, steps=3)]))
    assert [bool(half.asked) for half in halves] == needed


# Learned variance (Nichol & Dhariwal 2021, equation 15): the network gives v beside eps, in as many channels again.


class Learned(Gaussian):
    """With a variance that differs from pixel to pixel, from level to level and from row to row."""

    def __call__(self, x_t, t, conditioning):
        prediction = super().__call__(x_t, t, conditioning)
        mean = torch.tensor(conditioning, dtype=x_t.dtype)[:, None, None, None]
        return torch.cat([prediction, torch.tanh(x_t + mean + 0.001 * t.to(x_t)[:, None, None, None])], dim=1)


LEARNED = {"variance_type": "learned_range", "clip_sample": False}


def learned_lane(denoiser, steps, scale, index=0, options=LEARNED, both=False):
    scheduler = make_scheduler("DDPMScheduler", PROCESS, denoiser.prediction_type, steps, options=options)
    noise = StepNoise(5, "sequence")
    one = Lane(index, scheduler, noise.initial(SHAPE), noise, FEW, ALL, ClassifierFree(scale))
    one.always_both = both
    return one


def diffusers_loop(denoiser, steps, scale):
    """diffusers' DDPMScheduler as its guided pipelines with learned variance use it: eps guided, v the conditional's."""
    scheduler = DDPMScheduler(
        trained_betas=betas_of(ALPHAS_CUMPROD).tolist(), prediction_type=denoiser.prediction_type,
        timestep_spacing="trailing", **LEARNED,
    )  # fmt: skip
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(5)
    x = torch.randn((1, *SHAPE), generator=generator)
    for t in scheduler.timesteps:
        conditional, unconditional = (denoiser(x, t[None], [mean]) for mean in (FEW, ALL))
        guided = unconditional[:, :3] + scale * (conditional[:, :3] - unconditional[:, :3])
        v = (conditional if scale else unconditional)[:, 3:]
        x = scheduler.step(torch.cat([guided, v], dim=1), t, x, generator=generator).prev_sample
    return x[0]


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("prediction_type", TYPES)
def test_learned_variance_is_diffusers_own_loop(prediction_type, scale):
    denoiser = Learned(prediction_type)
    wants = {steps: diffusers_loop(denoiser, steps, scale) for steps in (1, 4, 25)}
    lanes = [learned_lane(denoiser, steps, scale, steps) for steps in wants]
    watched = learned_lane(denoiser, 25, scale, 26, both=True)
    fixed = learned_lane(denoiser, 25, scale, 27, {"variance_type": "fixed_small", "clip_sample": False})
    *gots, both, other = end_of(denoiser, *lanes, watched, fixed)
    for got, want in zip(gots, wants.values(), strict=True):
        torch.testing.assert_close(got, want, atol=1e-5, rtol=0)
    torch.testing.assert_close(both, gots[-1], atol=1e-5, rtol=0)
    assert (other - gots[-1]).abs().max() > 0.01  # the variance matters


@pytest.mark.parametrize("name", [name for name, row in SAMPLERS.items() if not row.learned_variance])
def test_other_samplers_do_not_see_the_learned_variance(name):
    row = SAMPLERS[name]
    pictures = []
    for denoiser in (Gaussian(), Learned()):
        scheduler = make_scheduler(row.scheduler, PROCESS, "epsilon", 6, options=row.options)
        noise = StepNoise(2)
        # Langevin's levels lie outside the interval.
        rule = ClassifierFree(3.0) if name in ("langevin", "annealed") else Interval(3.0)
        records = list(drive(denoiser, [Lane(0, scheduler, noise.initial(SHAPE), noise, FEW, ALL, rule)]))
        assert {half.shape for record in records for half in record.halves or ()} == {torch.Size(SHAPE)}
        pictures.append(records[-1].x_0)
    assert torch.equal(*pictures)
