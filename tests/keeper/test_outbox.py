"""Webhooks over real sockets: an endpoint that is well, slow, cut, broken or gone; kill -9 between word and store."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gapura.clock import SECOND, TurnableClock
from gapura.keeper import outbox as sending
from gapura.keeper.outbox import Outbox
from gapura.store import outbox, webhooks
from gapura.store.sqlite import Store

OK = b"HTTP/1.1 204 No Content\r\n\r\n"
Answer = Callable[["Post"], bytes | None]


@dataclass
class Post:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Endpoint:
    """Keeps what it was posted, and answers what `answer` says of it: bytes, then closed unless it is a whole answer
    that lets the connection live; None: never."""

    answer: Answer = lambda _: OK
    posts: list[Post] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?of=gapura"

    def numbers(self) -> list[tuple[str, int]]:
        return [(post.event["account"], post.event["data"]["n"]) for post in self.posts]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                headers = {}
                while (header := (await reader.readline()).decode().strip()) != "":
                    name, _, value = header.partition(": ")
                    headers[name] = value
                body = await reader.readexactly(int(headers["content-length"]))
                self.posts.append(Post(line.decode().split()[1], headers, body))
                self.arrived.set()
                said = self.answer(self.posts[-1])
                if said is None:
                    await reader.read()
                    return
                writer.write(said)
                await writer.drain()
                if said != OK:
                    return
        finally:
            writer.close()


@asynccontextmanager
async def listening(answer: Answer = lambda _: OK) -> AsyncIterator[Endpoint]:
    endpoint = Endpoint(answer)
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0)
    endpoint.port = server.sockets[0].getsockname()[1]
    async with server:
        yield endpoint


def add(store: Store, url: str, **wanted: Any) -> str:
    return store.write(lambda db: webhooks.add(db, webhooks.Wanted(url=url, **wanted), store.clock()).id).result()


def put(store: Store, account: str, n: int, topic: str = "grant.expired") -> str:
    return store.write(lambda db: outbox.put(db, topic, account, {"n": n}, store.clock())).result()


def became(store: Store, event: str) -> outbox.Delivery:
    (found,) = store.read(lambda db: outbox.of(db, event))
    return found


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(60):
            await work()

    asyncio.run(whole())


@asynccontextmanager
async def sender(store: Store) -> AsyncIterator[Outbox]:
    sends = Outbox(store, store.clock)
    try:
        yield sends
    finally:
        await sends.close()


def test_an_event_arrives_signed_as_it_was_put(store: Store, clock: TurnableClock) -> None:
    async def work() -> None:
        async with listening() as endpoint, sender(store) as sends:
            webhook = add(store, endpoint.url)
            event = put(store, "acc_1", 7)
            await sends.settle()
            (post,) = endpoint.posts
            assert post.path == "/hook?of=gapura"
            assert post.event == {
                "id": event, "type": "grant.expired", "account": "acc_1", "data": {"n": 7},
                "timestamp": "1970-01-12T13:47:00Z",
            }  # fmt: skip
            assert post.headers["webhook-id"] == event
            assert verified(secret_of(store, webhook), post) == post.event
            assert became(store, event).state == "delivered"
            with pytest.raises(ValueError, match="signature"):
                verified(secret_of(store, add(store, endpoint.url)), post)

    run(work)


def secret_of(store: Store, webhook: str) -> str:
    return webhooks.told(store.secret, store.read(lambda db: webhooks.get(db, webhook)))


def test_a_secret_that_was_rotated_is_good_for_as_long_as_was_said(store: Store, clock: TurnableClock) -> None:
    async def work() -> None:
        async with listening() as endpoint, sender(store) as sends:
            webhook = add(store, endpoint.url)
            secrets = [secret_of(store, webhook)]

            async def good() -> list[int]:
                """The generations whose secret the next post is signed with."""
                put(store, "acc_1", 7)
                await sends.settle()
                post, found = endpoint.posts[-1], []
                for number, secret in enumerate(secrets):
                    with suppress(ValueError):
                        verified(secret, post, now=clock() // SECOND)
                        found.append(number)
                return found

            def rotate(keep_hours: int) -> None:
                store.write(lambda db: webhooks.rotate(db, webhook, clock(), keep_hours)).result()
                secrets.append(secret_of(store, webhook))

            assert await good() == [0]
            rotate(24)
            assert await good() == [0, 1]
            clock.turn(seconds=24 * 3600 - 1)
            assert await good() == [0, 1]
            clock.turn(seconds=1)
            assert await good() == [1]
            rotate(1)
            rotate(1)
            assert await good() == [2, 3], "the last but one is gone at once"
            rotate(0)
            assert await good() == [4]
            assert len(set(secrets)) == 5

    run(work)


def verified(secret: str, post: Post, now: int = 1_000_020) -> Any:
    """By the code that docs/reference/webhooks.md gives to readers, to the letter."""
    page = (Path(__file__).parents[2] / "docs/reference/webhooks.md").read_text()
    names: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], names)
    return names["verified"](secret, post.headers, post.body, now=now)


def test_of_each_account_in_order_and_a_failure_holds_back_that_account_alone(
    store: Store, clock: TurnableClock
) -> None:
    def answer(post: Post) -> bytes:
        return b"HTTP/1.1 500 x\r\ncontent-length: 4\r\n\r\noops" if post.event["account"] == "acc_bad" else OK

    async def work() -> None:
        async with listening(answer) as endpoint, sender(store) as sends:
            add(store, endpoint.url)
            events = [put(store, account, n) for n in range(5) for account in ("acc_bad", "acc_good", "acc_fine")]
            await sends.settle()
            told = endpoint.numbers()
            assert [n for account, n in told if account == "acc_good"] == [0, 1, 2, 3, 4]
            assert [n for account, n in told if account == "acc_bad"] == [0]
            held = became(store, events[0])
            assert (held.state, held.attempts, held.code, held.answer) == ("waiting", 1, 500, "oops")
            endpoint.answer = lambda _: OK
            await sends.settle()
            assert [n for account, n in endpoint.numbers() if account == "acc_bad"] == [0], (
                "not before its pause is over"
            )
            clock.turn(seconds=outbox.PAUSES_S[0])
            await sends.settle()
            assert [n for account, n in endpoint.numbers() if account == "acc_bad"] == [0, 0, 1, 2, 3, 4]
            ids = [post.headers["webhook-id"] for post in endpoint.posts if post.event["account"] == "acc_bad"]
            assert ids[0] == ids[1] == events[0]

    run(work)


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        (b"HTTP/1.1 301 x\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", 301, ""),
        (b"HTTP/1.1 404 x\r\ncontent-length: 2\r\n\r\nno", 404, "no"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", 0, "The endpoint"),
        (b"", 0, "The endpoint"),
        (b"HTTP/1.1 500 x\r\ncontent-length: 900\r\n\r\ncut", 500, ""),
        (b"HTTP/1.1 500 x\r\ncontent-length: 90000\r\n\r\n" + b"x" * 90_000, 500, ""),
    ],
)
def test_what_is_no_success_is_tried_again(
    store: Store, clock: TurnableClock, said: bytes, code: int, words: str
) -> None:
    async def work() -> None:
        async with listening(lambda _: said) as endpoint, sender(store) as sends:
            add(store, endpoint.url)
            event = put(store, "acc_1", 1)
            await sends.settle()
            found = became(store, event)
            assert (found.state, found.code) == ("waiting", code)
            assert found.answer.startswith(words)
            endpoint.answer = lambda _: OK
            clock.turn(seconds=outbox.PAUSES_S[0])
            await sends.settle()
            assert became(store, event).state == "delivered"

    run(work)


def test_nobody_listens(store: Store) -> None:
    async def work() -> None:
        async with sender(store) as sends:
            add(store, "http://127.0.0.1:9/hook")
            event = put(store, "acc_1", 1)
            await sends.settle()
            assert became(store, event).answer.startswith("The endpoint cannot be reached")

    run(work)


def test_a_slow_endpoint_keeps_no_other_waiting(store: Store) -> None:
    async def work() -> None:
        async with listening(lambda _: None) as slow, listening() as quick, sender(store) as sends:
            add(store, slow.url)
            add(store, quick.url)
            for n in range(30):
                put(store, f"acc_{n}", n)
            while len(quick.posts) < 30:
                await sends.step()
            assert len(slow.posts) <= sending.AT_ONCE

    run(work)


def test_an_endpoint_that_does_not_answer_is_given_up_for_now(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "POST_S", 0.2)

    async def work() -> None:
        async with listening(lambda _: None) as endpoint, sender(store) as sends:
            add(store, endpoint.url)
            event = put(store, "acc_1", 1)
            await sends.settle()
            assert "did not answer whole" in became(store, event).answer

    run(work)


def test_after_72_hours_it_is_dead_and_the_next_has_its_turn(store: Store, clock: TurnableClock) -> None:
    async def work() -> None:
        async with (
            listening(lambda _: b"HTTP/1.1 503 x\r\nretry-after: 100\r\n\r\n") as endpoint,
            sender(store) as sends,
        ):
            webhook = add(store, endpoint.url)
            first, second = put(store, "acc_1", 1), put(store, "acc_1", 2)
            await sends.settle()
            clock.turn(seconds=99)
            await sends.settle()
            assert len(endpoint.posts) == 1, "the endpoint asked to be left alone for longer than our pause"
            tries = 1
            while became(store, first).state == "waiting":
                clock.turn(seconds=outbox.PAUSES_S[-1])
                await sends.settle()
                tries += 1
                assert tries < 20
            assert became(store, first).state == "dead"
            assert became(store, second).attempts >= 1, "tried at least once, whatever its age"
            endpoint.answer = lambda _: OK
            again = store.write(lambda db: outbox.replay(db, webhook, 0, clock())).result()
            await sends.settle()
            clock.turn(seconds=outbox.PAUSES_S[-1])
            await sends.settle()
            assert again >= 1
            assert [became(store, event).state for event in (first, second)] == ["delivered", "delivered"]
            assert endpoint.numbers()[-2:] == [("acc_1", 1), ("acc_1", 2)], "in order again"

    run(work)


def test_gone_is_gone(store: Store) -> None:
    async def work() -> None:
        async with (
            listening(lambda _: b"HTTP/1.1 410 x\r\ncontent-length: 0\r\n\r\n") as endpoint,
            sender(store) as sends,
        ):
            webhook = add(store, endpoint.url)
            events = [put(store, "acc_1", n) for n in range(2)]
            await sends.settle()
            assert [became(store, event).state for event in events] == ["dead", "dead"]
            assert store.read(lambda db: webhooks.get(db, webhook)).state == "gone"
            put(store, "acc_1", 3)
            await sends.settle()
            assert len(endpoint.posts) == 1

    run(work)


SENDER = """
import asyncio, sys
from pathlib import Path
from gapura.keeper.outbox import Outbox
from gapura.store.sqlite import Store

store = Store.open(Path(sys.argv[1]))

async def work():
    sends = Outbox(store, lambda: store.clock() + int(sys.argv[2]) * 1_000_000)
    await sends.settle()
    await sends.close()

asyncio.run(work())
store.close()
"""


def test_killed_between_the_word_and_the_store_it_is_told_again_under_the_same_id(tmp_path: Path) -> None:
    path = tmp_path / "killed" / "gapura.db"
    store = Store.open(path)

    async def sent(crash_at: str, later_s: int) -> int:
        env = {**os.environ, "GAPURA_CRASH_AT": crash_at}
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", SENDER, str(path), str(later_s), env=env)
        return await child.wait()

    async def work() -> None:
        async with listening() as endpoint:
            add(store, endpoint.url)
            events = [put(store, "acc_1", n) for n in range(3)]
            assert await sent("after-webhook:2", 0) == -signal.SIGKILL
            assert endpoint.numbers() == [("acc_1", 0), ("acc_1", 1)]
            assert await sent("", 0) == 0
            assert len(endpoint.posts) == 2, "its lease still runs"
            assert await sent("", outbox.LEASE_S + 1) == 0
            assert endpoint.numbers() == [("acc_1", n) for n in (0, 1, 1, 2)]
            assert [post.headers["webhook-id"] for post in endpoint.posts] == [events[n] for n in (0, 1, 1, 2)]
            assert {became(store, event).state for event in events} == {"delivered"}

    run(work)
    store.close()
