"""Toy models and the little around them that several tests use."""

import torch

from lab.backends.local import LocalBackend
from lab.engine.denoisers import by_row
from lab.engine.lanes import Lane, StepNoise, drive
from lab.engine.predictions import join_prediction
from lab.engine.process import VariancePreserving
from lab.engine.samplers import make_scheduler
from lab.models.cache import ModelCache
from lab.requests.fields import Condition, Forward
from lab.requests.sampling import LaneResult, LaneSettings, SamplingRequest, Step
from lab.settings import Settings

SHAPE = (3, 8, 8)
PATIENCE_S = 30  # how long a thread is waited for before the test fails


class Pictured:
    """A LoadedModel whose pictures are its x_0, a grey level for each 1/127.5; a row's conditioning is its prompt."""

    shape, side, latent, distilled, tiny = SHAPE, SHAPE[1], False, False, None

    def conditioning(self, condition):
        return condition.prompt

    def unconditional(self, negative=""):
        return negative

    def unread(self, condition, negative=""):
        return ()

    def knowing(self, x_0):
        return self.unconditional()

    def to_values(self, x_0):
        return x_0.float()

    def to_picture(self, x_0):
        return ((x_0.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()

    def preview(self, x):
        return self.to_picture(x)

    def from_picture(self, picture):
        return torch.tensor(picture).permute(2, 0, 1).float() / 127.5 - 1

    def nearest(self, x_0):
        return None


class ToyDenoiser:
    """Exact for data N(0.2, 0.4^2 I). Notes the conditioning of each call; may be held at a gate, or fail."""

    prediction_type = "epsilon"
    shape = SHAPE

    def __init__(self, total):
        self.process = VariancePreserving(torch.cumprod(1 - torch.linspace(1e-4, 0.02, total, dtype=torch.float64), 0))
        self.calls, self.gate, self.fails_on = [], None, None

    def __call__(self, x_t, t, conditioning):
        self.calls.append(list(conditioning))
        if self.gate is not None:
            assert self.gate.acquire(timeout=PATIENCE_S)
        if self.fails_on in conditioning:
            raise RuntimeError("the device is out of memory")
        level = by_row(self.process.level(t), x_t)
        x_0 = 0.2 + level.signal * 0.16 / (level.signal**2 * 0.16 + level.noise**2) * (x_t - level.signal * 0.2)
        return join_prediction(x_0, x_t, level, "epsilon")


class ToyModel(Pictured):
    """With a denoiser for each forward process."""

    def __init__(self):
        self.denoisers = {}

    def denoiser(self, forward):
        return self.denoisers.setdefault(forward, ToyDenoiser(forward.T))


def make_backend(model, **settings):
    return LocalBackend(Settings(device="cpu", **settings), ModelCache(lambda name, shelf: model))


def leases(backend):
    return {model.name: model.leases for model in backend.cache.resident()}


def request(*lanes, prompt="", T=1000, **more):
    lanes = lanes or (LaneSettings(),)
    return SamplingRequest(lanes=lanes, condition=Condition(prompt=prompt), forward=Forward(T=T), **more)


def steps_of(events, lane=0):
    return [event for event in events if isinstance(event, Step) and event.lane == lane]


def results_of(events):
    return [event for event in events if isinstance(event, LaneResult)]


def solo_picture(model, steps, seed):
    """What one lane alone gives, driven in this thread."""
    denoiser = ToyDenoiser(1000)
    scheduler = make_scheduler("DDIM", denoiser.process, "epsilon", steps, options={"clip_sample": False})
    noise = StepNoise(seed)
    *_, last = drive(denoiser, [Lane(0, scheduler, noise.initial(SHAPE), noise, "")])
    return model.to_picture(last.x_0)
