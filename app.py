"""Diffusion Lab's entry point, here and on Spaces: settings -> backend -> UI -> launch."""

import gc
import os
import threading
import time
from collections.abc import Callable
from typing import Any

# Two thread pools that spin on two cores slow each other tenfold; must be set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from lab import launching, memory
from lab.backends.deferred import Deferred
from lab.backends.sharing import Sharing
from lab.settings import Settings

TIDY_EVERY_S = 60.0


def main() -> None:
    """Serve the lab until interrupted."""
    memory.share_arenas()
    settings = launching.read_settings()
    host = launching.check_address(settings.address, settings.port)
    with launching.without_proxies():  # Gradio makes an HTTP client while it is imported, which fails behind SOCKS
        from lab import ui
    if settings.offline:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # ZeroGPU packs at the launch what was placed by then. Elsewhere the page opens first and torch is imported after.
    real = make_backend(settings) if settings.on_zerogpu else None
    backend = Deferred()
    demo = ui.build(backend, settings)
    demo.queue(api_open=False, max_size=2 * settings.most_pressed, default_concurrency_limit=settings.most_pressed)
    with launching.without_proxies():
        demo.launch(
            server_name=host,
            server_port=settings.port,
            prevent_thread_lock=True,
            **ui.launch_options(backend, settings),
        )
    ui.keep_sessions_small(demo)

    real = real or make_backend(settings)
    sharing = Sharing(real, 1e6 * settings.shared_runs_mb)  # looks at the models' files before any is loaded
    warming = real.warm("exact", "text-to-image")
    backend.provide(sharing)
    warming.join()
    gc.collect()
    gc.freeze()  # half a million objects stay for good: a full collection would stop every thread for 0.4 s to see so
    if prepare := getattr(real, "prepare", None):  # where networks are in this process
        prepare()
    tidy = getattr(real, "tidy", memory.trim)  # elsewhere networks are not in this process
    threading.Thread(target=now_and_then, args=(tidy,), name="lab-tidy", daemon=True).start()
    demo.block_thread()


def now_and_then(work: Callable[[], None]) -> None:
    """Do it every TIDY_EVERY_S seconds, for ever."""
    while True:
        time.sleep(TIDY_EVERY_S)
        work()


def make_backend(settings: Settings) -> Any:
    """Where runs are executed. Imports torch, and on ZeroGPU `spaces` before it; with Ray, no torch at all. Ends the
    process, in words, where a setting is why there is none."""
    try:
        return _backend(settings)
    except Exception as error:
        if words := launching.no_backend(settings, error):
            raise SystemExit(words) from error
        raise


def _backend(settings: Settings) -> Any:
    if settings.on_zerogpu:
        from lab.backends.zerogpu import ZeroGpuBackend

        return ZeroGpuBackend(settings)
    if settings.backend == "ray":
        from lab.backends.ray_serve import RayBackend

        return RayBackend(settings)
    from lab.backends.local import LocalBackend

    launching.check_device(settings.device)
    return LocalBackend(settings)


if __name__ == "__main__":
    main()
