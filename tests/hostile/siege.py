"""A gateway with hostile callers on one side and good ones on the other, and what became of it."""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httptools
import msgspec
from tests.app.running import KEY, Gateway
from tests.hostile.attacks import PATH
from tests.hostile.storm import READ_BYTES, Answers, Seen, Storm

GOOD_CALLERS = 4
# Between an answer and the next question: good callers do not fill the machine themselves.
PAUSE_S = 0.01
GREETING = "The OpenAI sandbox, gpt-4o-mini, heard: "


class Good(msgspec.Struct):
    """What good callers saw: the seconds that each answer took, and what was not as it must be."""

    seconds: list[float] = []
    wrong: list[str] = []

    def p99(self) -> float:
        """Milliseconds."""
        return sorted(self.seconds)[len(self.seconds) * 99 // 100] * 1000


class Memory(msgspec.Struct, frozen=True):
    """Of one process, in bytes: resident before, at the most, and in the end."""

    before: int
    peak: int
    after: int


class Outcome(msgspec.Struct, frozen=True):
    """`calm`: what good callers saw before; `good`: meanwhile.  `memory`: by process id,
    if they are the same as before."""

    seen: Seen
    calm: Good
    good: Good
    memory: dict[int, Memory]
    same_processes: bool


async def besiege(gateway: Gateway, *, calm_s: float, storm: Storm) -> Outcome:
    """`calm_s` seconds of good callers alone, then as long as the storm takes beside it."""
    async with asking(gateway) as calm:
        await asyncio.sleep(calm_s)
    pids = processes(gateway)
    before = {pid: resident(pid, "VmRSS") for pid in pids}
    forget_peaks(pids)
    async with asking(gateway) as good:
        seen = await stormed(storm)
    same = processes(gateway) == pids
    memory = {pid: Memory(before[pid], resident(pid, "VmHWM"), resident(pid, "VmRSS")) for pid in pids if same}
    return Outcome(seen, calm, good, memory, same)


def storm_on(gateway: Gateway, *, seed: int, count: int, at_once: int, rate: float = 0) -> Storm:
    url = urlsplit(gateway.url)
    assert url.hostname and url.port
    return Storm(url.hostname, url.port, KEY, seed, count, at_once=at_once, rate=rate)


async def stormed(storm: Storm) -> Seen:
    """Hostile callers have a process of their own, so that their work does not slow down the good ones."""
    command = (sys.executable, "-m", "tests.hostile.storm", msgspec.json.encode(storm).decode())
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        out, _ = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
    return msgspec.json.decode(out, type=Seen)


def processes(gateway: Gateway) -> list[int]:
    """All that the supervisor started."""
    pid = gateway.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def resident(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024


def forget_peaks(pids: list[int]) -> None:
    """From here on VmHWM is the most since now."""
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")


@asynccontextmanager
async def asking(gateway: Gateway) -> AsyncIterator[Good]:
    """Good callers, one question after the other, until the block ends."""
    good, stop = Good(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for number in range(GOOD_CALLERS):
            tasks.create_task(_ask_on(gateway, number, good, stop))
        try:
            yield good
        finally:
            stop.set()


async def _ask_on(gateway: Gateway, number: int, good: Good, stop: asyncio.Event) -> None:
    """One caller, on one connection; every other answer is a stream."""
    url = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    for question in itertools.count():
        if stop.is_set():
            break
        words, streamed = f"caller{number} asks {question}", question % 2 == 1
        begun = time.perf_counter()
        writer.write(_request(words, streamed=streamed))
        answers = Answers()
        while not answers.whole:
            came = await reader.read(READ_BYTES)
            if not came:
                good.wrong.append(f"{words}: the connection was closed")
                return
            try:
                answers.feed(came)
            except httptools.HttpParserError as error:
                good.wrong.append(f"{words}: {error}")
                return
        good.seconds.append(time.perf_counter() - begun)
        await asyncio.sleep(PAUSE_S)
        if answers.statuses != [200] or said(answers.bodies[0], streamed=streamed) != GREETING + words:
            good.wrong.append(f"{words}: {answers.statuses} {answers.bodies}")
    writer.close()
    await writer.wait_closed()


def _request(words: str, *, streamed: bool) -> bytes:
    document = {"model": "valid", "messages": [{"role": "user", "content": words}], "stream": streamed}
    body = json.dumps(document).encode()
    lines = (b"POST %b HTTP/1.1" % PATH, b"host: gate", b"authorization: Bearer " + KEY.encode())
    return b"\r\n".join((*lines, b"content-length: %d" % len(body), b"", body))


def said(body: bytes, *, streamed: bool) -> str:
    """The text of an answer; of a stream that has no end, none."""
    if not streamed:
        return str(json.loads(body)["choices"][0]["message"]["content"])
    events = body.decode().split("\n\n")
    if events[-2:] != ["data: [DONE]", ""]:
        return ""
    choices = [json.loads(event.removeprefix("data: "))["choices"] for event in events[:-2]]
    return "".join(choice[0]["delta"].get("content") or "" for choice in choices if choice)
