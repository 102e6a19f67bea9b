"""A Postgres server of a test's own: in a folder, behind a Unix socket, and gone with the test."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# It refuses to run as root, so root gives it to one of these.
OTHERS = ("postgres", "nobody")


class Server:
    """`url(name)` is a new, empty database.  `stop` and `start` are what an operator's server does now and then."""

    def __init__(self, programs: Path, folder: Path, user: str | None) -> None:
        self._programs, self._folder, self._user = programs, folder, user
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0

    def init(self) -> None:
        self._run("initdb", "-D", str(self._folder / "data"), "-A", "trust", "-U", "gapura", "-E", "UTF8", "-N")

    def start(self) -> None:
        options = ("listen_addresses=", "fsync=off", "max_connections=40", "shared_buffers=32MB")
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self._folder / "data"), "-k", str(self._folder)]
                + [part for option in options for part in ("-c", option)],
                stdout=subprocess.DEVNULL,
                stderr=log,
                user=self._user,
            )
        self._run("pg_isready", "-h", str(self._folder), "-t", "30", again=300)

    def stop(self) -> None:
        """At once, as when somebody pulls the plug of the machine that it is on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None

    def url(self) -> str:
        self._made += 1
        name = f"ledger_{self._made}"
        self._run("createdb", "-h", str(self._folder), "-U", "gapura", name)
        return f"postgresql://gapura@/{name}?host={self._folder}"

    def _run(self, program: str, *arguments: str, again: int = 0) -> None:
        command = [str(self._programs / program), *arguments]
        done = subprocess.run(command, user=self._user, cwd=self._folder, capture_output=True, check=False)
        while done.returncode and again:
            again -= 1
            done = subprocess.run(command, user=self._user, cwd=self._folder, capture_output=True, check=False)
        assert not done.returncode, done.stderr.decode()


@contextmanager
def running() -> Iterator[Server]:
    """Skips where there is no Postgres; in CI there is."""
    pytest.importorskip("psycopg")
    found = shutil.which("initdb") or next(
        map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))[::-1]), None
    )
    if found is None:
        assert not os.environ.get("CI"), "in CI there is a Postgres"
        pytest.skip("Postgres is not installed")
    known = {entry.pw_name for entry in pwd.getpwall()}
    user = next((name for name in OTHERS if name in known), None) if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="gapura-pg-"))
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    server = Server(Path(found).resolve().parent, folder, user)
    try:
        server.init()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
