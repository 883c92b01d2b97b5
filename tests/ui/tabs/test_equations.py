"""What the Samplers tab says of every sampler: its LaTeX, computed, is the step that the lab takes."""

import itertools
import re

import diffusers
import numpy as np
import pytest
import torch

from lab.catalog import SAMPLERS
from lab.engine.process import VariancePreserving
from lab.engine.samplers import Stepper, make_scheduler
from lab.equations import EQUATIONS, INVERSION
from lab.ui.tabs.samplers.equations import describe
from tests.latex import solve

ALPHAS = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
SHAPE = (1, 3, 4, 4)
STEPS, ETA = 7, 0.6
EULER = EQUATIONS["euler"].lines  # DDIM's step at eta 0


def model(x, t, learned):
    """A curve in x_t and t, so that no solver is exact for it; where asked with a variance of its own."""
    eps = torch.tanh(0.7 * x + 0.3) + 0.2 * torch.sin(5 * x) * t / 1000
    return torch.cat([eps, torch.cos(3 * x)], 1) if learned else eps


def call_values(t, x, eps, w, z):
    """What stands in an equation without an index, or with t; between two timesteps sigma is linear in t."""
    a = 1 / (1 + np.interp(t, np.arange(1000), ((1 - ALPHAS) / ALPHAS) ** 0.5) ** 2)
    return {
        "t": t, "x_t": x, r"\bar\alpha_t": a, r"\sigma_t": ((1 - a) / a) ** 0.5,
        r"\hat\epsilon": eps, r"\hatx_0": (x - (1 - a) ** 0.5 * eps) / a**0.5, "w": w, "z": z, r"\eta": ETA,
    }  # fmt: skip


def calls_of(name):
    """A run of the lab's sampler: the values of each call of the model, and the picture at its end."""
    row = SAMPLERS["ddim" if name == INVERSION else name]
    scheduler = "DDIMInversion" if name == INVERSION else row.scheduler
    process = VariancePreserving(torch.from_numpy(ALPHAS))
    stepper = Stepper(make_scheduler(scheduler, process, "epsilon", STEPS, options=row.options), ETA)
    state = stepper.initial(torch.randn(SHAPE, generator=torch.Generator().manual_seed(99)))
    calls = []
    for i, t in enumerate(stepper.timesteps):
        x = stepper.model_input(state, i).float()
        out = model(x, t, row.learned_variance)
        z = torch.randn(SHAPE, generator=torch.Generator().manual_seed(i))
        state = stepper.step(out, state, i, torch.Generator().manual_seed(i))
        w = (out[:, 3:] + 1) / 2 if row.learned_variance else torch.zeros(1)
        calls.append(call_values(t, *(part.double().numpy() for part in (x, out[:, :3], w, z))))
    return calls, state.double().numpy()


def step_values(before, now, after):
    """Of a step from the call `now` to `after`, with the predictions of up to three calls before."""
    values = {**now, r"\bar\alpha_s": after[r"\bar\alpha_t"], r"\sigma_s": after[r"\sigma_t"]}
    for index, call in zip("rqp", reversed(before), strict=False):
        values |= {rf"\hat\epsilon_{index}": call[r"\hat\epsilon"], rf"\hatx_{{0,{index}}}": call[r"\hatx_0"]}
        values |= {rf"\sigma_{index}": call[r"\sigma_t"]}
    return values


def end(picture, alpha_bar=1.0):
    return {"x_t": picture, r"\bar\alpha_t": alpha_bar, r"\sigma_t": ((1 - alpha_bar) / alpha_bar) ** 0.5}


def check(lines, values, want):
    with np.errstate(divide="ignore"):  # the last noise level is 0, and its logarithm is taken
        got = solve(lines, values)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-4 * np.abs(want).max())


def steps_of(name):
    """The values of each step of a run, and what it ends in."""
    calls, picture = calls_of(name)
    last = {INVERSION: calls[-1][r"\bar\alpha_t"], "deis": ALPHAS[0]}.get(name, 1.0)
    chain = [*calls, end(picture, last)]
    for k in range(len(calls)):
        yield k, step_values(calls[:k], calls[k], chain[k + 1]), chain[k + 1]["x_t"]


@pytest.mark.parametrize("name", ["ddpm", "ddim", "euler", "euler_a", "lcm", INVERSION])
def test_one_step(name):
    for _, values, want in steps_of(name):
        check(EQUATIONS[name].lines, values, want)


def test_learned_variance():
    """All steps but the last, which is said to end at the mean."""
    for k, values, want in steps_of("ddpm_learned"):
        if k < STEPS - 1:
            check(EQUATIONS["ddpm_learned"].lines, values, want)


@pytest.mark.parametrize("name", ["dpmpp_2m", "dpmpp_sde", "deis"])
def test_two_predictions(name):
    """The first step and the last take one prediction, as the words say."""
    for k, values, want in steps_of(name):
        if k in (0, STEPS - 1):
            values |= {"D": values[r"\hatx_0"], "P": lambda _, eps=values[r"\hat\epsilon"]: eps}
        check(EQUATIONS[name].lines, values, want)


def test_heun_calls_twice():
    calls, picture = calls_of("heun")
    assert len(calls) == 2 * STEPS - 1
    for k in range(0, len(calls) - 1, 2):
        values = step_values([], calls[k], calls[k + 1]) | {r"\hat\epsilon_s": calls[k + 1][r"\hat\epsilon"]}
        check(EULER, values, calls[k + 1]["x_t"])
        check(EQUATIONS["heun"].lines, values, calls[k + 2]["x_t"])
    check(EULER, step_values([], calls[-1], end(picture)), picture)


def flow_values(before, now, after, u_t, u_s):
    return step_values(before, now, after) | {"u_t": u_t, "u_s": u_s}


def test_flow_euler_goes_straight():
    """u falls from 1 to 0 in equal parts, as the words say."""
    calls, picture = calls_of("flow_euler")
    chain = [*calls, end(picture)]
    for k, (now, after) in enumerate(itertools.pairwise(chain)):
        values = flow_values([], now, after, 1 - k / STEPS, 1 - (k + 1) / STEPS)
        check(EQUATIONS["flow_euler"].lines, values, after["x_t"])


def test_flow_heun_calls_twice():
    calls, picture = calls_of("flow_heun")
    assert len(calls) == 2 * STEPS - 1
    first, mean = (EQUATIONS[name].lines for name in ("flow_euler", "flow_heun"))
    for k in range(STEPS):
        now, *rest = calls[2 * k : 2 * k + 3]
        values = flow_values([], now, now, 1 - k / STEPS, 1 - (k + 1) / STEPS)
        if rest:
            tried, after = rest
            check(first, values, tried["x_t"])
            velocity = {"u_t": values["u_s"], "x_t": tried["x_t"], r"\hatx_0": tried[r"\hatx_0"]}
            values["v_s"] = solve([mean[1], mean[2]], velocity)
            check(mean, values, after["x_t"])
    check(first, values, picture)


def technique_4(gamma, steps):
    """Song & Ermon 2020: of a thousand step sizes, in units of sigma^2, the one that leaves a variance nearest to 1."""

    def variance(a):
        value = gamma**2
        for _ in range(steps):
            value = (1 - a) ** 2 * value + 2 * a  # of x + a (x_0 - x) + sqrt(2 a) z
        return value

    return min((k / 1000 for k in range(1, 1001)), key=lambda a: abs(variance(a) - 1))


@pytest.mark.parametrize("name", ["langevin", "annealed"])
def test_langevin(name):
    calls, picture = calls_of(name)
    sigmas = [call[r"\sigma_t"] for call in calls]
    if name == "langevin":
        part = 0.1
        np.testing.assert_allclose(sigmas, 0.1, rtol=1e-5)
    else:
        part = technique_4(sigmas[0] / sigmas[5], 5)
        ends = [((1 - a) / a) ** 0.5 for a in ALPHAS[[-1, 0]]]
        np.testing.assert_allclose(sigmas, [ends[0]] * 5 + [ends[1]] * 2, rtol=1e-5)
    for k, (now, after) in enumerate(itertools.pairwise(calls)):
        check(EQUATIONS[name].lines, step_values(calls[:k], now, after) | {r"\lambda": part}, after["x_t"])
    np.testing.assert_allclose(picture, calls[-1][r"\hatx_0"], atol=1e-4)


def test_pndm_has_four_predictions():
    """From the fourth step on, as the words say; the call that makes the first step again is left out."""
    calls, picture = calls_of("pndm")
    first, again, *others = calls
    assert first["t"] > again["t"] == others[0]["t"]
    check(EULER, step_values([], first, again), again["x_t"])
    chain = [first, *others, end(picture)]
    for k in range(3, len(chain) - 1):
        check(EQUATIONS["pndm"].lines, step_values(chain[:k], chain[k], chain[k + 1]), chain[k + 1]["x_t"])


def test_unipc_predicts_and_corrects():
    """The state after a call is DPM++ 2M's step from the corrected picture, which only the sampler knows."""
    calls, picture = calls_of("unipc")
    chain, corrected = [*calls, end(picture)], calls[0]["x_t"]
    for k, call in enumerate(calls):
        values = step_values(calls[:k], call | {"x_t": corrected}, chain[k + 1])
        if k in (0, STEPS - 1):
            values["D"] = values[r"\hatx_0"]
        check(EQUATIONS["dpmpp_2m"].lines, values, chain[k + 1]["x_t"])
        if k < STEPS - 1:
            nodes = calls[max(0, k - 1) : k + 2]
            P = parabola(nodes) if k else lambda _, pair=nodes: (pair[0][r"\hatx_0"] + pair[1][r"\hatx_0"]) / 2
            corrected = solve(EQUATIONS["unipc"].lines, values | {"P": P})


def parabola(calls):
    """Lagrange's through the predictions of three calls, over -log sigma."""
    places = [-np.log(call[r"\sigma_t"]) for call in calls]

    def P(x):
        weights = [np.prod([(x - b) / (a - b) for b in places if b != a]) for a in places]
        return sum(weight * call[r"\hatx_0"] for weight, call in zip(weights, calls, strict=True))

    return P


def test_lcm_is_the_prediction_but_at_the_lowest_timesteps():
    """Its weights of x_t and of predicted x_0, which differ from 0 and 1 only where runs seldom come."""
    lines, scheduler = EQUATIONS["lcm"].lines[1:], diffusers.LCMScheduler()
    for t in (1.0, 2.0, 19.0):
        got = [solve(lines, {"t": t, "x_t": a, r"\hatx_0": 1.0 - a}) for a in (1.0, 0.0)]
        np.testing.assert_allclose(got, scheduler.get_scalings_for_boundary_condition_discrete(t), rtol=1e-12)
        assert (abs(np.array(got) - (0, 1)) < 1e-3).all() == (t >= 2)


def test_every_sampler_has_two_sentences_and_an_equation():
    assert set(EQUATIONS) == {*SAMPLERS, INVERSION}
    for name, equation in EQUATIONS.items():
        assert len(re.findall(r"[.](?= |$)", equation.words)) == 2, name


def test_the_order_is_that_of_the_lanes_and_each_stands_once():
    titles = re.findall(r"^\*\*(.+?)\*\*", describe(["heun", "ddim", "heun", INVERSION]), re.MULTILINE)
    assert titles == ["Heun", "DDIM", "DDIM, upwards"]
