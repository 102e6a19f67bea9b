"""The bytes: read by two strict parsers and a mail server, whatever customers call themselves."""

import asyncio
import email
import email.policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.letters import strict
from tests.letters.writing import SENDER, letter, signers, texts
from tests.post.relaying import Mailbox, relay, running

from gapura.clock import TurnableClock
from gapura.letters import clean, compose
from gapura.post import Journal, Post
from gapura.terms.letter import Letter, UsedKey

LANGUAGES = ("en", "zh-Hans", "id")
KINDS = ("notice", "effective", "correction", "release", "receipt", "decision")
NAMES = {
    "line ends": "Acme\r\nBcc: everybody@example.com\r\n\r\n<b>body</b>",
    "HTML": "<script>alert(1)</script> & \"quoted\" 'name'",
    "long": "Aktiengesellschaft " * 2_000,
    "long word": "x" * 5_000,
    "right to left": "شركة المثال للذكاء الاصطناعي",
    "turned": "safe\u202egnp.exe\u2066",
    "emoji": "Ümlaut 👩‍👩‍👧‍👦 & Söhne 🏳️‍🌈",
    "encoded": "=?utf-8?b?PHNjcmlwdD4=?=",
    "address": "Evil <evil@example.org>, You",
    "controls": "a\x00b\x07c\x7fd\x85e\u2028f",
    "braces": "{provider} {{7*7}} {% raw %} %s",
    "lone surrogate": "a\ud800b",
}


def standard(raw: bytes) -> EmailMessage:
    """As the standard library reads it, which must find no defect anywhere."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert part.defects == []
        for name, value in part.items():
            assert value.defects == (), (name, value)
    return message


def named(name: str, language: str = "en") -> Letter:
    evidence = letter().evidence
    assert evidence is not None
    keys = (UsedKey("gp-0Kq7", name, 5),)
    return letter(
        name=name,
        external_id=name,
        reason=name,
        language=language,
        evidence=msgspec.structs.replace(evidence, keys=keys),
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_strict_reader_finds_nothing_wrong(language: str, kind: str) -> None:
    sender = msgspec.structs.replace(SENDER, signers=signers())
    composed = compose(letter(kind=kind, language=language, reason="Grund"), sender, texts())
    assert list(strict.faults(composed.message)) == []
    assert standard(composed.message)["Message-ID"] == composed.message_id


@pytest.mark.parametrize("language", LANGUAGES)
def test_both_readers_see_the_same(language: str) -> None:
    composed = compose(letter(language=language), SENDER, texts())
    theirs = standard(composed.message)
    forms, event = strict.parts(strict.parsed(composed.message)[0])
    text, html = strict.parts(forms)
    for preferred, part, made in (("plain", text, composed.text), ("html", html, composed.html)):
        body = theirs.get_body((preferred,))
        assert body is not None
        assert body.get_content().splitlines() == strict.content(part).decode().splitlines() == made.splitlines()
    (attached,) = theirs.iter_attachments()
    assert attached.get_content_type() == "text/calendar" and attached.get_filename() == "date.ics"
    assert attached.get_content().encode().splitlines() == strict.content(event).splitlines()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", NAMES)
def test_names_stay_names(name: str, language: str) -> None:
    composed = compose(named(NAMES[name], language), SENDER, texts())
    assert list(strict.faults(composed.message)) == []
    message = standard(composed.message)
    assert [one.addr_spec for one in message["To"].addresses] == ["li@example.com"]
    assert message["Bcc"] is None and len(message["To"].addresses[0].display_name) <= clean.MOST_OF_A_NAME + 2
    assert "<script>" not in composed.html and "<b>" not in composed.html
    assert all(sign.isprintable() or sign in "\n\u2068\u2069\u200d" for sign in composed.text)
    assert len(composed.text) < 20_000


@settings(max_examples=60)
@given(st.text(max_size=300), st.sampled_from(LANGUAGES))
def test_any_name_makes_a_sound_message(name: str, language: str) -> None:
    composed = compose(named(name, language), SENDER, texts())
    assert list(strict.faults(composed.message)) == []
    assert [one.addr_spec for one in standard(composed.message)["To"].addresses] == ["li@example.com"]


def test_a_name_from_right_to_left_does_not_turn_the_sentence() -> None:
    text = compose(letter(name=NAMES["right to left"]), SENDER, texts()).text
    assert text.startswith(f"Hello \u2068{NAMES['right to left']}\u2069,")


def test_a_mail_server_sees_what_was_meant(tmp_path: Path) -> None:
    mailbox, clock = Mailbox(), TurnableClock(0)
    composed = compose(named(NAMES["emoji"], "zh-Hans"), SENDER, texts())

    async def send() -> None:
        journal = Journal.open(tmp_path, "one", clock)
        async with running(mailbox) as port, Post(relay(port), journal, clock) as post:
            await post.send(composed, "li@example.com")
        journal.close()

    asyncio.run(send())
    (message,) = mailbox.messages()
    # The parts of the standard library differ over blanks in names; this one is right.
    raw = email.message_from_bytes(composed.message)
    assert str(make_header(decode_header(raw["To"]))) == f"{NAMES['emoji']} <li@example.com>"
    assert message["Subject"] == composed.subject
    assert mailbox.accepted[0].mail_from == composed.sender


def event_of(written: Letter) -> dict[str, str]:
    (attached,) = standard(compose(written, SENDER, texts()).message).iter_attachments()
    unfolded = attached.get_content().replace("\r\n", "\n").replace("\n ", "")
    return dict(line.split(":", 1) for line in unfolded.splitlines())


def test_the_event_is_replaced_by_the_next_stage_and_taken_back_by_a_correction() -> None:
    first, second, corrected = (
        event_of(letter(**fields)) for fields in ({}, {"stage": "T-7"}, {"kind": "correction", "stage": "correction"})
    )
    assert first["UID"] == second["UID"] == corrected["UID"] and first["UID"].endswith("@example.com")
    assert first["DTSTART"] == "20240708T160000Z" and first["METHOD"] == "PUBLISH"
    assert "\\n\\n" in first["DESCRIPTION"] and first["SUMMARY"].startswith("Action needed: OpenAI API")
    assert (corrected["METHOD"], corrected["STATUS"]) == ("CANCEL", "CANCELLED")
    assert int(corrected["SEQUENCE"]) > int(second["SEQUENCE"])
    assert event_of(letter(account="acc_2"))["UID"] != first["UID"]


def test_an_answer_to_an_objection_has_no_event() -> None:
    message = standard(compose(letter(kind="receipt"), SENDER, texts()).message)
    assert list(message.iter_attachments()) == []
