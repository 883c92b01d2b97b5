"""What pulls by its gradient: against finite differences, Bayes' rule, and classifier-free guidance with exact halves."""

from types import SimpleNamespace

import pytest
import torch
from diffusers import DDPMScheduler

from lab.engine.denoisers import by_row
from lab.engine.potentials import Guide, Guided, certainty
from lab.engine.process import Level
from lab.models.exact import ExactData, ExactDenoiser
from lab.models.guides import CLIP_SCALE, Classified, Described, ExactlyClassified, LoadedClassifier, LoadedNoisedClip
from lab.models.noisy_encoder import NoisyEncoder
from lab.requests.base import LabError

SIDE, CLASSES = 8, ("animals", "food", "objects")
SCHEDULER = DDPMScheduler(beta_schedule="squaredcos_cap_v2")
TIMES = torch.tensor([3.0, 150.0, 500.0, 900.0])
LATER = torch.tensor([100.0, 250.0, 500.0, 900.0])  # where the exact posterior is neither 0 nor 1


def gaussian(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def classifier():
    torch.manual_seed(0)
    return LoadedClassifier(NoisyEncoder(len(CLASSES), SIDE, (32, 32)).double().eval(), SCHEDULER, CLASSES)


class Texts(LoadedNoisedClip):
    """A noised CLIP whose texts are numbers: the embedding of a caption is drawn from its letters."""

    def __init__(self, network):
        self.network, self.process, self.side = network, LoadedClassifier(network, SCHEDULER, ()).process, SIDE
        self.embedding = lambda caption: gaussian(6, seed=sum(caption.encode()))


@pytest.fixture(scope="module")
def clip():
    torch.manual_seed(1)
    return Texts(NoisyEncoder(6, SIDE, (32, 32)).double().eval())


def difference(potential, x, level, direction, step=1e-4):
    """The derivative of a potential along a direction, by central differences."""
    ends = [potential(x + sign * step * direction, level) for sign in (1, -1)]
    return (ends[0] - ends[1]) / (2 * step)


def check_gradient(potential, level):
    x, direction = (gaussian(len(TIMES), 3, SIDE, SIDE, seed=seed) for seed in (0, 7))
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(potential(x, level).sum(), x)
    with torch.no_grad():
        want = difference(potential, x, level, direction)
    torch.testing.assert_close((gradient * direction).sum(dim=(1, 2, 3)), want, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("wanted", range(len(CLASSES)))
def test_a_classifiers_gradient_is_that_of_finite_differences(classifier, wanted, temperature):
    check_gradient(Classified(classifier, wanted, temperature), classifier.process.level(TIMES))


def test_a_clips_gradient_is_that_of_finite_differences(clip):
    check_gradient(Described(clip, "red apple"), clip.process.level(TIMES))


def test_beliefs_are_probabilities_that_a_temperature_flattens(classifier):
    x_t, level = gaussian(len(TIMES), 3, SIDE, SIDE), classifier.process.level(TIMES)
    cold, plain, hot = (classifier.log_beliefs(x_t, level, temperature).exp() for temperature in (0.1, 1.0, 10.0))
    for beliefs in (cold, plain, hot):
        torch.testing.assert_close(beliefs.sum(1), torch.ones(len(TIMES), dtype=torch.float64))
    assert (cold.amax(1) > plain.amax(1)).all() and (plain.amax(1) > hot.amax(1)).all()
    noisiest = Level(torch.zeros(len(TIMES), dtype=torch.float64), torch.ones(len(TIMES), dtype=torch.float64))
    torch.testing.assert_close(classifier.log_beliefs(x_t, noisiest, 1.0).exp(), torch.full_like(plain, 1 / 3))


def test_a_clip_says_the_cosine_as_far_as_x_t_tells(clip):
    x_t, level = gaussian(len(TIMES), 3, SIDE, SIDE), clip.process.level(TIMES)
    image = clip.network(x_t, TIMES.double())
    want = torch.cosine_similarity(image, clip.embedding("cat")[None])
    torch.testing.assert_close(clip.cosine(x_t, level, "cat"), want, atol=1e-9, rtol=0)
    torch.testing.assert_close(Described(clip, "cat")(x_t, level), CLIP_SCALE * certainty(level) * want)


def test_a_class_that_is_not_there_is_refused_in_words(classifier):
    assert classifier.wanted("food") == 1
    with pytest.raises(LabError, match="choose one"):
        classifier.wanted("")
    with pytest.raises(LabError, match="knows no group 'people'; choose one of animals, food, objects"):
        classifier.wanted("people")


def test_equal_guides_are_one_so_that_their_rows_share_a_call(classifier, clip):
    assert Classified(classifier, 1, 2.0) == Classified(classifier, 1, 2.0) != Classified(classifier, 1, 1.0)
    assert Described(clip, "cat") == Described(clip, "cat") != Described(clip, "dog")
    assert len({Classified(classifier, 1), Classified(classifier, 1), Classified(classifier, 2)}) == 2


# The exact classifier


@pytest.fixture(scope="module")
def exact():
    data = ExactData(torch.rand(12, 3, 4, 4, generator=torch.Generator().manual_seed(2)) * 2 - 1)
    table = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
    return SimpleNamespace(
        denoiser=ExactDenoiser(data, table), wanted=data.support(torch.tensor([1, 4, 9])), among=data.everything,
    )  # fmt: skip


def near_data(exact):
    """x_t of pictures of the data at LATER, so that the posterior is neither one nor all."""
    x_0 = (exact.among.centred[: len(LATER)] + exact.denoiser.data.mean).reshape(-1, 3, 4, 4)
    level = by_row(exact.denoiser.process.level(LATER), x_0)
    return level.signal * x_0 + level.noise * gaussian(len(LATER), 3, 4, 4).float()


def test_the_exact_classifier_is_bayes_rule(exact):
    x_t, level = near_data(exact), exact.denoiser.process.level(LATER)
    posterior = exact.denoiser.posterior(x_t.flatten(1), level.alpha_bar.float(), exact.among)
    want = posterior[:, exact.wanted.indices].sum(1).log()
    torch.testing.assert_close(
        ExactlyClassified(exact.denoiser, exact.wanted, exact.among)(x_t, level), want, atol=2e-4, rtol=1e-4
    )


@pytest.mark.parametrize("temperature", [0.5, 4.0])
def test_a_temperature_flattens_the_exact_classifier_too(exact, temperature):
    x_t, level = near_data(exact), exact.denoiser.process.level(LATER)
    share = exact.denoiser.posterior(x_t.flatten(1), level.alpha_bar.float(), exact.among)[:, exact.wanted.indices].sum(
        1
    )
    odds = torch.stack([share.double().log(), (1 - share.double()).log()], 1)
    want = torch.log_softmax(odds / temperature, 1)[:, 0].float()
    got = ExactlyClassified(exact.denoiser, exact.wanted, exact.among, temperature)(x_t, level)
    torch.testing.assert_close(got, want, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0, 10.0])
def test_exact_classifier_guidance_is_classifier_free_guidance(exact, scale):
    """score_u + s grad log p(y | x_t) = score_u + s (score_c - score_u), on the unconditional score and, at s - 1, on the
    conditional one."""
    x_t, denoiser = near_data(exact), exact.denoiser
    halves = [denoiser(x_t, LATER, [support] * len(LATER)) for support in (exact.among, exact.wanted)]
    want = halves[0] + scale * (halves[1] - halves[0])
    potential = ExactlyClassified(denoiser, exact.wanted, exact.among)
    for base, own in ((exact.among, scale), (exact.wanted, scale - 1)):
        got = Guided(denoiser)(x_t, LATER, [Guide(base, potential, own)] * len(LATER))
        torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)


def test_its_gradient_is_the_difference_of_the_exact_scores(exact):
    x_t, level = near_data(exact).requires_grad_(), exact.denoiser.process.level(LATER)
    potential = ExactlyClassified(exact.denoiser, exact.wanted, exact.among)
    (gradient,) = torch.autograd.grad(potential(x_t, level).sum(), x_t)
    scores = [
        exact.denoiser.score(x_t.detach(), LATER, [support] * len(LATER)) for support in (exact.wanted, exact.among)
    ]
    torch.testing.assert_close(gradient, scores[0] - scores[1], atol=2e-3, rtol=1e-3)


def test_no_exact_gradient_exceeds_the_bound_that_certainty_follows(exact):
    x_t, level = near_data(exact).requires_grad_(), exact.denoiser.process.level(LATER)
    (gradient,) = torch.autograd.grad(
        ExactlyClassified(exact.denoiser, exact.wanted, exact.among)(x_t, level).sum(), x_t
    )
    assert (gradient.abs().amax(dim=(1, 2, 3)) <= 2 * level.signal / level.noise**2).all()


def test_rows_in_company_are_guided_as_alone(classifier):
    """Rows of several guides, of none and of other classes in one call: each as if it were alone."""

    class Shrink:
        process, prediction_type, shape = classifier.process, "epsilon", (3, SIDE, SIDE)

        def __call__(self, x_t, t, conditioning):
            return x_t * by_row(self.process.level(t.double()), x_t).noise

    x_t, guided = gaussian(4, 3, SIDE, SIDE), Guided(Shrink())
    rows = [Guide(None, Classified(classifier, 0), 3.0), None, Guide(None, Classified(classifier, 2), 1.0),
            Guide(None, Classified(classifier, 0), -2.0)]  # fmt: skip
    together = guided(x_t, TIMES, rows)
    for row in range(4):
        alone = guided(x_t[row : row + 1], TIMES[row : row + 1], rows[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, atol=1e-6, rtol=0)
