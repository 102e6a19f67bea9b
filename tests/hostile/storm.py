"""Hostile callers, many at once, in a process of their own: sends a run of attacks and judges what comes back.

    python -m tests.hostile.storm '{"host": "127.0.0.1", "port": 8080, "key": "sk-gp-…", "seed": 1, "count": 2000}'

prints what it saw: how often each status of each kind, and the faults, by attack, which are ours.
"""

import asyncio
import json
import socket
import struct
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import httptools
import msgspec
import uvloop
from tests.hostile.attacks import Attack, draw

# An attack that has not ended by then hangs: each limit of the gateway and its lingering are far shorter.
HANG_S = 25.0
READ_BYTES = 65_536
SMALL_BUFFER = 4_096
TOO_MANY = 429
PROBE = b"GET /livez HTTP/1.1\r\nhost: gate\r\nconnection: close\r\n\r\n"
ALIVE = b'{"status":"ok"}'


class Storm(msgspec.Struct, frozen=True):
    """`count` attacks from number `first` on, `at_once` of them at a time, `rate` a second (0: as fast as they go)."""

    host: str
    port: int
    key: str
    seed: int
    count: int
    first: int = 0
    at_once: int = 64
    rate: float = 0


class Seen(msgspec.Struct):
    """`statuses`: kind → what came of it → how often; `faults`: number of the attack → what is wrong."""

    statuses: dict[str, dict[str, int]]
    faults: dict[int, str]


class Answers:
    """The answers on one connection, by a parser that takes no nonsense."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.bodies: list[bytes] = []
        self.whole = 0
        self.closes = self.probed = False
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.closes |= (name.lower(), value.lower()) == (b"connection", b"close")

    def on_headers_complete(self) -> None:
        self.statuses.append(self._parser.get_status_code())
        self.bodies.append(b"")

    def on_body(self, body: bytes) -> None:
        self.bodies[-1] = (self.bodies[-1] + body)[-READ_BYTES:]

    def on_message_complete(self) -> None:
        self.whole += 1


async def run(storm: Storm) -> Seen:
    loop = asyncio.get_running_loop()
    counted: dict[str, Counter[str]] = {}
    faults: dict[int, str] = {}
    room = asyncio.Semaphore(storm.at_once)
    begun = loop.time()

    async def one(number: int) -> None:
        attack = draw(storm.seed, number, storm.key)
        answers = Answers()
        try:
            async with asyncio.timeout(HANG_S):
                await send(storm, attack, answers)
            found = list(judge(attack, answers))
        except TimeoutError:
            found = ["it hangs"]
        except httptools.HttpParserError as error:
            found = [f"the answer is not HTTP: {error}"]
        finally:
            room.release()
        counted.setdefault(attack.kind, Counter())[" ".join(map(str, answers.statuses)) or "closed"] += 1
        if found:
            faults[number] = f"{attack.kind}: {'; '.join(found)} ({answers.statuses})"

    async with asyncio.TaskGroup() as tasks:
        for number in range(storm.first, storm.first + storm.count):
            if storm.rate:
                await asyncio.sleep(begun + (number - storm.first) / storm.rate - loop.time())
            await room.acquire()
            tasks.create_task(one(number))
    return Seen({kind: dict(counter) for kind, counter in sorted(counted.items())}, faults)


async def send(storm: Storm, attack: Attack, answers: Answers) -> None:
    """One attack on a connection of its own, to its end."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER if attack.ends == "stalls" else READ_BYTES)
        await loop.sock_connect(sock, (storm.host, storm.port))
        with suppress(ConnectionError):
            for piece in attack.sends:
                await (loop.sock_sendall(sock, piece) if isinstance(piece, bytes) else asyncio.sleep(piece))
        if attack.ends == "resets":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if attack.ends in {"resets", "hangs up"}:
            return
        with suppress(ConnectionError):
            while came := await loop.sock_recv(sock, READ_BYTES):
                answers.feed(came)
                if answers.whole and not answers.closes and not answers.probed:
                    answers.probed = True
                    await loop.sock_sendall(sock, PROBE)


def judge(attack: Attack, answers: Answers) -> Iterator[str]:
    """What is wrong with it, on our side."""
    statuses, bodies = answers.statuses, answers.bodies
    if answers.probed and statuses[-1] != TOO_MANY and (statuses.pop(), bodies.pop()) != (200, ALIVE):
        yield "out of step afterwards"
    if any(status >= 500 for status in statuses):
        yield f"a failure of ours: {bodies!r}"
    if attack.refused and statuses[:1] < [400]:
        yield "served, or not answered"
    if attack.refused and len(statuses) > 1:
        yield "what stood behind it was answered"
    if attack.ends == "stalls" and answers.whole:
        yield "it was waited for"
    for status, body in zip(statuses, bodies, strict=True):
        if status >= 400 and not told(body):
            yield f"an error without words: {body!r}"


def told(body: bytes) -> bool:
    try:
        return bool(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return False


if __name__ == "__main__":
    wanted = msgspec.json.decode(sys.argv[1], type=Storm)
    sys.stdout.write(msgspec.json.encode(uvloop.run(run(wanted))).decode())
