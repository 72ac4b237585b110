"""How a process came to its end, in words."""

import signal


def fate(returncode: int) -> str:
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"ended by itself with code {returncode}"
