"""What metering costs: one gateway, one vendor, callers with nothing to meter and callers with everything, in turns.

    python -m bench.metering [--rounds 12] [--seconds 2] [--out FILE]

    off        an account without limits, budgets or grants
    budget     a budget of tokens in all, and requests and tokens a minute of key and account
    all        that, two grants of which the first pays, and budgets a day in tokens and a month in money

Rounds alternate, so that a machine that is busy otherwise is as busy for each; what counts is the median of the ratios
within a round.  Gateway and load are on a core each, where there are two.
"""

import argparse
import asyncio
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import uvloop
from bench.soak.gateway import free_port
from bench.soak.kill import machine

from gapura.store import budgets, grants
from gapura.store.sqlite import Store
from gapura.terms.grants import Terms

CONNECTIONS = 32
PLENTY = 10**14
READY_S = 30.0
MOST_LOST = 0.15
MODEL = "gpt-4o-mini"
CHAT = {"model": MODEL, "max_tokens": 64, "messages": [{"role": "user", "content": "Halo, apa kabar? " * 24}]}
USAGE = {"prompt_tokens": 120, "completion_tokens": 12, "total_tokens": 132}
SAID = json.dumps(
    {
        "id": "c1", "object": "chat.completion", "created": 1, "model": MODEL, "usage": USAGE,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Baik."}, "finish_reason": "stop"}],
    }
).encode()  # fmt: skip
PRICES = f'[prices."openai/{MODEL}"]\ncurrency = "USD"\ninput = 0.15\noutput = 0.6\n'
LIMITS = {"requests_per_minute": PLENTY, "tokens_per_minute": PLENTY}
CALLERS = ("off", "budget", "all")


class Counted(asyncio.Protocol):
    """Calls `whole` for each message with a body that has come whole."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._seen += data
        while (head := self._seen.find(b"\r\n\r\n")) >= 0:
            at = self._seen.lower().find(b"content-length:")
            length = int(self._seen[at + 15 : self._seen.find(b"\r\n", at)])
            if len(self._seen) < head + 4 + length:
                return
            status, self._seen = self._seen[9:12], self._seen[head + 4 + length :]
            self.whole(status)

    def whole(self, status: bytes) -> None:
        raise NotImplementedError


class Vendor(Counted):
    ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(SAID), SAID)

    def whole(self, status: bytes) -> None:  # noqa: ARG002 - a request has none
        self.transport.write(self.ANSWER)


class Caller(Counted):
    """One request after the other until `until`; `done` counts answers, `bad` those that are no 200."""

    def __init__(self, request: bytes, until: float, over: asyncio.Future[None]) -> None:
        super().__init__()
        self.done = self.bad = 0
        self._request, self._until, self.over = request, until, over

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(self._request)

    def whole(self, status: bytes) -> None:
        self.done += 1
        self.bad += status != b"200"
        if time.perf_counter() < self._until:
            self.transport.write(self._request)
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's shape
        if not self.over.done():
            self.over.set_result(None)


class Gateway:
    """`gapura serve` with one gate on a core of its own; `pids`: its processes, the gate first."""

    def __init__(self, folder: Path, vendor: int, core: int | None) -> None:
        self.folder, self.port, self.admin = folder, free_port(), free_port()
        self._token = os.urandom(32).hex()
        (folder / "gapura.toml").write_text(PRICES)
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self._environment = kept | {
            "GAPURA_HOME": str(folder / "home"), "GAPURA_PORT": str(self.port), "GAPURA_ADMIN_PORT": str(self.admin),
            "GAPURA_WORKERS": "1", "GAPURA_SITE_TERRITORY": "SG", "GAPURA_ADMIN_TOKEN": self._token,
            "OPENAI_API_KEY": "sk-x", "OPENAI_BASE_URL": f"http://127.0.0.1:{vendor}/v1",
            "XDG_RUNTIME_DIR": str(folder),
        }  # fmt: skip
        self._pinned = [] if core is None else ["taskset", "-c", str(core)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            command = [*self._pinned, sys.executable, "-m", "gapura", "serve"]
            self._process = subprocess.Popen(command, cwd=self.folder, env=self._environment, stdout=log, stderr=log)
        until = time.monotonic() + READY_S
        while True:
            try:
                if self.ask("GET", "/status")["gates"]:
                    return
            except OSError:
                pass
            if time.monotonic() > until:
                raise RuntimeError(f"the gateway is not ready: see {self.folder}/log")
            time.sleep(0.1)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=10)
        try:
            said = None if body is None else json.dumps(body)
            connection.request(method, f"/api/v1{path}", said, {"authorization": f"Bearer {self._token}"})
            answer = connection.getresponse()
            found = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {found}")
        return found

    def processor_s(self) -> tuple[float, float]:
        """Seconds of the gate, and of all processes."""
        gate = int(self.ask("GET", "/status")["gates"][0]["pid"])
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        spent = {pid: _ticks(pid) for pid in {gate, self._process.pid, *map(int, children)}}
        return spent[gate], sum(spent.values())


def _ticks(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def populate(gateway: Gateway) -> dict[str, str]:
    """Caller → key."""
    gateway.start()
    keys, ids = {}, {}
    for name in CALLERS:
        limits = {} if name == "off" else {"budget": PLENTY} | LIMITS
        made = gateway.ask("POST", "/accounts", {"external_id": name, **limits})["accounts"][0]["id"]
        of_key = {"account_id": made} | ({} if name == "off" else LIMITS)
        keys[name], ids[name] = gateway.ask("POST", "/keys", of_key)["secret"], made
    gateway.stop()
    account = ids["all"]

    def fund(db: Any) -> None:
        for number in (1, 2):
            terms = Terms(id=f"gr_{number}", account=account, amount=PLENTY, providers=("openai",), models=("gpt-*",))
            grants.create(db, terms, PLENTY, terms.id, 1)
        for said in ({"window": "day"}, {"window": "month", "unit": "USD"}):
            wanted: dict[str, Any] = {"amount": PLENTY, "account": account, **said}
            budgets.put(db, None, budgets.Wanted(**wanted), 1)

    store = Store.open(gateway.folder / "home" / "gapura.db")
    store.write(fund).result()
    store.close()
    gateway.start()
    return keys


async def load(port: int, key: str, seconds: float) -> tuple[int, int]:
    """How many were answered, and how many badly."""
    body = json.dumps(CHAT).encode()
    request = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body
    loop, until = asyncio.get_running_loop(), time.perf_counter() + seconds
    callers = [Caller(request, until, loop.create_future()) for _ in range(CONNECTIONS)]
    for caller in callers:
        await loop.create_connection(lambda caller=caller: caller, "127.0.0.1", port)  # type: ignore[misc]  # of the loop's turn
    for caller in callers:
        await caller.over
    return sum(caller.done for caller in callers), sum(caller.bad for caller in callers)


async def measure(gateway: Gateway, keys: dict[str, str], rounds: int, seconds: float) -> list[dict[str, Any]]:
    """One row a round and caller."""
    found = []
    for name in CALLERS:
        await load(gateway.port, keys[name], 0.5)
    for number in range(rounds):
        turn = CALLERS if number % 2 else CALLERS[::-1]
        for name in turn:
            before, began = await asyncio.to_thread(gateway.processor_s), time.perf_counter()
            done, bad = await load(gateway.port, keys[name], seconds)
            took = time.perf_counter() - began
            after = await asyncio.to_thread(gateway.processor_s)
            gate, every = ((late - early) / done * 1e6 for early, late in zip(before, after, strict=True))
            found.append(
                {"round": number, "caller": name, "rps": done / took, "gate_us": gate, "all_us": every, "bad": bad}
            )
    return found


def verdict(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians, and of each round the ratio to `off` in the same round."""
    found: dict[str, Any] = {"problems": []}
    of = {(row["round"], row["caller"]): row for row in rows}
    for name in CALLERS:
        mine = [row for row in rows if row["caller"] == name]
        found[name] = {
            what: round(statistics.median(row[what] for row in mine), 1) for what in ("rps", "gate_us", "all_us")
        }
        if name != "off":
            for what in ("rps", "gate_us", "all_us"):
                ratios = [row[what] / of[row["round"], "off"][what] for row in mine]
                found[name][f"{what}_to_off"] = round(statistics.median(ratios), 3)
            if (part := found[name]["rps_to_off"]) < 1 - MOST_LOST:
                found["problems"].append(f"{name}: {part} of the requests/s without metering")
    if bad := sum(row["bad"] for row in rows):
        found["problems"].append(f"{bad} answers were no 200")
    return found


async def run(folder: Path, rounds: int, seconds: float) -> dict[str, Any]:
    cores = sorted(os.sched_getaffinity(0))
    server = await asyncio.get_running_loop().create_server(Vendor, "127.0.0.1", 0)
    port = cast(socket.socket, server.sockets[0]).getsockname()[1]
    gateway = Gateway(folder, port, cores[0] if len(cores) > 1 else None)
    if len(cores) > 1:
        os.sched_setaffinity(0, set(cores[1:]))
    try:
        keys = await asyncio.to_thread(populate, gateway)
        return verdict(await measure(gateway, keys, rounds, seconds))
    finally:
        await asyncio.to_thread(gateway.stop)
        server.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    folder, on = Path(tempfile.mkdtemp(prefix="gm-")), machine()
    found = uvloop.run(run(folder, given.rounds, given.seconds))
    at = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds")  # noqa: TID251 - a log's date
    settings = {"rounds": given.rounds, "seconds": given.seconds, "connections": CONNECTIONS}
    text = json.dumps({"ok": not found["problems"], "at": at, **found, **settings, "machine": on}, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")
    shutil.rmtree(folder)
    return 1 if found["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
