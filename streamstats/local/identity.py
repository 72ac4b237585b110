"""As whom an embedded server runs: Postgres refuses root, and root is more than Redis needs."""

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from streamstats.local import launch
from streamstats.local.errors import LocalError

PROBE_SECONDS = 10


class Identity(NamedTuple):
    """`name` is what launch.py is told; `uid` owns the files as we see them."""

    name: str
    uid: int


def identity_for(program: Path, data: Path, *, may_be_root: bool) -> Identity:
    """Choose who runs `program` on `data`, a folder whose parent exists."""
    if os.geteuid() != 0:
        _check_owner(data)
        return Identity(launch.AS_IS, os.geteuid())
    for identity in _candidates(data, may_be_root=may_be_root):
        if _works(identity, program, data.parent):
            return identity
    raise LocalError(
        f"{program.name} refuses to run as root, and no ordinary user may read both {program} and {data.parent}: "
        "run as an ordinary user, move the project to a folder that others may enter, or use a server of your own"
    )


def private_folder(folder: Path, uid: int) -> None:
    """Make a folder that only `uid` may enter; refuse one that somebody else has put there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {uid, os.geteuid()}:
        raise LocalError(f"{folder} belongs to somebody else: remove it, or set STREAMSTATS_HOME to another folder")
    folder.chmod(0o700)
    if found.st_uid != uid:
        _give(folder, uid)


def _check_owner(data: Path) -> None:
    if data.exists() and (owner := data.stat().st_uid) != os.geteuid():
        raise LocalError(
            f"{data} belongs to {_name(owner)}: run as that user, or set STREAMSTATS_HOME to a folder of your own"
        )


def _candidates(data: Path, *, may_be_root: bool) -> Iterator[Identity]:
    """Who might run it, the best first; data that is already somebody's stays theirs."""
    owners = [_owner(folder) for folder in (data, *data.parents)]
    if owners[0]:
        yield Identity(str(owners[0]), owners[0])
        return
    yield Identity(launch.NAMESPACE, 0)
    ordinary = [*filter(None, owners), *(user.pw_uid for user in pwd.getpwall() if user.pw_name == "nobody")]
    yield from (Identity(str(uid), uid) for uid in ordinary[:1] + ordinary[-1:])
    if may_be_root:
        yield Identity(launch.AS_IS, 0)


def _works(identity: Identity, program: Path, folder: Path) -> bool:
    script = 'test -x "$2" && "$1" --version'
    probe = [*launch.launcher(identity.name, "SIGKILL"), "/bin/sh", "-c", script, "sh", str(program), str(folder)]
    return subprocess.run(probe, capture_output=True, check=False, timeout=PROBE_SECONDS, cwd="/").returncode == 0  # noqa: S603


def _owner(path: Path) -> int:
    return path.stat().st_uid if path.exists() else 0


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _give(folder: Path, uid: int) -> None:
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, uid)
