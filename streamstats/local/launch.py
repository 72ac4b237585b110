"""Becomes another program that dies with its parent, and gives up root where that program refuses it.

Run as a script of its own, importing nothing of the project:
`python -I -S launch.py PARENT_PID SIGNAL IDENTITY /PATH/OF/PROGRAM [ARGUMENT ...]`.
A script rather than a `preexec_fn`, which is not safe in a parent that has threads.
"""

import ctypes
import os
import pwd
import signal
import sys
from pathlib import Path

AS_IS = "as-is"
NAMESPACE = "namespace"

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000


def launcher(identity: str, death_signal: str) -> list[str]:
    """The beginning of a command line that runs /PATH/OF/PROGRAM as this identity until we die."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), death_signal, identity]


def die_with_parent(death_signal: signal.Signals) -> None:
    """Be sent this signal when the parent ends, however it ends (on Linux; elsewhere there is no such thing)."""
    if sys.platform == "linux":
        _check(_libc().prctl(PR_SET_PDEATHSIG, int(death_signal)), "follow the parent")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, deed: str) -> None:
    if result != 0:
        sys.exit(f"cannot {deed}: {os.strerror(ctypes.get_errno())}")


def _enter_namespace() -> None:
    """Stay root on disk, but be some ordinary user in our own eyes and without root's powers after exec."""
    # initdb looks its own user up, so it has to be one that exists.
    uid = next(entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid != 0)
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    _check(_libc().unshare(CLONE_NEWUSER), "make a user namespace")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {outer_uid} 1"),
        ("gid_map", f"{uid} {outer_gid} 1"),
    ):
        Path("/proc/self", name).write_text(text, encoding="ascii")


def _become(uid: int) -> None:
    try:
        gid = pwd.getpwuid(uid).pw_gid
    except KeyError:
        gid = uid
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    os.environ["HOME"] = "/"


def main(parent: str, death_signal: str, identity: str, program: str, *arguments: str) -> None:
    os.umask(0o077)
    if identity == NAMESPACE:
        _enter_namespace()
    elif identity != AS_IS:
        _become(int(identity))
    die_with_parent(signal.Signals[death_signal])  # after the identity: a change of credentials would clear it
    if os.getppid() != int(parent):
        sys.exit("the parent is gone already")
    try:
        # Not execvp: it imports modules, which the new user may not be allowed to read.
        os.execv(program, [program, *arguments])  # noqa: S606 - no shell is what we want
    except OSError as error:
        sys.exit(f"cannot run {program}: {error.strerror}")


if __name__ == "__main__":
    main(*sys.argv[1:])
