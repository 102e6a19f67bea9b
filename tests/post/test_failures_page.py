"""Each row of the mail table of docs/reference/failures.md, played on real sockets."""

import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme
from tests.post.relaying import USER, Mailbox, relay, running, scripted
from tests.post.test_faults import GO, OPENED, PATIENT, composed, disk_of, patience

from gapura.clock import TurnableClock
from gapura.post import Journal, Post, Stopped

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "failures.md"
SECTION = PAGE.read_text("utf-8").partition("\n## Mail\n")[2].partition("\n## ")[0]
ROWS = dict(re.findall(r"^\| (.+?) \| (delivered|deferred|refused|unsure|stopped) \|$", SECTION, re.MULTILINE))

OK = b"250 ok"
LOGIN = (b"220 ready", b"250-relay.test\r\n250 AUTH PLAIN")
AUTHORITY = trustme.CA()
Server = AbstractAsyncContextManager[int]


class Scene(NamedTuple):
    """A server, and how we come to it."""

    server: Callable[[], Server]
    options: dict[str, Any] | None = None
    disk: int | None = None
    before: int = 0
    to: str = "a1@example.com"


def says(*answers: bytes | None, **options: Any) -> Scene:
    return Scene(lambda: scripted(*answers), patience(*answers) | options)


def tls(**served: Any) -> Scene:
    trusted = served.pop("trusted", AUTHORITY)
    return Scene(lambda: running(Mailbox(), **served), {"tls": "starttls", "authority": trusted})


def refusing() -> Server:
    mailbox = Mailbox()
    mailbox.script["RCPT"] = lambda *_: "554 5.7.1 relay access denied"
    return running(mailbox)


class Nobody(AbstractAsyncContextManager[int]):
    """A port on which somebody listened until now."""

    async def __aenter__(self) -> int:
        async with scripted() as port:
            return port

    async def __aexit__(self, *_: object) -> None:
        return None


SCENES = {
    "nobody listens": Scene(Nobody),
    "a greeting that never comes": says(None),
    "421 as the greeting": says(b"421 4.3.2 busy"),
    "554 as the greeting": says(b"554 5.7.1 no service"),
    "STARTTLS is not offered": tls(),
    "a certificate of an unknown authority": tls(tls="starttls", authority=AUTHORITY, trusted=trustme.CA()),
    "a certificate of another name": tls(tls="starttls", authority=AUTHORITY, name="other.example"),
    "a handshake that is cut": says(
        b"220 ready", b"250-relay.test\r\n250 STARTTLS", b"220 go on", b"", tls="starttls", authority=AUTHORITY
    ),
    "a wrong password": says(*LOGIN, b"535 5.7.8 no", user=USER),
    "the login is not possible now (454)": says(*LOGIN, b"454 4.7.0 later", user=USER),
    "our address is refused (553 to MAIL)": says(*OPENED, b"553 5.7.1 not yours"),
    "a login is wanted (530)": says(*OPENED, OK, b"530 5.7.0 log in"),
    "451 to MAIL": says(*OPENED, b"451 4.3.0 later"),
    "greylisting (450 to RCPT)": says(*OPENED, OK, b"450 4.2.0 greylisted"),
    "mailbox full (452 to RCPT)": says(*OPENED, OK, b"452 4.2.2 full"),
    "no such user (550 to RCPT)": says(*OPENED, OK, b"550 5.1.1 no such user"),
    "an address with letters beyond ASCII, and no SMTPUTF8": Scene(lambda: running(Mailbox()), to="李雷@example.com"),
    "larger than the relay takes": Scene(lambda: running(Mailbox(), data_size_limit=10_000)),
    "cut before the text": says(*OPENED, OK, OK, b""),
    "slow before the text (`answer_s`)": says(*OPENED, OK, OK, None),
    "garbage before the text": says(*OPENED, OK, b"\xff\xfe"),
    "451 to the text": says(*OPENED, OK, OK, GO, b"451 4.3.0 disk", b"221 bye"),
    "554 to the text": says(*OPENED, OK, OK, GO, b"554 5.7.1 spam", b"221 bye"),
    "cut after the text": says(*OPENED, OK, OK, GO, b""),
    "slow after the text (`content_s`)": says(*OPENED, OK, OK, GO, None),
    "garbage after the text": says(*OPENED, OK, OK, GO, b"what?"),
    "the disk has no room for the journal": Scene(lambda: running(Mailbox()), disk=0),
    "20 refusals in a row (`refusals_in_a_row`)": Scene(refusing, before=20),
}


def test_the_table_is_played_whole() -> None:
    assert ROWS.keys() == SCENES.keys()


@pytest.mark.parametrize("fault", SCENES)
async def test_the_outcome_is_that_of_the_table(fault: str, tmp_path: Path) -> None:
    scene, clock = SCENES[fault], TurnableClock(0)
    journal = Journal.open(tmp_path, "batch", clock)
    async with scene.server() as port, Post(relay(port, **(PATIENT | (scene.options or {}))), journal, clock) as post:
        for number in range(scene.before):
            assert (await post.send(composed(number), f"a{number}@d{number}.example")).outcome == "refused"
        with nullcontext() if scene.disk is None else disk_of(scene.disk):
            assert await _outcome(post.send(composed(), scene.to)) == ROWS[fault]
    journal.close()


async def _outcome(sending: Awaitable[Any]) -> str:
    try:
        return str((await sending).outcome)
    except Stopped:
        return "stopped"
