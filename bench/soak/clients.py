"""Callers on raw sockets, and their log: what each was answered, and how far.

whole    a plain body of the stated length, or a stream up to `[DONE]`
told     a stream whose last event is an error
cut      the head of a 200 came, and not the rest          lost     not even a head came
refused  an error, whole                                   left     the caller hung up half-way
hung     nothing came for PATIENCE_S: never right
"""

import asyncio
import random
from collections import Counter
from typing import Any, Literal

import httptools
import msgspec

State = Literal["whole", "told", "cut", "lost", "refused", "left", "hung"]

PATIENCE_S = 45.0
# After what was no answer: nobody hammers on a gateway that is down.
PAUSE_S = 0.05


class Kind(msgspec.Struct, frozen=True):
    """What may be asked.  `tokens`: how many a whole answer has, 0: not said beforehand."""

    model: str
    tokens: int = 0
    stream: bool = True
    limit: int = 256


class Line(msgspec.Struct):
    """One request in the log.  `usage` is (input, output) as the answer said."""

    account: str
    kind: Kind
    id: str = ""
    status: int = 0
    state: State = "lost"
    code: str = ""
    usage: tuple[int, int] | None = None


class Answer:
    """Takes an HTTP answer apart as it comes; the callbacks are httptools'."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.headers: dict[bytes, bytes] = {}
        self.body = bytearray()
        self.begun = self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.begun = True

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.complete = True


class Clients:
    """`start` callers that send one request after the other; `pause` returns when the last one is answered."""

    def __init__(self, port: int, keys: dict[str, str], kinds: list[Kind], seed: int) -> None:
        self.log: list[Line] = []
        self._port, self._keys, self._kinds = port, keys, kinds
        self._random = random.Random(seed)
        self._going = asyncio.Event()
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def counts(self) -> Counter[str]:
        return Counter(line.state for line in self.log)

    def resume(self) -> None:
        self._going.set()

    async def pause(self) -> None:
        self._going.clear()
        await self._idle.wait()

    async def run(self, number: int) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as callers:
            for _ in range(number):
                callers.create_task(self._call_on())

    async def _call_on(self) -> None:
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while True:
            await self._going.wait()
            self._busy += 1
            self._idle.clear()
            line = Line(self._random.choice(list(self._keys)), self._random.choice(self._kinds))
            try:
                connection = connection or await asyncio.open_connection("127.0.0.1", self._port)
                kept = await self._ask(line, *connection)
            except OSError:
                kept = False
            if connection is not None:
                self.log.append(line)
            if not kept:
                if connection is not None:
                    connection[1].close()
                connection = None
            self._busy -= 1
            if not self._busy:
                self._idle.set()
            if line.state != "whole":
                await asyncio.sleep(PAUSE_S)

    async def _ask(self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Sends it and notes what comes; whether the connection can be used again."""
        writer.write(request(line.kind, self._keys[line.account]))
        answer = Answer()
        leaves_at = self._random.randrange(50, 4000) if line.kind.stream and self._random.random() < LEAVERS else 0
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not answer.complete and (data := await reader.read(65536)):
                    answer.parser.feed_data(data)
                    if leaves_at and len(answer.body) > leaves_at and not done(answer):
                        line.state = "left"
                        break
        except TimeoutError:
            line.state = "hung"
        except OSError:
            pass  # reset: what came before it counts
        note(line, answer)
        return answer.complete and answer.parser.should_keep_alive()


# The part of the streams whose caller does not want to hear the end.
LEAVERS = 0.03


def request(kind: Kind, key: str) -> bytes:
    """A chat request over HTTP/1.1."""
    said: dict[str, Any] = {
        "model": kind.model,
        "messages": [{"role": "user", "content": "What stands at the entrance?"}],
        "max_tokens": kind.limit,
    }
    if kind.stream:
        said |= {"stream": True, "stream_options": {"include_usage": True}}
    body = msgspec.json.encode(said)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def note(line: Line, answer: Answer) -> None:
    """What an answer, or the part of it that came, says."""
    if not answer.begun:
        return
    line.id = answer.headers.get(b"gapura-request-id", b"").decode()
    line.status = answer.parser.get_status_code()
    body = bytes(answer.body)
    if line.state not in {"left", "hung"}:
        line.state = judged(line, answer)
    if line.status != 200:
        line.code = str((error_of(body) or {}).get("code", ""))
    elif line.state == "told":
        line.code = str((error_of(events(body)[-1]) or {}).get("code", ""))
    elif line.state == "whole":
        line.usage = used(events(body)[-2] if line.kind.stream else body)


def judged(line: Line, answer: Answer) -> State:
    if line.status != 200:
        return "refused" if answer.complete else "cut"
    if not line.kind.stream:
        return "whole" if answer.complete else "cut"
    if done(answer):
        return "whole"
    return "told" if answer.complete and b'data: {"error"' in answer.body else "cut"


def done(answer: Answer) -> bool:
    return b"data: [DONE]" in answer.body


def events(body: bytes) -> list[bytes]:
    return [part.removeprefix(b"data: ") for part in body.split(b"\n\n") if part.startswith(b"data: ")]


def error_of(body: bytes) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(body).get("error")
    except (msgspec.DecodeError, AttributeError):
        return None
    return found if isinstance(found, dict) else None


def used(body: bytes) -> tuple[int, int]:
    usage = msgspec.json.decode(body)["usage"]
    return usage["prompt_tokens"], usage["completion_tokens"]
