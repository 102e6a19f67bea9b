"""What the runner beside the peers does not measure: a minute with all our processes counted until the journal is taken
in, streams of callers who do not ask for usage, and the gaps between small events.

    python -m bench.speed --runner FOLDER [--target gapura] [--seconds 60] [--out FILE]

FOLDER is where the runner is (`run.py`, `upstream.py`); targets are those of `bench/gapura.toml`.  Nothing else may
run meanwhile.
"""

import argparse
import asyncio
import importlib
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
import tomllib
import urllib.request
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HERE = Path(__file__).parent
UPSTREAM = 9100
EVENTS, EVERY_S = 64, 0.005
CHUNK = b'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" a"}}]}\n\n'
LAST = b'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


class Lag:
    """The journal's lag (seconds), as the keeper tells it; `most` is the highest that was seen."""

    def __init__(self, admin: str) -> None:
        self._url, self.most, self._stop = admin + "/metrics", 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def now(self) -> float:
        with urllib.request.urlopen(self._url, timeout=10) as answer:
            found = re.search(r"^gapura_journal_lag_seconds (\S+)", answer.read().decode(), re.M)
        return float(found[1]) if found else 0.0

    def settle(self) -> None:
        """Returns when everything is taken in."""
        self._stop.set()
        self._thread.join()
        while self.now() > 0:
            time.sleep(0.1)

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            self.most = max(self.most, self.now())


def counted(target: Any, mode: str, connections: int, seconds: int) -> dict[str, float]:
    """One load, and the processor time of all our processes until the journal's lag is 0."""
    lag, before = Lag(target.spec["admin"]), target.cpu_s()
    try:
        said = target.load(mode, connections, seconds)
    finally:
        lag.settle()
    spent = target.cpu_s() - before
    return {
        "seconds": seconds,
        "rps": round(said["rps"]),
        "cpu_us": round(spent / (said["rps"] * seconds) * 1e6, 1),
        "most_lag_s": round(lag.most, 2),
        "bad": said["bad"],
    }


async def gaps(url: str, key: str, address: str) -> dict[str, float]:
    """Milliseconds between events, of a vendor that sends a small one every 5 ms, straight and through the gateway."""

    async def vendor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        for _ in range(EVENTS):
            writer.write(CHUNK)
            await writer.drain()
            await asyncio.sleep(EVERY_S)
        writer.write(LAST)
        writer.close()

    async def seen(port: int, path: str) -> list[float]:
        body = b'{"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"hi"}]}'
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        who = f"Authorization: Bearer {key}\r\nX-Forwarded-For: {address}\r\n"
        writer.write(f"POST {path} HTTP/1.1\r\nHost: a\r\n{who}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        times: list[float] = []
        while b"[DONE]" not in (data := await reader.read(65536)) and data:
            if b"chunk" in data:
                times.append(time.perf_counter())
        writer.close()
        return [(after - before) * 1e3 for before, after in pairwise(times)]

    served = await asyncio.start_server(vendor, "127.0.0.1", UPSTREAM)
    found: dict[str, float] = {}
    async with served:
        for name, port, path in (("direct", UPSTREAM, "/"), ("through", urlsplit(url).port or 80, urlsplit(url).path)):
            many = [gap for _ in range(10) for gap in await seen(port, path)]
            found |= {f"{name}_median_ms": round(statistics.median(many), 2), f"{name}_most_ms": round(max(many), 2)}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runner", type=Path, required=True)
    parser.add_argument("--target", default="gapura")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    sys.path.insert(0, str(given.runner.resolve()))
    run = importlib.import_module("run")
    spec = tomllib.loads((HERE / "gapura.toml").read_text())[given.target]
    asked = run.body
    found: dict[str, Any] = {"target": given.target}
    with run.Target(given.target, spec, HERE) as target:
        upstream = subprocess.Popen(
            ["taskset", "-c", "1", run.BENCH / "bench/bin/python", given.runner / "upstream.py"]
        )
        try:
            while not run.answers(
                f"http://127.0.0.1:{UPSTREAM}/"
            ):  # or the first load meets nobody, and a circuit opens
                time.sleep(0.05)
            target.load("plain", 32, 1)
            found["plain"] = counted(target, "plain", 32, given.seconds)
            found["stream"] = counted(target, "stream", 32, max(given.seconds // 6, 2))
            run.body = lambda model, stream: re.sub(r', "stream_options": \{[^}]*\}', "", asked(model, stream))
            found["stream_without_usage"] = counted(target, "stream", 32, max(given.seconds // 6, 2))
        finally:
            upstream.terminate()
            upstream.wait()
        key, address = (run.BENCH / "gapura/callers.tsv").read_text().splitlines()[0].split("\t")
        os.sched_setaffinity(0, {1})
        found["gaps"] = asyncio.run(gaps(target.url, key, address))
    text = json.dumps(found, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
