"""What translation costs: the same question passed on as it came and translated, plain and as a stream.

    python -m bench.translate [--seconds 5] [--out FILE]

One gate, a vendor on another core that answers at once, and 16 connections.  Requests a second depend on what else the
machine does; what counts is the processor time that the gate takes for each, and its ratio to passing on.
"""

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.app.running import KEY, serving

from gapura.clock import system_clock, text

CONNECTIONS, EVENTS = 16, 64
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
TEXT = "Halo, apa kabar? " * 12

MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": TEXT}]
CHAT = {"messages": MESSAGES, "temperature": 0.7, "max_completion_tokens": 256}
RESPONSES = {"input": MESSAGES, "temperature": 0.7, "max_output_tokens": 256}
ANTHROPIC = {"system": "Be brief.", "messages": MESSAGES[1:], "temperature": 0.7, "max_tokens": 256}

DOCUMENT = '[routes.passed]\ntargets = ["openai/m"]\n[routes.translated]\ntargets = ["qwen/m"]\n'


class Case(NamedTuple):
    path: str
    model: str
    ask: dict[str, Any]


CASES = {
    "chat passed": Case("/chat/completions", "passed", CHAT),
    "chat translated": Case("/chat/completions", "translated", CHAT),
    "responses passed": Case("/responses", "passed", RESPONSES),
    "responses by chat": Case("/responses", "translated", RESPONSES),
    "messages by chat": Case("/messages", "translated", ANTHROPIC),
}
# What is translated comes as chat, and is measured against chat that passes.
TRANSLATED = ("chat translated", "responses by chat", "messages by chat")
LEAST = {"plain": 0.6, "stream": 0.5}


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": "m"}
    return b"data: " + json.dumps(head | {"choices": [choice]} | more, separators=(",", ":")).encode() + b"\n\n"


def event(number: int, kind: str, **said: Any) -> bytes:
    data = json.dumps({"type": kind, "sequence_number": number} | said, separators=(",", ":"))
    return f"event: {kind}\ndata: {data}\n\n".encode()


USAGE = {"prompt_tokens": 50, "completion_tokens": EVENTS, "total_tokens": 50 + EVENTS}
SPENT = {"input_tokens": 50, "output_tokens": EVENTS, "total_tokens": 50 + EVENTS}
PART = {"type": "output_text", "text": " kata" * EVENTS, "annotations": []}
ITEM = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [PART]}
WHOLE = {"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": [ITEM], "usage": SPENT}

ANSWERS: dict[tuple[str, bool], bytes] = {
    ("/chat/completions", False): json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": " kata" * EVENTS},
                    "finish_reason": "stop",
                }
            ],
            "usage": USAGE,
        }
    ).encode(),
    ("/responses", False): json.dumps(WHOLE).encode(),
    ("/chat/completions", True): b"".join(
        [
            chunk({"role": "assistant", "content": ""}),
            *[chunk({"content": " kata"}) for _ in range(EVENTS)],
            chunk({}, "stop"),
            chunk({}, choices=[], usage=USAGE),
            b"data: [DONE]\n\n",
        ]
    ),
    ("/responses", True): b"".join(
        [
            event(0, "response.created", response={"id": "resp_1"}),
            event(1, "response.output_item.added", output_index=0, item=ITEM | {"content": []}),
            *[
                event(
                    2 + n, "response.output_text.delta", item_id="msg_1", output_index=0, content_index=0, delta=" kata"
                )
                for n in range(EVENTS)
            ],
            event(2 + EVENTS, "response.completed", response=WHOLE),
        ]
    ),
}


async def vendor(port: int) -> None:
    """Answers every question at once.  Its events come in eight pieces, as a busy network hands them over."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.split(b"\r\n")
                length = next(int(line[15:]) for line in lines if line.lower().startswith(b"content-length:"))
                body = await reader.readexactly(length)
                path = "/responses" if b"/responses " in lines[0] else "/chat/completions"
                streams = b'"stream":true' in body
                said = ANSWERS[path, streams]
                if not streams:
                    top = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(said)
                    writer.write(top + said)
                    continue
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                )
                size = len(said) // 8 + 1
                for at in range(0, len(said), size):
                    piece = said[at : at + size]
                    writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    await writer.drain()
                writer.write(b"0\r\n\r\n")
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", port) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


async def answers(reader: asyncio.StreamReader, *, streams: bool) -> AsyncIterator[bytes]:
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError((head + await reader.read(1000)).decode())
        if streams:
            yield await reader.readuntil(b"0\r\n\r\n")
        else:
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            yield await reader.readexactly(length)


async def caller(url: str, case: Case, until: float, *, streams: bool) -> int:
    body = json.dumps({"model": case.model, "stream": streams} | case.ask, separators=(",", ":")).encode()
    parts, done = urlsplit(url), 0
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = f"POST {parts.path}{case.path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {KEY}\r\n"
    asked = answers(reader, streams=streams)
    while not done or time.perf_counter() < until:
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        await anext(asked)
        done += 1
    writer.close()
    return done


def spent(session: int) -> float:
    """Processor seconds of all processes of a session."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            fields = stat.read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) * (int(fields[3]) == session)
    return total * TICK_S


async def measured(url: str, session: int, case: Case, seconds: float, *, streams: bool) -> dict[str, float]:
    await asyncio.gather(
        *[caller(url, case, time.perf_counter() + min(seconds, 0.3), streams=streams) for _ in range(2)]
    )
    before, begun = spent(session), time.perf_counter()
    done = sum(await asyncio.gather(*[caller(url, case, begun + seconds, streams=streams) for _ in range(CONNECTIONS)]))
    took, cost = time.perf_counter() - begun, max(spent(session) - before, TICK_S)
    return {"rps": round(done / took), "cpu_us": round(cost / done * 1e6, 1)}


def run(seconds: float) -> dict[str, Any]:
    """Each case twice, in turn; the better of the two, so that what others do on the machine counts least."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="gapura-translate-") as folder:
        upstream = subprocess.Popen(
            [sys.executable, "-m", "bench.translate", "--vendor"], stdout=subprocess.PIPE, text=True
        )
        assert upstream.stdout is not None
        where = f"http://127.0.0.1:{int(upstream.stdout.readline())}"
        keys = {f"{name}_API_KEY": "sk-bench" for name in ("OPENAI", "DASHSCOPE")}
        urls = {f"{name}_BASE_URL": where for name in ("OPENAI", "DASHSCOPE")}
        try:
            with serving(Path(folder), DOCUMENT, GAPURA_SITE_TERRITORY="SG", **keys, **urls) as gateway:
                for mode in ("plain", "stream"):
                    for name, case in list(CASES.items()) * 2:
                        one = asyncio.run(
                            measured(gateway.url, gateway.process.pid, case, seconds, streams=mode == "stream")
                        )
                        kept = found.setdefault(mode, {}).get(name)
                        if kept is None or one["cpu_us"] < kept["cpu_us"]:
                            found[mode][name] = one
        finally:
            upstream.terminate()
            upstream.communicate()
    for mode, least in LEAST.items():
        of = found[mode]
        ratios = {name: round(of["chat passed"]["cpu_us"] / of[name]["cpu_us"], 2) for name in TRANSLATED}
        of["speed_against_passing"] = ratios
        of["least"] = least
    return {
        "at": text(system_clock()),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "seconds": seconds,
        "events": EVENTS,
        **found,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--vendor", action="store_true", help="be the vendor, and nothing else")
    given = parser.parse_args()
    if given.vendor:
        asyncio.run(vendor(0))
        return 0
    found = run(given.seconds)
    shown = json.dumps(found, indent=1)
    print(shown)
    if given.out:
        given.out.write_text(shown + "\n")
    met = all(min(found[mode]["speed_against_passing"].values()) >= least for mode, least in LEAST.items())
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
