"""Loopback ports: whether one is free, and which."""

import socket
from itertools import chain

LOOPBACK = "127.0.0.1"
HIGHEST = 65535


def is_free(port: int) -> bool:
    with socket.socket() as listener:
        # As servers do: a port whose last connections are only fading away is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex((LOOPBACK, port)) == 0


def next_free(port: int) -> int:
    """Return the first free port after this one, beginning again at 1024 behind the last."""
    return next(other for other in chain(range(port + 1, HIGHEST + 1), range(1024, port)) if is_free(other))


def free_port(preferred: int = 0) -> int:
    """Return the preferred port, or one that the system gives."""
    if 0 < preferred <= HIGHEST and is_free(preferred):
        return preferred
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        return int(listener.getsockname()[1])
