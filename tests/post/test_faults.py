"""Each way in which a relay can fail, and its outcome: the table of docs/reference/failures.md, with real sockets."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.letters.writing import SENDER, letter, texts
from tests.post.relaying import Mailbox, Script, cut, once, relay, running, scripted

from gapura.clock import SECOND, TurnableClock
from gapura.letters import compose
from gapura.post import Journal, Post, Stopped, recover
from gapura.post.journal import EACH, PIECE, JournalFull
from gapura.terms.letter import Composed, Receipt

CLOCK = TurnableClock(1_720_000_000 * SECOND)
PATIENT: dict[str, Any] = {"connect_s": 60, "answer_s": 60, "content_s": 60}
HELLO = b"250 relay.test"
OPENED = (b"220 ready", HELLO)
GO = b"354 go on"


def composed(number: int = 1) -> Composed:
    return compose(letter(account=f"acc_{number}", to=f"a{number}@example.com"), SENDER, texts())


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal.open(tmp_path / "post", "batch", CLOCK)
    yield opened
    opened.close()


def patience(*answers: bytes | None) -> dict[str, Any]:
    """Of a test whose server says this: only what is waited for in vain is not waited for long."""
    if None not in answers:
        return PATIENT
    return PATIENT | ({"content_s": 0.1} if GO in answers else {"connect_s": 0.1, "answer_s": 0.1})


async def sent(port: int, journal: Journal, **options: Any) -> Receipt:
    async with Post(relay(port, **(PATIENT | options)), journal, CLOCK) as post:
        return await post.send(composed(), "a1@example.com")


async def test_nobody_listens(journal: Journal) -> None:
    async with scripted() as port:
        pass
    receipt = await sent(port, journal)
    assert (receipt.outcome, receipt.code) == ("deferred", 0) and "Connect" in receipt.answer


@pytest.mark.parametrize(
    "answers",
    [
        (None,),
        (b"421 4.3.2 too busy",),
        (b"220 ready", b""),
        (b"220 ready", b"nonsense"),
        (*OPENED, b"451 4.3.0 later"),
        (*OPENED, b"421 4.3.2 bye"),
        (*OPENED, b""),
        (*OPENED, None),
        (*OPENED, b"250 ok", b"450 4.2.0 greylisted"),
        (*OPENED, b"250 ok", b"\xff\xfe\xfd"),
        (*OPENED, b"250 ok", b"250 ok", b"451 4.3.0 later"),
        (*OPENED, b"250 ok", b"250 ok", b""),
        (*OPENED, b"250 ok", b"250 ok", None),
    ],
    ids=str,
)
async def test_before_the_content_it_is_for_later(journal: Journal, answers: tuple[bytes | None, ...]) -> None:
    async with scripted(*answers) as port:
        assert (await sent(port, journal, **patience(*answers))).outcome == "deferred"
    journal.close()
    assert left(journal) == []


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ((b"554 5.7.1 no service",), r"refuses us \(connect\): 554"),
        ((b"220 ready", b"550 5.7.1 who are you", b"550 5.7.1 no"), r"refuses us \(hello\): 550"),
        ((*OPENED, b"553 5.7.1 not your address"), r"refuses us \(sender\): 553"),
        ((*OPENED, b"530 5.7.0 log in first"), r"refuses us \(sender\): 530"),
        ((*OPENED, b"250 ok", b"530 5.7.0 log in first"), r"refuses us \(recipient\): 530"),
    ],
)
async def test_what_is_about_us_stops_all_and_refuses_nobody(
    journal: Journal, answers: tuple[bytes, ...], why: str
) -> None:
    async with scripted(*answers) as port, Post(relay(port, **PATIENT), journal, CLOCK) as post:
        for _ in range(2):
            with pytest.raises(Stopped, match=why):
                await post.send(composed(), "a1@example.com")


@pytest.mark.parametrize("case", ["not offered", "unknown authority", "another name", "cut"])
async def test_without_sound_tls_nothing_is_sent(journal: Journal, case: str) -> None:
    mailbox, authority = Mailbox(), trustme.CA()
    served = {"tls": "none" if case == "not offered" else "starttls", "authority": authority}
    if case == "another name":
        served["name"] = "other.example"
    trusted = trustme.CA() if case == "unknown authority" else authority
    if case == "cut":
        async with scripted(b"220 ready", b"250-relay.test\r\n250 STARTTLS", b"220 go on", b"") as port:
            assert (await sent(port, journal, tls="starttls", authority=trusted)).outcome == "deferred"
        return
    async with running(mailbox, **served) as port:  # type: ignore[arg-type]  # its options
        with pytest.raises(Stopped, match="STARTTLS" if case == "not offered" else "certificate of localhost:"):
            await sent(port, journal, tls="starttls", authority=trusted)
    assert mailbox.recipients == []


@pytest.mark.parametrize(
    ("step", "answer", "outcome"),
    [
        ("RCPT", "550 5.1.1 no such user", "refused"),
        ("RCPT", "450 4.2.0 greylisted, try in 5 minutes", "deferred"),
        ("RCPT", "452 4.2.2 mailbox full", "deferred"),
        ("DATA", "554 5.7.1 content refused", "refused"),
        ("DATA", "552 5.3.4 too large", "refused"),
        ("DATA", "451 4.3.0 disk", "deferred"),
        ("DATA", "299 what is that", "unsure"),
    ],
)
async def test_answers_about_one_message(journal: Journal, step: str, answer: str, outcome: str) -> None:
    mailbox = Mailbox()
    mailbox.script[step] = lambda *_: answer
    async with running(mailbox) as port:
        receipt = await sent(port, journal)
    assert (receipt.outcome, f"{receipt.code} {receipt.answer}") == (outcome, answer)


async def test_a_message_that_is_too_large_is_refused_before_it_goes_out(journal: Journal) -> None:
    mailbox = Mailbox()
    async with running(mailbox, data_size_limit=10_000) as port:
        receipt = await sent(port, journal)
    assert (receipt.outcome, receipt.code) == ("refused", 552)
    assert mailbox.recipients == []


async def test_greylisting_the_second_try_is_the_same_message(journal: Journal) -> None:
    mailbox, one = Mailbox(), composed()
    once(mailbox, "RCPT", lambda *_: "450 4.2.0 greylisted")
    async with running(mailbox) as port, Post(relay(port), journal, CLOCK) as post:
        first = await post.send(one, "a1@example.com")
        second = await post.send(one, "a1@example.com")
    assert (first.outcome, second.outcome) == ("deferred", "delivered")
    assert first.message_id == second.message_id and len(mailbox.accepted) == 1


async def stay_silent(journal: Journal, script: Script) -> Receipt:
    mailbox = Mailbox()
    mailbox.script["DATA"] = script
    async with running(mailbox) as port:
        return await sent(port, journal)


async def test_cut_after_the_content_is_unsure(journal: Journal) -> None:
    receipt = await stay_silent(journal, cut)
    assert (receipt.outcome, receipt.code) == ("unsure", 0)
    journal.close()
    assert left(journal) == [("a1@example.com", receipt)]


@pytest.mark.parametrize("last", [None, b"", b"what?"])
async def test_no_sound_answer_to_the_content_is_unsure(journal: Journal, last: bytes | None) -> None:
    answers = (*OPENED, b"250 ok", b"250 ok", GO, last)
    async with scripted(*answers) as port:
        assert (await sent(port, journal, **patience(*answers))).outcome == "unsure"


async def test_a_relay_that_refuses_everybody_refuses_us(journal: Journal) -> None:
    mailbox = Mailbox()
    mailbox.script["RCPT"] = lambda *_: "554 5.7.1 relay access denied"
    async with running(mailbox) as port, Post(relay(port, refusals_in_a_row=3), journal, CLOCK) as post:
        for number in range(3):
            assert (await post.send(composed(number), f"a{number}@example.com")).outcome == "refused"
        with pytest.raises(Stopped, match=r"refused 3 addresses in a row, .* relay access denied"):
            await post.send(composed(4), "a4@example.com")


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_sends_nothing_that_it_could_not_remember(journal: Journal) -> None:
    mailbox = Mailbox()
    async with running(mailbox) as port:
        with disk_of(0):
            receipt = await sent(port, journal)
        assert receipt.outcome == "deferred" and "no room for the journal" in receipt.answer
        assert mailbox.recipients == []
        assert (await sent(port, journal)).outcome == "delivered"


async def test_a_disk_that_fills_up_takes_the_answers_that_are_due(journal: Journal) -> None:
    room = PIECE // EACH
    with disk_of(PIECE):
        for _ in range(room):
            journal.reserve()
        with pytest.raises(JournalFull):
            journal.reserve()
        long = "五" * 500
        for number in range(room):
            await journal.sending(f"<{number}@example.com>", "a@example.com", "0" * 64)
            answer = Receipt(message_id=f"<{number}@example.com>", outcome="delivered", at=1, code=250, answer=long)
            journal.answered("a@example.com", answer)
    journal.close()
    assert [receipt.answer for _, receipt in left(journal)] == [long] * room


def left(journal: Journal) -> list[tuple[str, Receipt]]:
    return [receipt for one in recover(journal.path.parent) for receipt in one.receipts]
