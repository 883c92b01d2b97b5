"""The forward process, one frame at a time."""

import time
from collections.abc import Iterator

import numpy as np

from lab.engine import noising as forward_process
from lab.engine.lanes import look
from lab.engine.process import Level
from lab.operations.house import House
from lab.operations.limits import check_process
from lab.requests.base import Event
from lab.requests.noising import NoisingFrame, NoisingRequest


def noising(request: NoisingRequest, house: House) -> Iterator[Event]:
    """One frame of the forward process: x_t in one jump, by the chain where asked, and what is measured of it."""
    began = time.perf_counter()
    forward = request.forward
    if request.recover:
        check_process(request.recover, forward, 1, house.settings)
    scene = house.scenes.get(request.picture, forward.schedule, forward.T, forward.zero_snr, request.seed)
    t = request.t if request.at_log_snr is None else forward_process.t_at_log_snr(scene.table, request.at_log_snr)
    x_t = scene.x_t(t)
    numbers = scene.numbers(t, x_t)
    chain = forward_process.to_picture(scene.chain.at(t)) if request.chain else None
    recovered = _recover(request, t, request.recover, house) if request.recover else None
    yield NoisingFrame(
        t=t,
        alpha_bar=float(scene.table[t]),
        alpha_bars=scene.table,
        log_snr=float(scene.log_snrs[t]),
        log_snrs=scene.log_snrs,
        x_t=forward_process.to_picture(x_t),
        chain=chain,
        psnr_db=numbers.psnr_db,
        histogram=numbers.histogram,
        histogram_edges=forward_process.HISTOGRAM_EDGES,
        spectrum=numbers.spectrum,
        spectrum_signal=numbers.signal_power,
        spectrum_noise=numbers.noise_power,
        spectra=scene.spectra,
        noise_seed=forward_process.stream_seed(request.seed, 0),
        recovered=recovered,
        server_ms=(time.perf_counter() - began) * 1000,
    )


def _recover(request: NoisingRequest, t: int, name: str, house: House) -> np.ndarray:
    """The predicted x_0 of a model from x_t at the model's own size; the exact denoiser takes the picture itself for one
    of its set. At t = 0 it is asked about t = 1."""
    with house.lease(name) as model:
        denoiser = model.denoiser(request.forward)
        x_0 = model.from_picture(request.picture)
        k = max(t, 1) - 1
        eps = forward_process.gaussian(request.seed, 0, tuple(x_0.shape))
        level = Level.from_alpha_bar(float(denoiser.process.alphas_cumprod[k]))
        x_t = forward_process.q_sample(x_0, level, eps)
        return model.to_picture(look(house.drive, denoiser, x_t, k, model.knowing(x_0)).x_0)
