"""`Post`: a message to one address, over few connections, at the pace that the other side bears.

A message is tried once.  What is deferred is the caller's to bring again, because only the caller knows whether it is
still meant by then.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import TracebackType

from gapura.clock import SECOND, Clock
from gapura.post.connection import Begin, Broken, Connection, Envelope
from gapura.post.journal import Journal, JournalFull
from gapura.post.outcomes import CLOSING, Answer, Stopped, judge
from gapura.post.pace import Pace, Paces, Sleep
from gapura.post.relay import Relay
from gapura.terms.letter import Composed, Outcome, Receipt

IDLE = 30 * SECOND
"""After which a connection is not used again: relays close idle ones, some of them without a word."""


class Post:
    """Opens connections as they are needed; `async with` closes them.  For one event loop."""

    def __init__(self, relay: Relay, journal: Journal, clock: Clock, sleep: Sleep = asyncio.sleep) -> None:
        self._relay, self._journal, self._clock = relay, journal, clock
        self._paces = Paces(Pace(relay.table.messages_per_s), relay.limits, clock, sleep)
        self._room = asyncio.Semaphore(relay.table.connections)
        self._idle: list[Connection] = []
        self._refusals = 0
        self.stopped = ""
        """Why nothing is sent any more; "": it is."""

    async def send(self, composed: Composed, to: str) -> Receipt:
        """What became of it, which is in the journal then.  `to` is a plain address (`letters.address`).

        Raises Stopped where the relay takes nothing from us, now and for every message after it.
        """
        domain = to.rpartition("@")[2].lower()
        async with self._paces.turn(domain), self._room:
            if self.stopped:
                raise Stopped(self.stopped)
            try:
                self._journal.reserve()
            except JournalFull as error:
                return self._receipt(composed, Answer("connect", 0, str(error)), "deferred")
            try:
                return await self._send(composed, to)
            except Stopped as error:
                self.stopped = str(error)
                raise
            finally:
                self._journal.release()

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().quit()

    async def __aenter__(self) -> "Post":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.close()

    async def _send(self, composed: Composed, to: str) -> Receipt:
        begun = False

        async def begin() -> None:
            nonlocal begun
            await self._journal.sending(composed.message_id, to, composed.sha256)
            begun = True

        try:
            answer = await self._hand_over(Envelope(composed.sender, to, composed.message), begin)
        except Broken as broken:
            answer = broken.answer
        except OSError as error:
            answer = Answer("data", 0, f"the journal cannot be written: {error}")
        receipt = self._receipt(composed, answer, judge(answer))
        if begun:
            # A line that cannot be written says `unsure` where we know better; the caller has the receipt.
            with suppress(OSError):
                self._journal.answered(to, receipt)
        if answer.step != "address":
            self._count(receipt)
        return receipt

    def _receipt(self, composed: Composed, answer: Answer, outcome: Outcome) -> Receipt:
        return Receipt(
            message_id=composed.message_id,
            outcome=outcome,
            at=self._clock(),
            code=answer.code,
            answer=answer.text,
            sha256=composed.sha256,
        )

    def _count(self, receipt: Receipt) -> None:
        """A relay that refuses one address after another refuses us, whatever it says."""
        self._refusals = self._refusals + 1 if receipt.outcome == "refused" else 0
        if self._refusals >= self._relay.table.refusals_in_a_row:
            self.stopped = (
                f"the relay has refused {self._refusals} addresses in a row, the last one with: "
                f"{receipt.code} {receipt.answer}"
            )

    async def _hand_over(self, envelope: Envelope, begin: Begin) -> Answer:
        """On a connection that was used before, where there is one.  If that turns out to be closed before anything of
        the message went out, once more on a new one."""
        used = self._used()
        if used is not None:
            try:
                async with self._kept(used):
                    answer = await used.hand_over(envelope, begin)
                    if not (answer.step == "sender" and answer.code == CLOSING):
                        return answer
            except Broken as broken:
                if broken.answer.step != "sender":
                    raise
        fresh = await Connection.open(self._relay)
        async with self._kept(fresh):
            return await fresh.hand_over(envelope, begin)

    def _used(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.alive and self._clock() - connection.idle_since < IDLE:
                return connection
            connection.close()
        return None

    @asynccontextmanager
    async def _kept(self, connection: Connection) -> AsyncIterator[None]:
        """Keeps the connection for the next message, if it is good for one."""
        try:
            yield
        except BaseException:
            connection.close()
            raise
        if not connection.alive:
            return
        if connection.sent >= self._relay.table.messages_per_connection:
            await connection.quit()
            return
        connection.idle_since = self._clock()
        self._idle.append(connection)
