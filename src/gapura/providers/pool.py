"""The connections to one host: kept alive, the one used last used first, so that those not needed grow old and go."""

import asyncio
import os
import socket
import ssl
from collections import deque

from gapura.errors import UpstreamFailed
from gapura.providers.connection import Connection, timed_out, unreachable, untrusted


class Pool:
    """`idle_s` and `most_idle` bound what is kept, `most_open` what there is at all.  `tls` None: in the clear."""

    def __init__(
        self, host: str, port: int, tls: ssl.SSLContext | None, *, idle_s: float, most_idle: int, most_open: int
    ) -> None:
        self._host, self._port, self._tls = host, port, tls
        self._idle_s, self._most_idle, self._most_open = idle_s, most_idle, most_open
        self._loop = asyncio.get_running_loop()
        self._idle: deque[Connection] = deque()
        self._open: set[Connection] = set()
        self._connecting = 0
        self._sweep: asyncio.TimerHandle | None = None
        self._lookup: asyncio.Future[list[str]] | None = None

    def take(self) -> Connection | None:
        """A connection that has served before and is alive as far as we can know."""
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable():
                return connection
        return None

    async def connect(self, connect_s: float) -> Connection:
        """A fresh one.  Raises UpstreamFailed: 504 when it takes longer, 502 when it cannot be."""
        if len(self._open) + self._connecting >= self._most_open:
            raise UpstreamFailed(
                f"The provider is being asked over {self._most_open} connections already.",
                status=503,
                code="upstream_saturated",
                trips=False,
            )
        self._connecting += 1
        try:
            async with asyncio.timeout(connect_s):
                connection = await self._connect(await self._addresses())
        except TimeoutError:
            raise timed_out(f"could not be connected to within {connect_s:g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise untrusted(error.verify_message) from error
        except (OSError, UnicodeError) as error:
            raise unreachable(_why(error)) from error
        finally:
            self._connecting -= 1
        if not connection.keep:
            raise unreachable("it closed the connection at once")
        # Not before: of a call that is cancelled, uvloop tells the protocol its beginning and not its end.
        self._open.add(connection)
        return connection

    def put(self, connection: Connection) -> None:
        """Keep it for the next request if its answer has come whole, else drop it."""
        if not connection.reusable():
            connection.drop()
            return
        connection.since = self._loop.time()
        self._idle.append(connection)
        if len(self._idle) > self._most_idle:
            self._idle.popleft().drop()
        if self._sweep is None:
            self._sweep = self._loop.call_at(connection.since + self._idle_s, self._expire)

    async def close(self) -> None:
        """Drop all, those in use too, and wait until they are gone."""
        if self._sweep is not None:
            self._sweep.cancel()
        if self._lookup is not None:
            self._lookup.cancel()
        while self._open:
            for connection in self._open:
                connection.drop()
            await asyncio.sleep(0)

    async def _addresses(self) -> list[str]:
        """One look-up for all who wait: a silent name server keeps its thread, of which the event loop has a few for
        all vendors, long after those who waited gave up."""
        if self._lookup is None:
            self._lookup = asyncio.ensure_future(self._look_up())
            self._lookup.add_done_callback(self._looked_up)
        return await asyncio.shield(self._lookup)

    async def _look_up(self) -> list[str]:
        found = await self._loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        return [str(address[0]) for *_, address in found]

    def _looked_up(self, lookup: "asyncio.Future[list[str]]") -> None:
        self._lookup = None
        if not lookup.cancelled():
            lookup.exception()  # those who waited have it, if anybody still does

    async def _connect(self, addresses: list[str]) -> Connection:
        """To the first that takes it.  Raises OSError as the last one did."""
        refused: OSError = socket.gaierror("no address")
        name = self._host if self._tls is not None else None
        for address in addresses:
            try:
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._loop, self._open.discard),
                    address,
                    self._port,
                    ssl=self._tls,
                    server_hostname=name,
                )
            except OSError as error:
                refused = error
            else:
                return connection
        raise refused

    def _expire(self) -> None:
        # The deque is sorted by age: what is used goes in and out at the right.
        self._sweep = None
        now = self._loop.time()
        while self._idle and (due := self._idle[0].since + self._idle_s) <= now:
            self._idle.popleft().drop()
        if self._idle:
            self._sweep = self._loop.call_at(due, self._expire)


def _why(error: Exception) -> str:
    """In words that a caller may read: no address of ours or the vendor's, which asyncio puts into its own."""
    match error:
        case ssl.SSLError():
            return f"TLS failed ({error.reason})"
        case socket.gaierror() | UnicodeError():
            return "its name does not resolve"
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
    return "no address of it took the connection"
