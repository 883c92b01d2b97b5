"""What stands between an operator and an open page: settings that fit, an address to listen on, a backend that is there.

Where one of them fails, the lab ends with status 1 and a sentence that names the variable which helps (SystemExit).
"""

import errno
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lab.settings import Settings

NAME = re.compile(r"(?=.*[A-Za-z])[\w.-]+")
OTHER_HOST = "Set LAB_HOST to 127.0.0.1 for this machine alone, or to 0.0.0.0 for a whole network."


def read_settings() -> Settings:
    """The settings of the environment; a sentence for each variable that does not fit."""
    try:
        return Settings()
    except ValidationError as error:
        raise SystemExit("\n".join(map(_refusal, error.errors()))) from None


def _refusal(error: ErrorDetails) -> str:
    name = str(error["loc"][0])
    purpose = Settings.model_fields[name].description or ""
    if error["type"] == "string_pattern_mismatch":
        should = f"be one of: {purpose.partition(';')[0]}"
    else:
        should = error["msg"].removeprefix("Value error, ").removeprefix("Input should ").partition(", unable")[0]
    return f"LAB_{name.upper()} is {error['input']!r}, but should {should}."


def check_address(host: str, port: int) -> str:
    """The host as Gradio takes it, IPv6 in brackets, once a socket could be bound to it and the port."""
    host = host.strip().strip("[]")
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise SystemExit(f"LAB_HOST is {host!r}, which is no address and no name of one. {OTHER_HOST}") from None
    places = dict.fromkeys((family, address) for family, *_, address in addresses)
    faults = [fault for place in places if (fault := _fault(*place))]
    if len(faults) == len(places) or errno.EADDRINUSE in faults:
        raise SystemExit(_unusable(host, port, faults[0] if len(faults) == len(places) else errno.EADDRINUSE))
    if _fault(socket.AF_INET, ("127.0.0.1", port)) == errno.EADDRINUSE:  # Gradio wants it free there, too
        raise SystemExit(_unusable("127.0.0.1", port, errno.EADDRINUSE))
    if not NAME.fullmatch(host):  # as "0" or "*", which no URL can have
        host = str(addresses[0][4][0])
    return f"[{host}]" if ":" in host else host


def _fault(family: int, address: Any) -> int:
    """Why nobody can listen there, as a number of `errno`; 0: it can be done."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if os.name == "posix":  # as the server will
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address)
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def _unusable(host: str, port: int, fault: int) -> str:
    if fault == errno.EADDRINUSE:
        return f"Port {port} of {host} is in use by another program. Set LAB_PORT to another port."
    if fault in (errno.EACCES, errno.EPERM):
        return f"Port {port} needs the rights of an administrator. Set LAB_PORT to a port above 1023."
    if fault in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return f"LAB_HOST is {host!r}, which is not an address of this machine. {OTHER_HOST}"
    return f"The lab cannot listen on {host}, port {port}: {os.strerror(fault)}. Set LAB_HOST or LAB_PORT to another."


@contextmanager
def without_proxies() -> Iterator[None]:
    """No HTTP request of this process goes through a proxy meanwhile. Gradio's `launch` asks the server that it has just
    started for its page, and would ask a proxy, which cannot reach this machine's own addresses."""
    before = os.environ.get("no_proxy")
    os.environ["no_proxy"] = "*"  # goes before NO_PROXY, and before the proxies of macOS and Windows
    try:
        yield
    finally:
        if before is None:
            del os.environ["no_proxy"]
        else:
            os.environ["no_proxy"] = before


def check_device(device: str) -> None:
    """That torch finds the device which LAB_DEVICE names."""
    import torch

    kind, _, index = device.partition(":")
    there = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if kind in there and int(index or 0) >= there[kind]:
        raise SystemExit(f"LAB_DEVICE is {device!r}, but torch finds no such device here. Set it to auto or cpu.")


def no_backend(settings: Settings, error: Exception) -> str:
    """Why there is no backend, where a setting helps; else empty."""
    if isinstance(error, ModuleNotFoundError) and error.name in ("ray", "spaces"):
        return f"LAB_BACKEND is {settings.backend!r}, but the package {error.name} is not installed. Set it to local."
    if settings.backend == "ray" and isinstance(error, OSError | ValueError | RuntimeError):
        where = repr(settings.ray_address) if settings.ray_address else "empty"
        return f"LAB_RAY_ADDRESS is {where}, but no Ray cluster could be joined or started ({type(error).__name__})."
    return ""
