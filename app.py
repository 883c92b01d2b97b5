"""Diffusion Lab's entry point, here and on Spaces: settings -> backend -> UI -> launch."""

import gc
import os

# Two thread pools that spin on two cores slow each other tenfold; must be set before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from lab import ui
from lab.backends.deferred import Deferred
from lab.settings import Settings


def main() -> None:
    """Serve the lab until interrupted."""
    settings = Settings()
    if settings.offline:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    backend = Deferred()
    demo = ui.build(backend, settings)
    demo.queue(api_open=False, max_size=2 * settings.most_pressed, default_concurrency_limit=settings.most_pressed)
    demo.launch(
        server_name=settings.host, server_port=settings.port, prevent_thread_lock=True, **ui.launch_options(settings)
    )

    ui.keep_sessions_small(demo)

    from lab.backends.local import LocalBackend  # imports torch: the page is open by now

    local = LocalBackend(settings)
    warming = local.warm("exact", "text-to-image")
    backend.provide(local)
    warming.join()
    gc.collect()
    gc.freeze()  # half a million objects stay for good: a full collection would stop every thread for 0.4 s to see so
    demo.block_thread()


if __name__ == "__main__":
    main()
