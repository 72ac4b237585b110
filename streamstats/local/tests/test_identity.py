"""Servers run as somebody who may, on folders that are nobody else's."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from streamstats.local.errors import LocalError
from streamstats.local.identity import identity_for, private_folder
from streamstats.local.launch import AS_IS, NAMESPACE, launcher

STRANGER = 54321
SHELL = Path("/bin/sh")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has anything to give up")


def test_an_ordinary_user_stays_who_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: STRANGER)
    assert identity_for(SHELL, tmp_path / "data", may_be_root=False) == (AS_IS, STRANGER)


def test_the_data_of_somebody_else_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: STRANGER)
    with pytest.raises(LocalError, match="belongs to"):
        identity_for(SHELL, tmp_path, may_be_root=False)


def test_a_folder_that_somebody_else_put_there_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: STRANGER)
    with pytest.raises(LocalError, match="belongs to somebody else"):
        private_folder(tmp_path, STRANGER)


def test_a_link_is_no_private_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(LocalError):
        private_folder(tmp_path / "link", os.geteuid())


def test_a_folder_that_others_could_enter_is_closed(tmp_path):
    tmp_path.chmod(0o755)
    private_folder(tmp_path, os.geteuid())
    assert tmp_path.stat().st_mode & 0o777 == 0o700


@as_root
def test_data_stays_with_its_owner(tmp_path):
    for folder in tmp_path.parents:
        if folder.is_relative_to(tempfile.gettempdir()) and folder != Path(tempfile.gettempdir()):
            folder.chmod(0o755)
    os.chown(tmp_path, STRANGER, STRANGER)
    assert identity_for(Path("/bin/bash"), tmp_path, may_be_root=False) == (str(STRANGER), STRANGER)


@as_root
def test_root_keeps_nothing_of_its_power(tmp_path):
    identity = identity_for(Path("/bin/bash"), tmp_path / "data", may_be_root=False)
    command = [*launcher(identity.name, "SIGKILL"), "/bin/sh", "-c", "id -u; grep CapEff /proc/self/status"]
    uid, _, capabilities = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    assert (uid != "0", int(capabilities, 16)) == (True, 0)


@as_root
def test_a_program_that_no_ordinary_user_can_run_is_named(tmp_path, monkeypatch):
    program = tmp_path / "postgres"
    program.touch()
    with pytest.raises(LocalError, match="postgres refuses to run as root"):
        identity_for(program, tmp_path / "data", may_be_root=False)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent is gone")
@pytest.mark.parametrize("identity", [AS_IS, pytest.param(NAMESPACE, marks=as_root)])
def test_a_program_dies_with_its_parent(identity):
    source = (
        "import subprocess, sys\n"
        "from streamstats.local.launch import launcher\n"
        f"command = [*launcher({identity!r}, 'SIGTERM'), '/bin/sh', '-c', 'echo started; exec sleep 600']\n"
        "child = subprocess.Popen(command, stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE)
    assert parent.stdout
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    gone, _ = psutil.wait_procs([child], timeout=10)
    assert gone == [child]
