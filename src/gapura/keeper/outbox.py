"""Tells webhooks what happened: signed, at least once, of each account in order.

The scheme is that of standardwebhooks.com, so that every language has a library that checks it.  An endpoint has so
many posts under way and no more, so that a slow one keeps nobody else waiting.
"""

import asyncio
import base64
import hmac
from collections import Counter
from typing import Protocol
from urllib.parse import urlsplit

import structlog

from gapura import crash
from gapura.clock import SECOND, Clock
from gapura.errors import UpstreamFailed
from gapura.providers.transport import PORTS, Answer, Deadlines, Transport, Upstream
from gapura.store import outbox, webhooks
from gapura.store.base import Connection, StoreFailed
from gapura.store.outbox import Claim, Said
from gapura.store.sqlite import Store
from gapura.store.webhooks import Webhook

log = structlog.get_logger()

LOOK_S = 0.5
AT_ONCE = 8
# Less than the lease, or an event would be sent twice without need.
POST_S = 20.0
DEADLINES = Deadlines(connect_s=5.0, first_byte_s=10.0, idle_s=5.0)
MOST_ANSWER = 64 * 1024
MOST_WAIT_S = 6 * 3600
GONE = 410


class Ear(Protocol):
    """Who wants to know that an endpoint has taken something."""

    def took(self, db: Connection, endpoint: str, payload: str, code: int, at: int) -> None:
        """In the transaction that notes it; `code` is the status of the answer."""

    def publish(self) -> None:
        """Once that is stored."""


class Outbox:
    """Sends what `store.outbox` holds.  Belongs to the event loop that it runs on."""

    def __init__(self, store: Store, clock: Clock, transport: Transport | None = None) -> None:
        self._store, self._clock = store, clock
        self.ear: Ear | None = None
        self._transport = transport or Transport()
        self._under_way: Counter[str] = Counter()
        self._posts: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled; what is under way then is sent again after its lease."""
        try:
            while True:
                try:
                    busy = await self.step()
                except (StoreFailed, OSError) as error:
                    log.warning("webhooks are not told yet", error=str(error))
                    busy = False
                if not busy:
                    await asyncio.sleep(LOOK_S)
        finally:
            await self.close()

    async def step(self) -> bool:
        """Begins what is due and has room, then waits for one of those under way; whether there was any."""
        for webhook, claims in await self._claimed():
            for claim in claims:
                self._under_way[webhook.id] += 1
                self._posts.add(asyncio.create_task(self._post(webhook, claim)))
        if not self._posts:
            return False
        done, self._posts = await asyncio.wait(self._posts, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
        for post in done:
            post.result()  # a mistake of ours ends us, as it would without tasks
        return True

    async def settle(self) -> None:
        """Until nothing is due: for tests, and whoever must know."""
        while await self.step():
            pass

    async def close(self) -> None:
        for post in self._posts:
            post.cancel()
        await asyncio.gather(*self._posts, return_exceptions=True)
        await self._transport.close()

    async def _claimed(self) -> list[tuple[Webhook, list[Claim]]]:
        at = self._clock()

        def room(db: Connection) -> list[tuple[Webhook, int]]:
            found = ((one, AT_ONCE - self._under_way[one.id]) for one in webhooks.active(db))
            return [(one, free) for one, free in found if free > 0 and outbox.is_due(db, one.id, at)]

        due = self._store.read(room)
        if not due:
            return []
        return await asyncio.wrap_future(
            self._store.write(lambda db: [(one, outbox.claim(db, one.id, free, at)) for one, free in due])
        )

    async def _post(self, webhook: Webhook, claim: Claim) -> None:
        try:
            said = await self._said(webhook, claim)
            crash.point("after-webhook")
            work = self._store.write(lambda db: self._settle(db, webhook, claim, said))
            await asyncio.wrap_future(work)
            if self.ear is not None:
                self.ear.publish()
        except (StoreFailed, OSError) as error:
            log.warning("what became of a webhook is not stored; it is told again", of=claim.id, error=str(error))
        finally:
            self._under_way[webhook.id] -= 1

    def _settle(self, db: Connection, webhook: Webhook, claim: Claim, said: Said) -> None:
        at = self._clock()
        if 200 <= said.code < 300:  # noqa: PLR2004 - the successes of HTTP
            outbox.delivered(db, claim, said, at)
            if self.ear is not None:
                self.ear.took(db, webhook.id, claim.payload, said.code, at)
        elif said.code == GONE:
            webhooks.end(db, webhook.id, "gone")
            log.warning("a webhook wants nothing more", webhook=webhook.id)
        elif outbox.failed(db, claim, said, at) == "dead":
            log.warning("a webhook was not told", webhook=webhook.id, of=claim.id, code=said.code)

    async def _said(self, webhook: Webhook, claim: Claim) -> Said:
        to, path = target(webhook.url)
        at, body = self._clock(), claim.payload.encode()
        stamp = at // SECOND
        keys = webhooks.secrets_of(self._store.secret, webhook, at)
        headers = (
            (b"content-type", b"application/json"),
            (b"user-agent", b"gapura"),
            (b"webhook-id", claim.id.encode()),
            (b"webhook-timestamp", b"%d" % stamp),
            (b"webhook-signature", b" ".join(sign(key, claim.id, stamp, body) for key in keys)),
        )
        try:
            async with asyncio.timeout(POST_S):
                answer = await self._transport.send(to, path, headers, body, DEADLINES)
                return Said(answer.status, await _words(answer), _wait_s(answer))
        except UpstreamFailed as error:
            return Said(0, error.message.replace("The provider", "The endpoint", 1))
        except TimeoutError:
            return Said(0, f"The endpoint did not answer whole within {POST_S:.0f} s.")


def sign(secret: bytes, event: str, stamp: int, body: bytes) -> bytes:
    """One of those in the header `webhook-signature`."""
    digest = hmac.digest(secret, b"%s.%d.%s" % (event.encode(), stamp, body), "sha256")
    return b"v1," + base64.b64encode(digest)


def target(url: str) -> tuple[Upstream, str]:
    """Where to connect, and what to ask for there, of a URL that `webhooks.check` let pass."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Upstream(parts.scheme, parts.hostname or "", parts.port or PORTS[parts.scheme]), path


async def _words(answer: Answer) -> str:
    """What came back, for whoever looks for the reason; an answer that does not end well was one nevertheless."""
    try:
        return (await answer.body(MOST_ANSWER)).decode("utf-8", "replace")
    except UpstreamFailed:
        return ""
    finally:
        answer.close()


def _wait_s(answer: Answer) -> float:
    """`Retry-After` in seconds; a date, or what is no number, is no wish that we know."""
    found = next((value for name, value in answer.headers if name.lower() == b"retry-after"), b"")
    return float(min(int(found), MOST_WAIT_S)) if found.isdigit() else 0.0
