"""The one owner of upstream sockets: a small pool of HTTP/1.1 connections, and nothing that a request does not need.

Connections are kept alive per upstream and the one used last is used first, so that those not needed grow old and
are closed.  Redirects are answers like any other: a vendor's key goes to its own host only.
"""

import asyncio
import re
import ssl
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from gapura.providers.connection import Connection, failed
from gapura.providers.pool import Pool

# Load balancers close idle connections after 60 to 75 s; we do before them, so that few requests meet a closed one.
IDLE_S = 50.0
IDLE_CONNECTIONS = 1_024

# How long the end of a body may take after the stream's own end mark: it comes in the same packet or the next.
LINGER_S = 1.0
OPEN_CONNECTIONS = 10_000

# How many ready heads are kept: a few a vendor are in use.
HEADS = 1_024

PORTS = {"http": 80, "https": 443}

Headers = Sequence[tuple[bytes, bytes]]

_TARGET = re.compile(r"(/[!-~]*)?")
_METHOD = re.compile(r"[A-Z]+")


class Deadlines(NamedTuple):
    """Seconds: to connect, TLS included; until the head of the answer; between two pieces of it."""

    connect_s: float = 5.0
    first_byte_s: float = 600.0
    idle_s: float = 60.0


class Upstream(NamedTuple):
    """Where a vendor is reached.  `prefix` is what its base URL has before the path of an endpoint."""

    scheme: str
    host: str
    port: int
    prefix: str = ""


def upstream(base_url: str) -> Upstream:
    """Read a base URL.  Raises ValueError that says what is wrong with it.

    >>> upstream("https://api.openai.com/v1/")
    Upstream(scheme='https', host='api.openai.com', port=443, prefix='/v1')
    """
    url = urlsplit(base_url)
    if url.scheme not in PORTS or not url.hostname:
        raise ValueError(f"{base_url!r} is no base URL; write e.g. https://api.openai.com/v1")
    if url.username is not None or url.query or url.fragment:
        raise ValueError(f"the base URL of {url.hostname} must not hold a user, a query or a fragment")
    if not url.hostname.isascii() or not _TARGET.fullmatch(url.path):
        raise ValueError(f"{base_url!r} must be ASCII without spaces")
    port = url.port if url.port is not None else PORTS[url.scheme]
    return Upstream(url.scheme, url.hostname, port, url.path.rstrip("/"))


class Answer:
    """The answer to one request.  Close it in any case: a call that is closed early is cancelled at the vendor.

    `idle_s` may be changed between reads.  `reused`: it came over a connection that had served before.
    """

    __slots__ = ("_connection", "_pool", "headers", "idle_s", "reused", "status")

    def __init__(self, pool: Pool, connection: Connection, idle_s: float) -> None:
        self.status = connection.status
        self.headers = connection.headers
        self.reused = connection.used > 1
        self._pool = pool
        self._connection: Connection | None = connection
        self.idle_s = idle_s

    async def read(self, until: float = inf) -> bytes:
        """What has come, joined; b"" at the end.  Raises UpstreamFailed when cut, or when nothing of it came for
        `idle_s`, or before `until` (by the event loop's clock)."""
        connection = self._connection
        if connection is None:
            return b""
        if connection.crowded:
            connection.crowded = False
            await asyncio.sleep(0)
        due = 0.0
        while not connection.queue:
            if connection.complete:
                self.close()
                return b""
            if connection.failure is not None:
                raise connection.failure
            due = due or min(connection.due(self.idle_s), until)
            await connection.wait(due)
        return connection.take()

    async def body(self, limit: int, until: float = inf) -> bytes:
        """All of it.  Raises UpstreamFailed as `read`, and above `limit` bytes."""
        pieces: list[bytes] = []
        size = 0
        while piece := await self.read(until):
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                self.close()
                raise failed(f"answered with more than {limit} bytes")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Give the connection back if the answer has come whole, else drop it.  May be called again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.put(connection)

    def finish(self) -> None:
        """The answer is over by its own word (`[DONE]`), though its framing may still say so: wait for that a moment
        without keeping anybody, so that the connection can serve again."""
        connection = self._connection
        if connection is None or connection.complete or connection.failure is not None:
            self.close()
        else:
            self._connection = None
            connection.linger(self._pool.put, LINGER_S)


class Transport:
    """All upstream traffic of a process.  Belongs to the event loop that it is used on.

    `ca_file` takes the place of the machine's certificate authorities.  Idle connections are kept for `idle_s`,
    `most_idle` a host; `most_open` a host is where we stop to open more.
    """

    def __init__(
        self,
        *,
        ca_file: Path | None = None,
        idle_s: float = IDLE_S,
        most_idle: int = IDLE_CONNECTIONS,
        most_open: int = OPEN_CONNECTIONS,
    ) -> None:
        self._ca_file = ca_file
        self._tls: ssl.SSLContext | None = None
        self._bounds: dict[str, Any] = {"idle_s": idle_s, "most_idle": most_idle, "most_open": most_open}
        self._pools: dict[tuple[str, str, int], Pool] = {}
        self._heads: dict[tuple[Upstream, str, str, tuple[tuple[bytes, bytes], ...]], bytes] = {}

    async def send(
        self, to: Upstream, path: str, headers: Headers, body: bytes, deadlines: Deadlines, *, method: str = "POST"
    ) -> Answer:
        """Send a request and wait for the head of its answer, whatever its status.

        Raises UpstreamFailed: 502 `upstream_unreachable`, `upstream_untrusted` or `upstream_failed`, 503
        `upstream_saturated`, 504 `upstream_timeout`; ValueError when a header of ours holds a line break.  A connection
        that served before and is found closed, without one byte of an answer, is replaced once by a fresh one.
        """
        head = self._head(to, method, path, headers, body)
        pool = self._pools.get((to.scheme, to.host, to.port)) or self._pool(to)
        connection = pool.take() or await pool.connect(deadlines.connect_s)
        try:
            due = connection.due(deadlines.first_byte_s)
            await connection.ask(head, body, due)
            if connection.stale():
                connection = await pool.connect(deadlines.connect_s)
                await connection.ask(head, body, due)
        except BaseException:
            connection.drop()  # nobody waits for the answer any more
            raise
        if not connection.status and connection.failure is not None:
            raise connection.failure
        return Answer(pool, connection, deadlines.idle_s)

    async def close(self) -> None:
        """Drop every connection, those in use too."""
        for pool in self._pools.values():
            await pool.close()
        self._pools.clear()

    def _pool(self, to: Upstream) -> Pool:
        if to.scheme == "https" and self._tls is None:
            self._tls = ssl.create_default_context(cafile=self._ca_file)
            self._tls.set_alpn_protocols(["http/1.1"])
        tls = self._tls if to.scheme == "https" else None
        pool = self._pools[to.scheme, to.host, to.port] = Pool(to.host, to.port, tls, **self._bounds)
        return pool

    def _head(self, to: Upstream, method: str, path: str, headers: Headers, body: bytes) -> bytes:
        key = to, method, path, tuple(headers)
        head = self._heads.get(key)
        if head is None:
            if len(self._heads) == HEADS:
                self._heads.clear()
            head = self._heads[key] = _opening(to, method, path) + _lines(headers)
        return head + (b"content-length: %d\r\n\r\n" % len(body) if body or method != "GET" else b"\r\n")


def _opening(to: Upstream, method: str, path: str) -> bytes:
    target = path[1:] if path.startswith("//") else to.prefix + path
    if not _TARGET.fullmatch(target) or not _METHOD.fullmatch(method):
        raise ValueError(f"{method} {target!r} cannot be asked for")
    host = f"[{to.host}]" if ":" in to.host else to.host
    if to.port != PORTS[to.scheme]:
        host = f"{host}:{to.port}"
    return f"{method} {target or '/'} HTTP/1.1\r\nhost: {host}\r\naccept-encoding: identity\r\n".encode()


def _lines(headers: Headers) -> bytes:
    lines = b"".join([name + b": " + value + b"\r\n" for name, value in headers])
    # A line break inside a value would begin a header, or a request, of the value's choosing.
    if not lines.count(b"\r") == lines.count(b"\n") == len(headers) or b"\0" in lines:
        raise ValueError("a header for the provider holds a line break or a NUL")
    return lines
