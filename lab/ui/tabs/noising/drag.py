"""t dragged: what the page needs to draw x_t, its level and the chart by itself (`drag.js`), and the server's answer once t rests.

x_t = sqrt(alpha-bar) x_0 + sqrt(1 - alpha-bar) eps (Ho et al. 2020, eq. 4). x_0 comes as PNG, the schedules as doubles, eps
as the seed that draws it, the spectra as the three that those of x_t are sums of: once for a scene, and not for every t.
"""

import base64
import json
from collections.abc import Sequence
from functools import partial
from hashlib import blake2b
from html import escape
from typing import Any

import numpy as np

from lab.requests.noising import NoisingFrame, NoisingRequest
from lab.ui.shell import media
from lab.ui.shell.sources import beside, digest, route

SCRIPTS = {name: beside(__file__, name) for name in ("drag.js", "process.js", "curves.js", "gaussian.js")}
FOLDER = f"noising-{digest(''.join(SCRIPTS.values()))}"
LOAD_JS = f"import(new URL('{FOLDER}/drag.js', document.baseURI)).then((drag) => drag.attach(element, trigger, watch));"
ROUTES = tuple(partial(route, f"/{FOLDER}/{name}", "text/javascript", text.encode) for name, text in SCRIPTS.items())
SETTLED_JS = "(...values) => window.labNoising.settled(...values)"
ANSWERED_JS = "(...values) => window.labNoising.answered(...values)"


def key(request: NoisingRequest) -> str:
    """The same for requests that differ in t alone."""
    words = f"{request.forward!r} {request.seed} {request.picture.shape}".encode()
    return blake2b(words + request.picture.tobytes(), digest_size=8).hexdigest()


def source(request: NoisingRequest, frames: Sequence[NoisingFrame], aligned: bool) -> str:
    """All that x_t is made of, for the page: of the request's scene and, where a rival stands beside it, `aligned` with it in
    log-SNR or not, of both. `frames` are those of the processes at any t."""
    first = frames[0]
    content = {
        "key": key(request),
        "picture": media.exact_uri(request.picture, quick=True),
        "seed": first.noise_seed,
        "bars": [base64.b64encode(frame.alpha_bars.astype("<f8").tobytes()).decode() for frame in frames],
        "aligned": aligned,
        "spectra": [_digits(powers) for powers in first.spectra],
    }
    return f'<i hidden data-source="{escape(json.dumps(content), quote=True)}"></i>'


def answer(request: NoisingRequest, **shown: str) -> str:
    """What the server shows of a request, by the name that `drag.js` knows it by, as text for the page."""
    return json.dumps({"key": key(request), "t": request.t, **shown})


def stamped(markup: str, t: int) -> str:
    """A figure that says of which t it is."""
    return markup.replace("<figure ", f'<figure data-t="{t}" ', 1)


def _digits(values: np.ndarray) -> list[Any]:
    return [float(f"{value:.7g}") for value in values]
