"""The tours in the documents are run as they are written, against a real `gapura serve`.

A block of `sh` is typed into a shell; one with `make serve` goes to the first terminal, which gets Ctrl-C before the
next one.  A block of `text` behind it is what must be seen.  What differs from run to run (ids, instants, versions,
ports, the folder) is masked on both sides.  `make` is a stand-in that runs what is installed here.
"""

import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOURS = [("README.md", "Five minutes"), ("docs/tutorial/first-gate.md", "")]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MASKS = [
    (r"\b(dec|req|acc|key)_[0-9a-f]{32}", r"\1_…"),
    (r"\b(gt|sk-gp)-\w+…?", r"\1-…"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "NOW"),
    (r"\b[0-9a-f]{64}\b", "HASH"),
    (r"\b[0-9a-f]{16}\b", "VERSION"),
    (r"127\.0\.0\.1:\d+", "HERE"),
    (r"^(state +).*/", r"\1"),
    (r"[ \t]+", " "),
]
END = "-- end of block --"


def blocks(document: str, section: str) -> list[tuple[str, str]]:
    """Each `sh` with the `text` that follows it, or ""."""
    text = (ROOT / document).read_text("utf-8")
    if section:
        text = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    fences = FENCE.findall(text)
    assert fences, f"{document} has no blocks to run"
    following = [*fences[1:], ("", "")]
    return [
        (code, shown if kind == "text" else "")
        for (language, code), (kind, shown) in zip(fences, following, strict=True)
        if language == "sh"
    ]


def masked(text: str) -> list[str]:
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text, flags=re.MULTILINE)
    return [line.strip() for line in text.strip().splitlines()]


class Terminals:
    """The first one runs the gateway, the second one everything else."""

    def __init__(self, folder: Path, runtime: str) -> None:
        self._folder, self._log = folder, (folder / "serve.log").open("wb")
        self._server: subprocess.Popen[bytes] | None = None
        self._screen = -1
        (folder / ".venv").symlink_to(sys.prefix)
        (folder / "bin").mkdir()
        make = folder / "bin" / "make"
        make.write_text('#!/bin/sh\n[ "$1" = serve ] && exec .venv/bin/gapura serve\n')
        make.chmod(0o755)
        self._environ = {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": runtime,
            "LC_ALL": "C.UTF-8",
            "GAPURA_WORKERS": "1",
        }
        self._shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder, env=self._environ, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def serve(self, code: str, ports: tuple[int, int], lines: int) -> str:
        """Starts it, and gives so many lines of what it says."""
        self.interrupt()
        self._screen, terminal = pty.openpty()
        told = {"GAPURA_PORT": str(ports[0]), "GAPURA_ADMIN_PORT": str(ports[1])}
        self._server = subprocess.Popen(
            ["bash", "-c", code],
            cwd=self._folder, env=self._environ | told, stdout=terminal, stderr=self._log, start_new_session=True,
        )  # fmt: skip
        os.close(terminal)
        seen = b""
        while seen.count(b"\n") < lines or b"\nrules " not in seen:
            try:
                seen += os.read(self._screen, 65_536)
            except OSError:  # how a terminal ends whose programs are gone
                raise AssertionError((self._folder / "serve.log").read_text("utf-8")) from None
        return "\n".join(seen.decode().splitlines()[:lines])

    def interrupt(self) -> None:
        """Ctrl-C in the first terminal."""
        if self._server is not None:
            os.killpg(self._server.pid, signal.SIGINT)
            assert self._server.wait() == 0
            os.close(self._screen)
            self._server = None

    def type(self, code: str) -> str:
        """What the second terminal shows.  Waits until the record knows every decision that was seen so far."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{code}\necho '{END}'\n")
        self._shell.stdin.flush()
        seen = ""
        while not seen.endswith(f"{END}\n"):
            line = self._shell.stdout.readline()
            assert line, f"the shell ended: {seen}"
            seen += line
        for decision in re.findall(r"\bdec_[0-9a-f]{32}", seen):
            self._recorded(decision)
        return seen.removesuffix(f"{END}\n")

    def _recorded(self, decision: str) -> None:
        """Journals are taken in ten times a second: until then, asking again is all that there is to do."""
        command = [".venv/bin/gapura", "policy", "explain", decision, "--json"]
        while True:
            asked = subprocess.run(command, cwd=self._folder, env=self._environ, capture_output=True, check=False)
            if asked.returncode == 0 and json.loads(asked.stdout)["data"]["ended_at"]:
                return
            assert self._server is not None
            assert self._server.poll() is None, asked.stderr

    def close(self) -> None:
        self._shell.kill()
        self._shell.communicate()
        try:
            self.interrupt()
        finally:
            self._log.close()


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[Terminals]:
    with tempfile.TemporaryDirectory(prefix="g") as runtime:  # socket paths are short
        opened = Terminals(tmp_path, runtime)
        yield opened
        opened.close()


@pytest.fixture
def ports() -> tuple[int, int]:
    """Two that are free now: a tour stops and starts again on the same ones."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


@pytest.mark.skipif(shutil.which("curl") is None and not os.environ.get("CI"), reason="the tours ask with curl")
@pytest.mark.parametrize(("document", "section"), TOURS)
def test_a_tour_works_as_it_is_written(
    document: str, section: str, terminals: Terminals, ports: tuple[int, int]
) -> None:
    here = f"127.0.0.1:{ports[0]}"
    for code, shown in blocks(document, section):
        if "make serve" in code:
            seen = terminals.serve(code, ports, len(shown.splitlines()))
        else:
            seen = terminals.type(code.replace("127.0.0.1:8080", here))
        if shown:
            assert masked(seen) == masked(shown), f"{document}:\n{code}\n{seen}"
