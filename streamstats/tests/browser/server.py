"""The pages on a port of this machine, from the ASGI application that the product serves."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from streamstats import handler

PATIENCE_S = 10.0


@contextmanager
def serving() -> Iterator[str]:
    """Serve until the block is left; yields the address, by the name that Twitch lets applications have without TLS."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    # Made here, not imported: what it knows of static files and settings has to be of this moment.
    config = uvicorn.Config(
        handler.application(),
        lifespan="off",
        log_config=None,
        loop="asyncio",
        http="httptools",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="pages")
    thread.start()
    try:
        began = time.monotonic()
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < began + PATIENCE_S
            time.sleep(0.01)
        yield f"http://localhost:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        listening.close()
        assert not thread.is_alive()
