"""One gate for an hour: a thousand open streams, a million keys in the directory, and what that costs in memory.

    python -m bench.soak.hour [--minutes 60] [--streams 1000] [--keys 1000000] [--out FILE]

The sandbox plays the vendor.  Every stream ticks once in two seconds and is opened anew when it ends; beside them
plain requests run at a steady rate, each with another key.  Every ten seconds: the gate's resident memory, its open
files, and the journal's lag.  Exit code 1 where a bar is missed: gate ≤ 100 MB with its streams, keys add ≤ 40 MB,
lag ≤ 2 s throughout, memory flat (the second half's median within 5 % of the first half's).
"""

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.soak.gateway import Gateway

from gapura.clock import system_clock, text
from gapura.store import accounts, keys, secrets
from gapura.store.sqlite import Store

MB = 2**20
TICK_MS, TICKS = 2_000, 300
PLAIN_S = 0.05
SAMPLE_S = 10.0
WARM_UP_S = 60.0
BODY = {"messages": [{"role": "user", "content": "Halo"}]}


def fill(home: Path, count: int) -> list[str]:
    """Keys in a new home, made as the store makes them; some of them, to ask with."""
    store = Store.open(home / "gapura.db")
    secret, at, shown = store.secret, store.clock(), []

    def work(db: Any) -> None:
        rows = accounts.from_dicts([{"external_id": f"customer-{n}"} for n in range(max(count // 100, 1))])
        ids = [account.id for account in accounts.upsert(db, None, rows, at).created]
        for n in range(count):
            token = secrets.draw(keys.PREFIX)
            keys.create(db, None, keys.Wanted(account_id=ids[n % len(ids)]), token, secret, at)
            if n % max(count // 10_000, 1) == 0:
                shown.append(token)

    store.write(work).result()
    store.close()
    return shown


def resident(pid: int) -> int:
    """Bytes in memory, shared pages included: more than is its own, never less."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


class Load:
    def __init__(self, port: int, tokens: list[str]) -> None:
        self.open = self.ended = self.broken = self.answered = 0
        self._port, self._tokens = port, tokens

    async def _ask(self, token: str, body: dict[str, Any]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**16)
        data = json.dumps(BODY | body).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {token}\r\n"
        writer.write(f"{head}connection: close\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data)
        return reader, writer

    async def stream(self) -> None:
        """For ever: a stream after the other."""
        while True:
            tail = b""
            reader, writer = await self._ask(random.choice(self._tokens), {"model": "openai/" + STREAM, "stream": True})
            self.open += 1
            try:
                while piece := await reader.read(65_536):
                    tail = (tail + piece)[-64:]
            finally:
                self.open -= 1
                writer.close()
            whole = b"[DONE]" in tail
            self.ended, self.broken = self.ended + whole, self.broken + (not whole)

    async def plain(self) -> None:
        while True:
            reader, writer = await self._ask(random.choice(self._tokens), {"model": "gpt-4o-mini"})
            self.answered += (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()
            await asyncio.sleep(PLAIN_S)


STREAM = f"sandbox-stream-{TICKS}-{TICK_MS}"


def lag(gateway: Gateway) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{gateway.admin_port}/metrics", timeout=10) as answer:
        lines = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#"))
    return float(lines["gapura_journal_lag_seconds"])


async def looked_up(gateway: Gateway, tokens: list[str]) -> int:
    """The gate's memory once it has served many different keys."""
    load = Load(gateway.port, tokens)
    for token in tokens:
        reader, writer = await load._ask(token, {"model": "gpt-4o-mini"})
        await reader.read()
        writer.close()
    return resident(gateway.pids["gate 0"])


async def hour(gateway: Gateway, tokens: list[str], streams: int, minutes: float) -> list[dict[str, float]]:
    load, samples, began = Load(gateway.port, tokens), [], time.monotonic()
    tasks = [asyncio.ensure_future(load.plain())]
    for _ in range(streams):
        tasks.append(asyncio.ensure_future(load.stream()))
        await asyncio.sleep(0.005)
    pid = gateway.pids["gate 0"]
    while (at := time.monotonic() - began) < minutes * 60:
        await asyncio.sleep(SAMPLE_S)
        sample = {"s": round(at), "mb": round(resident(pid) / MB, 1), "open": load.open, "ended": load.ended}
        sample |= {"broken": load.broken, "plain": load.answered, "files": open_files(pid)}
        samples.append(sample | {"lag_s": round(await asyncio.to_thread(lag, gateway), 3)})
        print(json.dumps(samples[-1]), file=sys.stderr, flush=True)
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, OSError):
            await task
    return samples


def verdict(samples: list[dict[str, float]], few: int, many: int, streams: int) -> dict[str, Any]:
    """`few` and `many`: the gate's bytes after it has served keys of a small and of the large directory."""
    steady = [sample for sample in samples if sample["s"] > WARM_UP_S and sample["open"] >= streams * 0.99]
    first, second = steady[: len(steady) // 2], steady[len(steady) // 2 :]
    medians = [statistics.median(sample["mb"] for sample in half) for half in (first, second)]
    found: dict[str, Any] = {
        "gate_mb": max(sample["mb"] for sample in steady),
        "keys_add_mb": round((many - few) / MB, 1),
        "lag_s": max(sample["lag_s"] for sample in samples),
        "halves_mb": medians,
        "broken": max(sample["broken"] for sample in samples),
        "streams_ended": samples[-1]["ended"],
    }
    bars = {
        "gate ≤ 100 MB": found["gate_mb"] <= 100,
        "keys add ≤ 40 MB": found["keys_add_mb"] <= 40,
        "lag ≤ 2 s": found["lag_s"] <= 2,
        "flat": medians[1] <= medians[0] * 1.05,
        "no stream broken": found["broken"] == 0,
    }
    return {"found": found, "bars": bars, "holds": all(bars.values())}


async def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--minutes", type=float, default=60)
    ask.add_argument("--streams", type=int, default=1000)
    ask.add_argument("--keys", type=int, default=1_000_000)
    ask.add_argument("--out", type=Path)
    args = ask.parse_args()
    memory, samples = [], []
    for count in (1_000, args.keys):
        with tempfile.TemporaryDirectory(prefix="gapura-hour-") as folder:
            gateway = Gateway(Path(folder), gates=1)
            gateway.home.mkdir(mode=0o700)
            tokens = fill(gateway.home, count)
            try:
                await gateway.start()
                memory.append(await looked_up(gateway, tokens[:1_000]))
                print(f"{count} keys: {memory[-1] / MB:.1f} MB", file=sys.stderr, flush=True)
                if count == args.keys:
                    samples = await hour(gateway, tokens, args.streams, args.minutes)
                await gateway.stop()
            finally:
                gateway.end()
    judged = verdict(samples, memory[0], memory[1], args.streams)
    machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
    at = text(system_clock())
    result = {"at": at, "machine": machine, **vars(args), **judged, "samples": samples}
    if args.out:
        args.out.write_text(json.dumps(result | {"out": args.out.name}, indent=1) + "\n")
    print(json.dumps(judged, indent=1, ensure_ascii=False))
    return 0 if judged["holds"] else 1


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
