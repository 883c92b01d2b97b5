"""A free port for a server that a test starts."""

import random
import socket

PORTS = range(20_000, 32_768)  # below those that Linux gives to connections, which come and go until the server listens


def free_port() -> int:
    """A port that nobody listens on; drawn at random, so that two workers do not draw the same."""
    for port in random.SystemRandom().sample(PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("none of a hundred ports is free")
