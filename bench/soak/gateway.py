"""`gapura serve` under test: started, killed in parts or as a whole, asked over its own doors."""

import asyncio
import http.client
import json
import os
import secrets
import signal
import socket
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

READY_S = 30.0
DRAIN_S = 5
# What processes take to notice, drain, and go.
GONE_S = DRAIN_S + 10.0
SETTLED_S = 30.0


class Wrong(Exception):
    """The gateway did not do what it must."""


class Gateway:
    """One home and its two ports.  `deaths`: (process, status) → how often, by the supervisor's own log."""

    def __init__(self, folder: Path, *, gates: int = 2) -> None:
        self.folder, self.home = folder, folder / "home"
        self.port, self.admin_port = free_port(), free_port()
        self.deaths: Counter[tuple[str, int]] = Counter()
        self.warned: Counter[str] = Counter()
        self.pids: dict[str, int] = {}
        self.slowest_end_s = self.slowest_recovery_s = 0.0
        self._token = secrets.token_hex(32)
        self._bootstrap = secrets.token_hex(32)
        self._gates = gates
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None
        (folder / "gapura.toml").write_text(ROUTES)
        (folder / "run").mkdir(mode=0o700)

    def environment(self, crash_at: str = "") -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "PYTHONPATH"}}
        ours = {
            "GAPURA_HOME": str(self.home),
            "GAPURA_PORT": str(self.port),
            "GAPURA_ADMIN_PORT": str(self.admin_port),
            "GAPURA_WORKERS": str(self._gates),
            "GAPURA_SITE_TERRITORY": "SG",
            "GAPURA_BOOTSTRAP_KEY": self._bootstrap,
            "GAPURA_ADMIN_TOKEN": self._token,
            "GAPURA_DRAIN_S": str(DRAIN_S),
            "GAPURA_LOG_FORMAT": "json",
            "XDG_RUNTIME_DIR": str(self.folder / "run"),
        }
        return kept | ours | ({"GAPURA_CRASH_AT": crash_at} if crash_at else {})

    async def start(self, crash_at: str = "") -> bool:
        """False where a point has killed it before it was ready."""
        self.pids.clear()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gapura", "serve", "--sandbox",
            cwd=self.folder, env=self.environment(crash_at), stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout is not None
        self._listening = asyncio.create_task(self._listen(self._process))
        try:
            async with asyncio.timeout(READY_S):
                ready = await self._process.stdout.readline()
        except TimeoutError:
            raise Wrong(f"the gateway was not ready within {READY_S:.0f} s ({crash_at or 'no point'})") from None
        if not ready:
            status = await self._process.wait()
            await self._gone()
            if not crash_at:
                raise Wrong(f"the gateway did not start: exit code {status}; see gateway.log")
        return bool(ready)

    async def stop(self) -> None:
        """As an operator does: SIGTERM, and it drains."""
        assert self._process is not None
        self._process.terminate()
        await self._gone()
        if self._process.returncode != 0:
            raise Wrong(f"SIGTERM ended in exit code {self._process.returncode}")

    async def kill_supervisor(self) -> None:
        """Everything else must then go away by itself."""
        assert self._process is not None
        self._process.kill()
        await self._gone()

    def kill(self, name: str) -> bool:
        """`kill -9` of a child by its name in the log; False where it is dead already."""
        pid = self.pids.pop(name, 0)
        if not pid:
            return False
        os.kill(pid, signal.SIGKILL)
        return True

    async def settled(self) -> None:
        """Every gate that died is recovered, every entry taken in.  Raises Wrong where that takes too long."""
        began, seen = time.monotonic(), "nothing"
        while time.monotonic() - began < SETTLED_S:
            try:
                status = await asyncio.to_thread(self.ask, "GET", "/status")
            except OSError as error:
                seen = str(error)
            else:
                journals = self.journals()
                gates = {gate["incarnation"] for gate in status["gates"]}
                seen = f"{len(journals)} journals, {len(gates)} gates, {status['journal_lag_s']} s behind"
                if journals == gates and len(gates) == self._gates and not status["journal_lag_s"]:
                    self.slowest_recovery_s = max(self.slowest_recovery_s, time.monotonic() - began)
                    return
            await asyncio.sleep(0.1)
        raise Wrong(f"not recovered within {SETTLED_S:.0f} s: {seen}")

    def journals(self) -> set[str]:
        """Of gates that live, or are not recovered; what died before it had a name is swept at the next start."""
        return {place.name for place in (self.home / "journal").iterdir() if not place.name.startswith(".")}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The admin API, as a program of the operator would."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=10)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, f"/api/v1{path}", text, {"authorization": f"Bearer {self._token}"})
            answer = connection.getresponse()
            said = json.loads(answer.read())
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise OSError(f"{method} {path}: {answer.status} {said}")
        return said

    async def command(self, *words: str) -> tuple[int, bytes]:
        """`gapura …`: exit code and standard output."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gapura", *words, cwd=self.folder, env=self.environment(),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        return process.returncode or 0, out

    def alive(self) -> list[int]:
        """Every process of this home, however it came to be: children carry its environment."""
        mark, found = f"GAPURA_HOME={self.home}\0".encode(), []
        for place in Path("/proc").iterdir():
            try:
                if place.name.isdigit() and mark in (place / "environ").read_bytes() + b"\0":
                    found.append(int(place.name))
            except OSError:
                continue
        return found

    def end(self) -> None:
        """Whatever happened: nothing of ours stays."""
        for pid in self.alive():
            os.kill(pid, signal.SIGKILL)

    async def _gone(self) -> None:
        began = time.monotonic()
        while left := self.alive():
            if time.monotonic() - began > GONE_S:
                raise Wrong(f"{len(left)} processes still run {GONE_S:.0f} s after their supervisor was to go")
            await asyncio.sleep(0.05)
        assert self._process is not None
        assert self._listening is not None
        await self._process.wait()
        await self._listening
        self.slowest_end_s = max(self.slowest_end_s, time.monotonic() - began)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """The log: kept in a file, and asked who was born and who died."""
        assert process.stderr is not None
        with (self.folder / "gateway.log").open("ab") as file:
            while raw := await process.stderr.readline():
                file.write(raw)
                file.flush()
                try:
                    said = json.loads(raw)
                except ValueError:
                    self.warned["no JSON: a traceback, or a library"] += 1
                    continue
                self._heard(said)

    def _heard(self, said: dict[str, Any]) -> None:
        event, process = said["event"], said.get("process", "")
        if event == "started":
            self.pids[process] = said["pid"]
        elif event in {"died, starts again", "could not be started"}:
            self.pids.pop(process, None)
            self.deaths[process, said.get("status", 0)] += 1
        if said["level"] in {"warning", "error"}:
            self.warned[event] += 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


ROUTES = """\
[routes.brief]
targets = ["openai/sandbox-stream-12-5"]
[routes.usual]
targets = ["openai/sandbox-stream-40-20", "qwen/qwen-plus"]
[routes.long]
targets = ["qwen/sandbox-stream-120-25"]
[routes.shaky]
targets = ["glm/sandbox-reset", "ernie/sandbox-stream-20-10"]
failover = "anywhere"
"""
