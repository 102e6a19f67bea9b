"""HTTP in: one exchange with a caller, and the whole body within stated limits.

`Exchange` is the caller's side of a request for the stages: what they sent, what we say, and whether they are
still there.  It speaks ASGI, and learns of a hang-up from the connection itself where the edge offers that
(`scope["extensions"]["gapura.connection"]`), so that no task is needed to wait for one; there it also hands over
whole answers, which go out at once.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from gapura.errors import GapuraError, TooLarge
from gapura.providers.endings import ending
from gapura.terms.loss import Loss
from gapura.terms.rulebook import Target
from gapura.terms.verdict import Decision
from gapura.wire.dialect import Asked, Dialect
from gapura.wire.openai import CHAT

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
OK = 200

# Servers in front of us take some 8 kB of headers in all.
LONGEST = 2_000
UNPRINTABLE = re.compile(r"[^ -~]")

Headers = list[tuple[bytes, bytes]]


class Keeper(Protocol):
    """What is kept of an answer before the caller has seen its end (`gapura.request.remember.Keeping`)."""

    async def plain(self, body: bytes) -> bytes: ...
    async def last(self, data: bytes) -> bytes: ...


class Exchange:
    """One request and its answer.  `at` is when it came (UTC microseconds), `notes` the headers of the answer that
    the stages add as they go, and errors are said in the `dialect`."""

    __slots__ = (
        "_connection",
        "_receive",
        "_say",
        "_send",
        "_task",
        "at",
        "dialect",
        "effect",
        "gone",
        "headers",
        "id",
        "keeping",
        "notes",
        "path",
        "peer",
        "query",
        "started",
        "status",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, request_id: str, at: int) -> None:
        self.id, self.at = request_id, at
        self.path: str = scope["path"]
        self.query: bytes = scope.get("query_string", b"")
        self.headers: Headers = scope["headers"]
        self.peer: str = scope["client"][0] if scope.get("client") else ""
        name = request_id.encode()
        self.notes: Headers = [(b"gapura-request-id", name), (b"x-request-id", name)]
        self.dialect: Dialect = CHAT
        self.started = self.gone = False
        self.status, self.effect = 499, ""
        self._receive, self._send = receive, send
        self._say: Callable[[GapuraError], bytes] | None = None
        self.keeping: Keeper | None = None
        self._connection = scope.get("extensions", {}).get("gapura.connection")
        if self._connection is None:
            self._task = asyncio.current_task()
        else:
            self._task = self._connection.task
            self._connection.on_lost(self.hang_up)

    def decided(self, decision: Decision) -> None:
        """Name the decision in the answer; `gapura policy explain ID` tells the rest."""
        self.effect = decision.effect
        self.notes.append((b"gapura-decision", f"{decision.effect};id={decision.id}".encode()))

    def served_by(self, target: Target, losses: tuple[Loss, ...]) -> None:
        """Name the model that answers, whether it is about to end, and what was lost on the way to it."""
        self.notes.append((b"gapura-provider", str(target).encode()))
        if (soon := ending(target.provider, target.model)) is not None and self.at >= soon.since:
            self.notes.append((b"gapura-model", soon.told))
        if losses:
            fields = ", ".join(dict.fromkeys(loss.field for loss in losses))
            self.notes.append((b"gapura-losses", header_value(fields)))

    def hang_up(self) -> None:
        """The caller is gone: end what is done for them, upstream too, whatever it is waiting for."""
        self.gone = True
        if self._task is not None:
            self._task.cancel()

    async def body(self, limit: int) -> bytes:
        """All of it.  Raises TooLarge above `limit` bytes, CancelledError if the caller leaves half-way."""
        message = await self._receive()
        first: bytes = message.get("body", b"")
        if message["type"] == "http.request" and not message.get("more_body") and len(first) <= limit:
            return first
        pieces, size = [first], len(first)
        while message.get("more_body") and size <= limit:
            message = await self._receive()
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
        if message["type"] == "http.disconnect":
            self.gone = True
            raise asyncio.CancelledError
        if size > limit:
            raise TooLarge(f"The request body exceeds {limit} bytes.")
        return b"".join(pieces)

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """The whole answer at once."""
        if self.keeping is not None and status == OK:
            body = await self.keeping.plain(body)
        if self._connection is not None:
            self.started, self.status = True, status
            await self._connection.answer(status, headers + self.notes, body)
            return
        length = (b"content-length", str(len(body)).encode())
        await self._start(status, [*headers, length])
        await self._send({"type": "http.response.body", "body": body})

    async def begin(self, status: int, headers: Headers, say: Callable[[GapuraError], bytes]) -> None:
        """The head of an answer whose pieces follow; `say`: an error as the last of them."""
        self._say = say
        await self._start(status, headers)

    async def piece(self, data: bytes, *, last: bool = False) -> None:
        """Wait until the caller has room, and hand it on."""
        if last and self.keeping is not None:
            data = await self.keeping.last(data)
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})

    async def fail(self, error: GapuraError) -> None:
        """Say it in the caller's dialect: a response before the first byte, the stream's last event after it."""
        error.bare()
        if self.gone:
            return
        if self.started:
            say = self._say or self.dialect.render_event
            await self.piece(say(error), last=True)
        else:
            reply = self.dialect.render(error)
            await self.answer(reply.status, list(reply.headers), reply.body)

    async def _start(self, status: int, headers: Headers) -> None:
        self.started, self.status = True, status
        await self._send({"type": "http.response.start", "status": status, "headers": headers + self.notes})


def header_value(said: str) -> bytes:
    """What may stand in a header, of names that callers make up: no line breaks, and no more than clients read.

    >>> header_value("a\\r\\nb, é")
    b'a??b, ?'
    """
    return UNPRINTABLE.sub("?", said[:LONGEST]).encode()


async def accept(exchange: Exchange, limit: int) -> tuple[bytes, Asked]:
    """The body, which is JSON however it is labelled, and what it asks for.  Raises BadRequest and TooLarge."""
    body = await exchange.body(limit)
    return body, exchange.dialect.read(body)
