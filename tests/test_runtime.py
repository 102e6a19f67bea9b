"""Locks and sockets on real files; the second process is a real one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gapura.runtime import HomeTaken, gates_socket, hold, is_held, keeper_socket, socket_path

HOLDER = """
import sys, pathlib
from gapura.runtime import hold
held = hold(pathlib.Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_home_is_held_once(tmp_path: Path) -> None:
    home = tmp_path / "state"
    assert not is_held(home) and keeper_socket(home) is None
    with hold(home):
        assert home.stat().st_mode & 0o777 == 0o700
        assert is_held(home)
        assert keeper_socket(home) == socket_path(home)
        with pytest.raises(HomeTaken, match=f"process {os.getpid()}"):
            hold(home)
    assert not is_held(home) and keeper_socket(home) is None
    hold(home).close()


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(HomeTaken, match=f"process {other.pid}"):
            hold(tmp_path)
        other.kill()
        other.wait()
    hold(tmp_path).close()


def test_the_holder_says_where_it_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = tmp_path / "run"
    private.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(private))
    with hold(tmp_path / "home"):
        monkeypatch.delenv("XDG_RUNTIME_DIR")
        found = keeper_socket(tmp_path / "home")
        assert found is not None and found.parent == private / "gapura"


def test_sockets_are_short_and_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    deep = tmp_path / ("d" * 200) / "home"
    path = socket_path(deep, environ={})
    assert path.parent == tmp_path / f"gapura-{os.geteuid()}" and path.parent.stat().st_mode & 0o777 == 0o700
    assert len(path.name) == len("0123456789abcdef.api")
    assert len({path, socket_path(tmp_path / "home", environ={}), gates_socket(deep)}) == 3


def test_a_runtime_directory_that_others_may_enter_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    assert socket_path(tmp_path, environ={"XDG_RUNTIME_DIR": str(tmp_path / "open")}).parent.name.startswith("gapura-")
    (tmp_path / f"gapura-{os.geteuid()}").chmod(0o770)
    with pytest.raises(PermissionError, match="XDG_RUNTIME_DIR"):
        socket_path(tmp_path, environ={})
    (tmp_path / f"gapura-{os.geteuid()}").rmdir()
    (tmp_path / f"gapura-{os.geteuid()}").symlink_to(tmp_path / "open")
    with pytest.raises(PermissionError):
        socket_path(tmp_path, environ={})
