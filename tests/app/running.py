"""`gapura serve` as an operator runs it: a process of its own, in a folder of its own, spoken to from outside.

Nothing here sleeps blindly: the banner is read line by line, what takes effect later is asked for again, and each
wait ends at `PATIENCE_S`.
"""

import http.client
import json
import os
import queue
import random
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from openai import OpenAI

PATIENCE_S = 60.0
BETWEEN_S = 0.05

COMMAND = (sys.executable, "-m", "gapura")
KEY = "sk-gp-0Kq7Zt3mVx9Rb2Yw5Hc8Nd1Lf4Js6Pg0Ua3Te7"
AUTHORIZED = MappingProxyType({"authorization": f"Bearer {KEY}"})
TOKEN = "gt-5Bq8Xz2nMv7Rc4Kw9Ht1Ld6Jf3Ys0Pg5Ua8Te2Ni"

# Mainland China (twice), Singapore, Hong Kong; the atlas is asked in test_place.
CHINA, CHINA6, SINGAPORE, HONGKONG = "114.114.114.114", "2400:3200::1", "165.21.83.88", "202.45.84.58"

HELLO: Any = [{"role": "user", "content": "Selamat pagi, dunia"}]


class Answer(NamedTuple):
    """What came back: header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def effect(self) -> str:
        return self.headers["gapura-decision"].partition(";")[0]

    @property
    def decision(self) -> str:
        return self.headers["gapura-decision"].partition("id=")[2]

    @property
    def provider(self) -> str:
        return self.headers.get("gapura-provider", "")

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)["error"]
        return found

    @property
    def code(self) -> Any:
        return self.error["code"]


def request(
    url: str, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """One exchange on a connection of its own."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_S)
    try:
        connection.request(method, parts._replace(scheme="", netloc="").geturl(), body, dict(headers or {}))
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def until(true: Callable[[], object]) -> None:
    """Ask until it is so; fail when it is still not so after `PATIENCE_S`."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / BETWEEN_S)):
        if true():
            return
        pause.wait(BETWEEN_S)
    raise AssertionError("it did not come to be so")


def environment(folder: Path, runtime: str, **given: str) -> dict[str, str]:
    """Of whoever runs the tests only what a program needs to run; free ports, and one gate."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    ports = {"GAPURA_PORT": "0", "GAPURA_ADMIN_PORT": "0", "GAPURA_WORKERS": "1"}
    return {**kept, "XDG_RUNTIME_DIR": runtime, "PWD": str(folder), **ports, **given}


def free_port() -> int:
    """For what has to be known by its address before it listens: none that the system gives to who asks for any."""
    for port in random.sample(range(20_000, 32_000), 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("a hundred ports are taken")


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """Its output, where that is JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def run(folder: Path, env: Mapping[str, str], *args: str) -> Ended:
    """A command that ends by itself."""
    done = subprocess.run(
        [*COMMAND, *args], cwd=folder, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    return Ended(done.returncode, done.stdout, done.stderr)


class Gateway:
    """`gapura serve`.  Its standard output is read, or goes to a `terminal`; its standard error is in `serve.err`."""

    process: subprocess.Popen[str]

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.folder, self.env = folder, env
        self.home = folder / env.get("GAPURA_HOME", "gapura-data")

    def start(self, *flags: str, terminal: int | None = None) -> Self:
        """Until it serves.  What ended may be started again."""
        self.banner: list[str] = []
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        with (self.folder / "serve.err").open("ab") as err:
            self.process = subprocess.Popen(
                [*COMMAND, "serve", *flags],
                cwd=self.folder,
                env=self.env,
                stdout=subprocess.PIPE if terminal is None else terminal,
                stderr=err,
                text=True,
                start_new_session=True,
            )
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        if terminal is None:
            try:
                self.until("rules")
            except BaseException:
                self.kill()
                raise
        return self

    def __enter__(self) -> Self:
        return self if hasattr(self, "process") else self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    def until(self, label: str) -> None:
        """Read the banner up to a line that begins with this label."""
        while not any(line.startswith(label) for line in self.banner):
            line = self._lines.get(timeout=PATIENCE_S)
            assert line, f"it ended: {self.err}"
            self.banner.append(line)

    def told(self, label: str) -> str:
        """The banner's first line with this label."""
        return next(line.removeprefix(label).strip() for line in self.banner if line.startswith(label))

    @property
    def url(self) -> str:
        return self.told("serves")

    @property
    def sandbox(self) -> str:
        return re.sub(r"/openai/v1 .*", "", self.told("provider    openai"))

    @property
    def out(self) -> str:
        return "".join(self.banner)

    @property
    def err(self) -> str:
        return (self.folder / "serve.err").read_text()

    def client(self, key: str = KEY, **more: Any) -> OpenAI:
        return OpenAI(base_url=self.url, api_key=key, **{"max_retries": 0, **more})

    def chat(self, model: str = "gpt-4o-mini", *, key: str = KEY, come: str = "", **headers: str) -> Answer:
        """One plain question.  `come`: what the proxy in front says about where it comes from; the names of other
        headers are written with `_`."""
        sent = {"authorization": f"Bearer {key}", **{name.replace("_", "-"): value for name, value in headers.items()}}
        if come:
            sent["x-forwarded-for"] = come
        return self.post(json.dumps({"model": model, "messages": HELLO}).encode(), sent)

    def post(
        self, body: bytes, headers: Mapping[str, str] = MappingProxyType({"authorization": f"Bearer {KEY}"})
    ) -> Answer:
        return request(f"{self.url}/chat/completions", "POST", body, headers)

    def seen(self, vendor: str) -> int:
        """How many requests the vendor itself has counted."""
        vendors = json.loads(request(f"{self.sandbox}/sandbox/seen").body)["vendors"]
        return int(vendors[vendor]["requests"])

    def open(self, vendor: str) -> int:
        vendors = json.loads(request(f"{self.sandbox}/sandbox/seen").body)["vendors"]
        return int(vendors[vendor]["open"])

    def cli(self, *args: str) -> Any:
        """A command for people, with --json: its data."""
        done = run(self.folder, self.env, *args, "--json")
        assert done.code == 0, done.err
        return json.loads(done.out)["data"]

    def key(self, account: str = "default", *options: str) -> str:
        return str(self.cli("key", "create", "--account", account, *options)["secret"])

    def decision(self, answer: Answer) -> dict[str, Any]:
        """What `gapura policy explain` tells of it, as soon as the record has all of it, to the end."""
        args = ("policy", "explain", answer.decision)
        found: dict[str, Any] = {}

        def ended() -> bool:
            if run(self.folder, self.env, *args).code == 0:
                found.update(self.cli(*args))
            return bool(found.get("outcome", "open") != "open")

        until(ended)
        return found

    def reload(self, document: str) -> None:
        """Put another gapura.toml in force, as an operator does."""
        (self.folder / "gapura.toml").write_text(document)
        os.kill(self.process.pid, signal.SIGHUP)

    def stop(self) -> int:
        """Ask it to end, as a service manager does; its exit code."""
        self.process.terminate()
        return self.ended()

    def ended(self) -> int:
        """Its exit code, as soon as it has one."""
        code = self.process.wait(PATIENCE_S)
        self._reading.join(PATIENCE_S)
        return code

    def gone(self) -> bool:
        """Whether none of its processes is left: all are in the session that began with it."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def kill(self) -> None:
        """All of its processes, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.ended()

    def _read(self) -> None:
        if self.process.stdout is not None:
            with self.process.stdout as lines:
                for line in lines:
                    self._lines.put(line)
        self._lines.put("")


@contextmanager
def runtime_folder() -> Iterator[str]:
    """For Unix sockets, whose paths are short."""
    with TemporaryDirectory(prefix="gp") as folder:
        yield folder


@contextmanager
def serving(folder: Path, document: str = "", **settings: str) -> Iterator[Gateway]:
    """A sandboxed gateway with KEY, TOKEN and this gapura.toml; at the end it has drained and left nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gapura.toml").write_text(document)
    with runtime_folder() as runtime:
        env = environment(folder, runtime, GAPURA_BOOTSTRAP_KEY=KEY, GAPURA_ADMIN_TOKEN=TOKEN, **settings)
        with Gateway(folder, env) as gateway:
            yield gateway
            assert gateway.stop() == 0
            assert gateway.gone()
