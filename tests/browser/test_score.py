"""The Score tab in a real browser: its arithmetic against the engine's, and what a person does with it."""

import math

import numpy as np
import pytest
import torch
from playwright.sync_api import expect
from torch import nn

from lab.engine import plane_lanes
from lab.engine.mixture import Mixture
from lab.engine.process import Level
from lab.toy_data import TOYS
from lab.ui.tabs.score.content import FOLDER
from tests.browser.conftest import wait_for_address

expect.set_options(timeout=30_000)  # two cores, perhaps busy

LEVELS = (plane_lanes.preserving(0.9), plane_lanes.preserving(0.1), Level.from_sigma(2.5), Level.from_flow_time(0.4))
PLACES = [[0.3, -0.2], [-1.1, 0.9], [2.3, 2.2], [-40.0, 55.0]]
IMPORT = f"const [mixtures, lanes, measures, reflow, networks, randoms] = await Promise.all(['mixture', 'lanes', 'measures', 'reflow', 'network', 'random'].map((name) => import(new URL('{FOLDER}/' + name + '.js', document.baseURI))));"
FIELDS_JS = f"""async ({{ toys, levels, places }}) => {{ {IMPORT}
  const list = (values) => Array.from(values);
  return Object.fromEntries(Object.entries(toys).map(([name, toy]) => {{
    const mixture = new mixtures.Mixture(toy), flat = Float64Array.from(places.flat());
    return [name, levels.map((level) => ({{
      log: places.map(([x, y]) => mixture.weigh(x, y, level)),
      score: list(mixture.score(flat, level, new Float64Array(flat.length))),
      denoise: list(mixture.denoise(flat, level, new Float64Array(flat.length))),
      covariance: places.map(([x, y]) => mixture.covariance(x, y, level)),
      density: list(mixture.density(level, 8, 2)),
    }}))];
  }}));
}}"""
LANES_JS = f"""async ({{ toy, start, noise, steps, sigmas, size, pairs }}) => {{ {IMPORT}
  const mixture = new mixtures.Mixture(toy), ends = {{}};
  const way = () => {{
    let drawn = 0;
    const next = (out) => {{ out.set(noise[drawn]); drawn += 1; return out; }};
    return {{ denoise: (x, level, out) => mixture.denoise(x, level, out), noise: next, x: Float64Array.from(start), steps }};
  }};
  const walk = (name, more = {{}}) => {{
    const own = {{ ...way(), ...more }}, frames = [own.x.slice()];
    for (const _ of lanes[name](own)) frames.push(own.x.slice());
    ends[name] = frames.map((frame) => Array.from(frame));
    return frames;
  }};
  for (const name of ['ddpm', 'ddim', 'reverseSde', 'flow']) walk(name);
  walk('langevin', {{ sigma: sigmas[0], size }});
  walk('annealed', {{ sigmas, size }});
  const [z, x] = pairs.map((values) => Float64Array.from(values));
  const along = walk('along', {{ velocity: reflow.pairVelocity(z, x, 0.1) }});
  return {{ ends, straightness: measures.straightness(along), distance: measures.energyDistance(along[0], along.at(-1)) }};
}}"""
NETWORK_JS = f"""async ({{ objective, x, lambdas, targets }}) => {{ {IMPORT}
  const network = networks.Network.fresh(objective, new randoms.Random(3));
  const {{ loss, grads }} = networks.gradients(network, Float32Array.from(x), Float32Array.from(lambdas), Float32Array.from(targets));
  return {{ loss, grads: grads.map((grad) => Array.from(grad)), weights: network.weights.map((layer) => Array.from(layer)) }};
}}"""
NORMALS_JS = f"""async (seeds) => {{ {IMPORT}
  return seeds.map((seed) => Array.from(new randoms.Random(seed).normals(new Float64Array(20000))));
}}"""


@pytest.fixture(scope="module")
def plane(browser, address):
    """The tab after its first film, for tests that look and press."""
    page = browser.new_page(viewport={"width": 1366, "height": 768}, reduced_motion="reduce")
    page.set_default_timeout(60_000)
    errors = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{address}?tab=score")
    expect(page.locator(".score-planes figcaption").first).to_contain_text("log-SNR 6.00")
    yield page
    page.close()
    assert not errors


def mixture_of(toy):
    return Mixture(
        torch.tensor(toy.points, dtype=torch.float64), torch.tensor(toy.weights, dtype=torch.float64), toy.std
    )


def as_json(toy):
    return {"points": toy.points, "weights": toy.weights, "std": toy.std, "classes": toy.classes}


def press(plane, title):
    plane.get_by_role("button", name=title, exact=True).first.click()
    expect(plane.locator("#score-presets button", has_text=title)).to_have_attribute("aria-pressed", "true")


# The page's arithmetic


def test_the_page_has_the_density_and_the_score_of_the_engine(plane):
    levels = [{"signal": level.signal, "noise": level.noise} for level in LEVELS]
    toys = {name: as_json(toy) for name, toy in TOYS.items()}
    found = plane.evaluate(FIELDS_JS, {"toys": toys, "levels": levels, "places": PLACES})
    places = torch.tensor(PLACES, dtype=torch.float64)
    middles = (torch.arange(8, dtype=torch.float64) + 0.5) / 2 - 2
    lattice = torch.stack([middles.repeat(8), -middles.repeat_interleave(8)], 1)
    for name, toy in TOYS.items():
        mixture = mixture_of(toy)
        for level, page in zip(LEVELS, found[name], strict=True):
            noisy = mixture.at(level)
            want = {
                "log": noisy.log_pdf(places),
                "score": noisy.score(places).flatten(),
                "denoise": mixture.denoise(places, level).flatten(),
                "covariance": mixture.covariance(places, level)[:, [0, 0, 1], [0, 1, 1]],
                "density": noisy.pdf(lattice),
            }
            for what, values in want.items():
                own = torch.tensor(page[what], dtype=torch.float64)
                torch.testing.assert_close(
                    own, values, rtol=1e-6, atol=1e-7, msg=lambda text, at=(name, what): f"{at}: {text}"
                )


def test_the_lanes_of_the_page_are_those_of_the_engine(plane):
    toy, steps, generator = TOYS["eight"], 12, torch.Generator().manual_seed(5)
    mixture, sigmas, size = mixture_of(toy), plane_lanes.geometric(4.0, 0.2, 4), 0.004
    start = torch.randn(20, 2, generator=generator, dtype=torch.float64)
    noise = [torch.randn(20, 2, generator=generator, dtype=torch.float64) for _ in range(steps)]
    pairs = [torch.randn(15, 2, generator=generator, dtype=torch.float64) for _ in range(2)]
    flat = [list(map(float, one.flatten())) for one in (start, *noise, *pairs)]
    found = plane.evaluate(
        LANES_JS,
        {"toy": as_json(toy), "start": flat[0], "noise": flat[1 : steps + 1], "steps": steps, "sigmas": sigmas, "size": size, "pairs": flat[-2:]},
    )  # fmt: skip

    def again():
        rest = iter(noise)
        return lambda x: next(rest)

    score = mixture.score_at
    bent = plane_lanes.Pairs(pairs[0], pairs[1], 0.1)
    want = {
        "ddpm": plane_lanes.ddpm(score, start, steps, again()),
        "ddim": plane_lanes.ddim(score, start, steps),
        "reverseSde": plane_lanes.reverse_sde(score, start, steps, again()),
        "flow": plane_lanes.flow(plane_lanes.velocity_of(mixture.denoise), start, steps),
        "langevin": plane_lanes.langevin(score, start, Level.from_sigma(sigmas[0]), steps, size, again()),
        "annealed": plane_lanes.annealed_langevin(score, start, sigmas, steps // 4, size, again()),
        "along": plane_lanes.flow(bent.velocity, start, steps),
    }
    for name, lane in want.items():
        frames = torch.stack(list(lane)).flatten(1)
        own = torch.tensor(found["ends"][name], dtype=torch.float64)
        torch.testing.assert_close(own, frames, rtol=1e-6, atol=1e-7, msg=lambda text, at=name: f"{at}: {text}")


@pytest.mark.parametrize("objective", ["score", "eps", "flow"])
def test_the_gradient_of_the_page_is_that_of_autograd(plane, objective):
    generator = torch.Generator().manual_seed(1)
    x, targets = (torch.randn(9, 2, generator=generator) for _ in range(2))
    lambdas = torch.linspace(-6, 8, 9)
    found = plane.evaluate(
        NETWORK_JS,
        {"objective": objective, "x": x.flatten().tolist(), "lambdas": lambdas.tolist(), "targets": targets.flatten().tolist()},
    )  # fmt: skip
    layers = []
    for flat, (rows, columns) in zip(found["weights"], [(15, 64), (64, 64), (64, 2)], strict=True):
        table = torch.tensor(flat).reshape(rows + 1, columns)
        layers.append(table.clone().requires_grad_())
    turns = [lambdas / 4, (lambdas / 2).sin(), (lambdas / 2).cos(), lambdas.sin(), lambdas.cos()]
    places = [one for c in x.T for one in (c, (2 * c).sin(), (2 * c).cos(), (4 * c).sin(), (4 * c).cos())]
    values = torch.stack([*places, *turns], 1)
    for k, layer in enumerate(layers):
        values = values @ layer[:-1] + layer[-1]
        values = values if k == 2 else nn.functional.silu(values)
    loss = (values - targets).square().sum(1).mean()
    loss.backward()
    assert found["loss"] == pytest.approx(loss.item(), rel=1e-5)
    for flat, layer in zip(found["grads"], layers, strict=True):
        torch.testing.assert_close(torch.tensor(flat), layer.grad.flatten(), rtol=1e-4, atol=1e-5)


def test_the_normal_numbers_of_the_page_are_normal_and_differ_by_seed(plane):
    draws = [np.array(one) for one in plane.evaluate(NORMALS_JS, [0, 1, 2**32 - 1])]
    for values in draws:
        assert abs(values.mean()) < 0.03 and abs(values.std() - 1) < 0.03 and abs((values**4).mean() - 3) < 0.25
        below = [(values < limit).mean() for limit in (-1, 0, 1)]
        assert below == pytest.approx([(1 + math.erf(limit / math.sqrt(2))) / 2 for limit in (-1, 0, 1)], abs=0.012)
    assert abs(np.corrcoef(draws)[0, 1]) < 0.03 and abs(np.corrcoef(draws[0][:-1], draws[0][1:])[0, 1]) < 0.03


# What a person sees


def shares(plane):
    """The share of the light mode under each plane."""
    text = plane.locator(".score-shares span").all_text_contents()
    return [float(one.split("Light mode ")[1].split(",")[0]) for one in text]


@pytest.mark.parametrize(("preset", "calls"), [("Figure 3", "1,000"), ("Ten times longer", "10,000")])
def test_plain_langevin_keeps_the_shares_of_its_start_and_annealed_langevin_finds_those_of_the_data(
    plane, preset, calls
):
    press(plane, preset)
    expect(plane.locator("[data-key=annealed] figcaption")).to_contain_text(f"call {calls} of {calls}", timeout=120_000)
    exact, plain, annealed = shares(plane)
    two_errors = 2 * math.sqrt(0.2 * 0.8 / 1280)
    assert abs(exact - 0.2) < two_errors + 0.005 and abs(annealed - 0.2) < two_errors + 0.02
    assert abs(plain - 0.5) < 2 * math.sqrt(0.25 / 1280) + 0.005


def test_a_preset_that_is_pressed_again_plays_again(plane):
    press(plane, "Two modes, one cross")
    level = plane.locator("#score-level input[type=range]")
    expect(level).to_have_value("-1")
    level.evaluate("(one) => { one.value = 3; one.dispatchEvent(new Event('input', { bubbles: true })); }")
    plane.wait_for_timeout(3200)  # the press is over
    assert level.input_value() == "3"
    plane.evaluate("window.labScore.stage.play = (end) => { window.played = end; }")
    plane.get_by_role("button", name="Two modes, one cross", exact=True).first.click()
    plane.wait_for_function("window.played === -1")
    plane.evaluate("delete window.labScore.stage.play; window.played = null;")


@pytest.mark.parametrize("name", ["steps", "training", "seed"])
def test_a_number_that_is_emptied_changes_nothing(plane, name):
    script = "([name, value]) => { const { stage } = window.labScore; stage.set({ ...stage.scene.now, [name]: value }); return stage.scene.now[name]; }"
    assert [plane.evaluate(script, [name, value]) for value in (321, None, "", -7, 1e12)][:3] == [321, 321, 321]


def test_reflow_straightens_the_paths(plane):
    press(plane, "Straighten")
    expect(plane.locator("[data-key=reflow2] figcaption")).to_contain_text("call 32 of 32", timeout=120_000)
    said = plane.locator(".score-shares span").all_text_contents()
    ddim, flow, reflow, twice = (float(one.split("off straight ")[1]) for one in said)
    assert ddim > flow > 20 * reflow and reflow >= twice - 0.01


def test_guidance_moves_means_and_shrinks_spreads_though_scores_are_perfect(plane):
    press(plane, "Guidance bends")
    expect(plane.locator("[data-key=scale1] figcaption")).to_contain_text("means moved by", timeout=120_000)
    said = plane.locator(".score-planes figcaption span").all_text_contents()
    (plain_shift, plain_spread), (shift, spread) = (
        tuple(float(part) for part in one.removeprefix("means moved by ").split(", spread × ")) for one in said
    )
    assert plain_shift < 0.03 and plain_spread > 0.9 and shift > 3 * plain_shift and spread < 0.6 * plain_spread


def test_a_network_learns_where_data_are_and_can_be_stopped(plane):
    press(plane, "Only where data are")
    train = plane.locator("#score-train")
    expect(train).to_have_text("Stop")
    expect(train).to_have_text("Train", timeout=180_000)
    said = plane.locator("[data-key=error] figcaption span").inner_text()
    inside, whole = (float(part) for part in said.removeprefix("on data ").split(", whole plane "))
    assert inside < 0.3 and whole > 4 * inside
    learned, exact = (
        [float(point.split(",")[1]) for point in curve.get_attribute("data-points").split(" ")]
        for curve in plane.locator("#score-chart [data-curve]").all()
    )
    assert exact[0] < learned[0] and np.mean(learned[-5:]) == pytest.approx(exact[0], rel=0.1)
    train.click()
    expect(train).to_have_text("Stop")
    train.click()
    expect(train).to_have_text("Train")


def test_points_are_put_dragged_and_erased_with_mouse_and_keyboard(plane):
    press(plane, "Draw your own")
    canvas = plane.locator("[data-key=field] canvas")
    expect(plane.locator(".score-tools")).to_be_visible()
    count = lambda: plane.evaluate("window.labScore.stage.scene.data.points.length")  # noqa: E731
    before, box = count(), canvas.bounding_box()
    at = lambda x, y: (box["x"] + box["width"] * x, box["y"] + box["height"] * y)  # noqa: E731
    plane.mouse.click(*at(0.9, 0.9))
    assert count() == before + 1
    plane.mouse.move(*at(0.9, 0.9))
    plane.mouse.down()
    plane.mouse.move(*at(0.1, 0.9), steps=4)
    plane.mouse.up()
    x, y = plane.evaluate("window.labScore.stage.scene.data.points.at(-1)")
    assert count() == before + 1 and x == pytest.approx(-1.93, abs=0.05) and y == pytest.approx(-1.93, abs=0.05)
    canvas.focus()
    plane.keyboard.press("Enter")
    assert count() == before + 2
    plane.keyboard.press("Delete")
    plane.keyboard.press("Delete")
    assert count() == before
    plane.mouse.click(*at(0.1, 0.1))
    text = plane.evaluate("window.labScore.stage.scene.now.points")
    assert text.endswith((" -192,192", " -193,193"))
    wait_for_address(plane, "points", text)
    plane.get_by_role("button", name="Clear all").click()
    assert count() == 0
    wait_for_address(plane, "points", "")
    expect(plane.locator("[data-key=empty]")).to_be_visible()


@pytest.mark.parametrize(
    "points", ["", "7,7", " ".join(["7,7"] * 30), " ".join(f"{k % 100},{k // 100}" for k in range(5000)), "nan,nan 1,x"]
)
@pytest.mark.parametrize("experiment", ["field", "walk", "guide", "learn"])
def test_any_points_in_any_experiment_show_something(plane, points, experiment):
    values = {
        "experiment": experiment,
        "data": "drawn",
        "points": points,
        "lanes": ["ddpm", "flow", "reflow"],
        "steps": 2,
        "training": 100,
    }
    kept = plane.evaluate(
        "(more) => { const { stage } = window.labScore; stage.show({ ...stage.scene.now, ...more }); return stage.scene.data.points.length; }",
        values,
    )
    assert kept == min(500, len([word for word in points.split() if word.replace(",", "").isdigit()]))
    plane.wait_for_function("() => !window.labScore.stage.busy")
    assert plane.locator(".score-planes canvas").first.is_visible()
