"""Messages handed to real servers: what arrives, in which order, over how many connections, and how fast."""

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.letters.writing import SENDER, letter, texts
from tests.post.relaying import PASSWORD, USER, Mailbox, cut, once, relay, running

from gapura.clock import SECOND, TurnableClock
from gapura.letters import compose
from gapura.post import Journal, Post, Stopped, recover
from gapura.post.relay import Limits
from gapura.terms.letter import Composed

CLOCK = TurnableClock(1_720_000_000 * SECOND)


# aiosmtpd does not count TLS from the first byte.
PLAIN_LOGIN = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


def composed(number: int = 1) -> Composed:
    return compose(letter(account=f"acc_{number}", to=f"a{number}@example.com"), SENDER, texts())


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal.open(tmp_path / "post", "batch", CLOCK)
    yield opened
    opened.close()


async def test_a_message_arrives_as_it_was_composed(journal: Journal) -> None:
    mailbox, one = Mailbox(), composed()
    async with running(mailbox) as port, Post(relay(port), journal, CLOCK) as post:
        receipt = await post.send(one, "a1@example.com")
    assert (receipt.outcome, receipt.code, receipt.answer) == ("delivered", 250, "2.0.0 OK queued as 1")
    (envelope,) = mailbox.accepted
    assert envelope.content == one.message and hashlib.sha256(one.message).hexdigest() == receipt.sha256
    assert (envelope.mail_from, envelope.rcpt_tos) == (one.sender, ["a1@example.com"])
    assert mailbox.messages()[0]["Message-ID"] == receipt.message_id


WIDE = "李雷@xn--55qx5d.cn"


async def test_an_address_in_its_own_letters_where_the_relay_takes_them(journal: Journal) -> None:
    mailbox = Mailbox()
    one = compose(letter(to="李雷@公司.cn"), SENDER, texts())
    async with running(mailbox, enable_SMTPUTF8=True) as port, Post(relay(port), journal, CLOCK) as post:
        assert (await post.send(one, WIDE)).outcome == "delivered"
        assert (await post.send(composed(), "a1@example.com")).outcome == "delivered"
    wide, plain = mailbox.accepted
    assert wide.rcpt_tos == [WIDE] and wide.content == one.message
    assert "SMTPUTF8" in wide.mail_options and "SMTPUTF8" not in plain.mail_options
    assert f"<{WIDE}>\r\n".encode() in one.message


async def test_such_an_address_is_not_reached_where_it_does_not_and_others_are(journal: Journal) -> None:
    """However many there are: it is not us whom the relay refuses."""
    mailbox, one = Mailbox(), compose(letter(to="李雷@公司.cn"), SENDER, texts())
    async with running(mailbox) as port, Post(relay(port, each_domain=Limits(0, 10)), journal, CLOCK) as post:
        for _ in range(25):
            receipt = await post.send(one, WIDE)
            assert (receipt.outcome, receipt.code) == ("refused", 0) and "SMTPUTF8" in receipt.answer
        assert (await post.send(composed(), "a1@example.com")).outcome == "delivered"
    assert mailbox.recipients == ["a1@example.com"] and mailbox.connections == 1


async def test_a_line_that_is_a_dot_does_not_end_a_message(journal: Journal) -> None:
    mailbox = Mailbox()
    message = b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n"
    one = Composed(message=message, sha256="", message_id="<1@x>", sender="a@b.example", subject="", html="", text="")
    async with running(mailbox) as port, Post(relay(port), journal, CLOCK) as post:
        await post.send(one, "a1@example.com")
    assert mailbox.accepted[0].content == message


async def test_connections_are_used_again_and_left_after_their_number(journal: Journal) -> None:
    mailbox = Mailbox()
    table: dict[str, Any] = {"connections": 2, "messages_per_connection": 5, "each_domain": Limits(0, 10)}
    async with running(mailbox) as port, Post(relay(port, **table), journal, CLOCK) as post:
        await asyncio.gather(*(post.send(composed(number), f"a{number}@example.com") for number in range(20)))
    assert len(mailbox.accepted) == 20
    assert mailbox.connections == 4


async def test_a_connection_that_idled_is_not_used_again(journal: Journal) -> None:
    mailbox, clock = Mailbox(), TurnableClock(0)
    async with running(mailbox) as port, Post(relay(port), journal, clock) as post:
        for _ in range(2):
            await post.send(composed(), "a1@example.com")
            clock.turn(seconds=31)
    assert mailbox.connections == 2


async def test_a_connection_that_the_relay_has_left_costs_nothing(journal: Journal) -> None:
    mailbox = Mailbox()
    async with running(mailbox) as port, Post(relay(port), journal, CLOCK) as post:
        await post.send(composed(1), "a1@example.com")
        once(mailbox, "MAIL", cut)
        assert (await post.send(composed(2), "a2@example.com")).outcome == "delivered"
        once(mailbox, "MAIL", lambda *_: "421 4.3.2 shutting down")
        assert (await post.send(composed(3), "a3@example.com")).outcome == "delivered"
    assert [message["To"] for message in mailbox.messages()] == [f"Acme <a{n}@example.com>" for n in (1, 2, 3)]


async def test_a_refused_address_does_not_spoil_the_next_message(journal: Journal) -> None:
    mailbox = Mailbox()
    mailbox.script["RCPT"] = lambda _server, _session, envelope: (
        "550 5.1.1 no such user" if envelope.rcpt_tos == ["a1@example.com"] else None
    )
    async with running(mailbox) as port, Post(relay(port), journal, CLOCK) as post:
        outcomes = [(await post.send(composed(number), f"a{number}@example.com")).outcome for number in (1, 2)]
    assert outcomes == ["refused", "delivered"]
    assert mailbox.connections == 1


@PLAIN_LOGIN
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_over_tls_and_with_a_login(journal: Journal, tls: str) -> None:
    mailbox, authority = Mailbox(), trustme.CA()
    options: dict[str, Any] = {
        "tls": tls,
        "authority": authority,
        "auth_required": True,
        "auth_require_tls": tls == "starttls",
    }
    async with running(mailbox, **options) as port:
        one = relay(port, tls=tls, authority=authority, user=USER)
        async with Post(one, journal, CLOCK) as post:
            assert (await post.send(composed(), "a1@example.com")).outcome == "delivered"
    assert PASSWORD not in repr(one)


async def test_a_domain_has_a_pace_and_others_do_not_wait_for_it(journal: Journal) -> None:
    mailbox, clock = Mailbox(), TurnableClock(0)
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    table: dict[str, Any] = {"domains": {"slow.example": Limits(0.5, 1)}, "each_domain": Limits(0, 9)}
    async with running(mailbox) as port, Post(relay(port, **table), journal, clock, sleep) as post:
        for to in ("1@slow.example", "2@slow.example", "3@fast.example", "4@fast.example"):
            await post.send(composed(), to)
    assert waits == [2.0]


async def test_what_was_answered_is_in_the_journal(tmp_path: Path) -> None:
    mailbox = Mailbox()
    mailbox.script["DATA"] = lambda *_: "451 4.7.1 greylisted" if len(mailbox.recipients) == 2 else None
    journal = Journal.open(tmp_path, "batch", CLOCK)
    async with running(mailbox) as port, Post(relay(port), journal, CLOCK) as post:
        receipts = [await post.send(composed(number), f"a{number}@example.com") for number in (1, 2)]
    assert recover(tmp_path) == []  # it is held
    journal.close()
    (left,) = recover(tmp_path)
    assert left.receipts == (("a1@example.com", receipts[0]), ("a2@example.com", receipts[1]))
    left.drop()
    assert recover(tmp_path) == []


@PLAIN_LOGIN
async def test_a_wrong_password_stops_all(journal: Journal) -> None:
    mailbox = Mailbox()
    told = r"refuses us \(login\): 535 .*; look at user and password of GAPURA_SMTP_URL"
    async with (
        running(mailbox, auth_required=True, auth_require_tls=False) as port,
        Post(relay(port, user="nobody"), journal, CLOCK) as post,
    ):
        for _ in range(2):
            with pytest.raises(Stopped, match=told) as stopped:
                await post.send(composed(), "a1@example.com")
            assert PASSWORD not in str(stopped.value)
    assert mailbox.connections == 1 and mailbox.recipients == []
