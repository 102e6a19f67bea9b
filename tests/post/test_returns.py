"""What comes back, as several servers word it; garbage moves nothing."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.letters.writing import letter

from gapura.post.returns import read
from gapura.terms.letter import Returned, message_id, token

SAMPLES = Path(__file__).parents[1] / "golden" / "bounces"
IDENTITY = message_id("example.com", letter().campaign, letter().account, letter().stage)
LI = "li@acme.example"


# kind, status, recipient, a part of what the other server said
EXPECTED: dict[str, tuple[str, str, str, str]] = {
    "postfix-unknown-user": ("hard", "5.1.1", LI, "User unknown in virtual mailbox table"),
    "postfix-delayed": ("delayed", "4.4.1", LI, "Connection timed out"),
    "postfix-expired": ("soft", "4.4.1", LI, "Connection timed out"),
    "postfix-refused-as-spam": ("soft", "5.7.1", LI, "blocked using a list"),
    "postfix-success": ("delivered", "2.1.5", LI, "delivered"),
    "exim-unknown-user": ("hard", "5.1.1", LI, "550 No such user here"),
    "exim-old": ("soft", "5.2.2", LI, "Mailbox is over its quota"),
    "exchange-unknown-user": ("hard", "5.1.10", LI, "RESOLVER.ADR.RecipientNotFound"),
    "gmail-unknown-user": ("hard", "5.1.1", LI, "does not exist"),
    "gmail-mailbox-full": ("soft", "5.2.2", LI, "over quota"),
    "sendmail-no-such-host": ("hard", "5.1.2", LI, "Host unknown"),
    "sendmail-warning": ("delayed", "4.4.1", LI, "read error"),
    "qmail-unknown-user": ("hard", "5.1.1", LI, "no mailbox here by that name"),
    "qmail-no-token": ("soft", "5.6.0", LI, "message content rejected"),
    "chinese-prose": ("hard", "5.1.1", LI, "收件人邮箱不存在"),
    "complaint": ("complaint", "", LI, "abuse"),
    "complaint-redacted": ("complaint", "", "redacted@acme.example", "abuse"),
    "out-of-office": ("automatic", "", "", ""),
    "out-of-office-bare": ("automatic", "", "", ""),
    "receipt-of-reading": ("automatic", "", "", ""),
    "answer-of-a-person": ("unknown", "", "", ""),
}


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.eml").read_bytes()


@pytest.mark.parametrize("name", EXPECTED)
def test_each_server_is_understood(name: str) -> None:
    (found,) = read(sample(name))
    kind, status, recipient, said = EXPECTED[name]
    assert (found.kind, found.status, found.recipient) == (kind, status, recipient)
    assert said in found.answer
    if name != "answer-of-a-person":
        assert found.token == token(IDENTITY)
    assert found.message_id in ("", IDENTITY)


def test_each_recipient_of_a_report_is_told_of() -> None:
    first, second = read(sample("two-recipients"))
    assert (first.kind, first.recipient, first.status) == ("hard", LI, "5.2.1")
    assert (second.kind, second.recipient) == ("delayed", "wang@acme.example")


def test_every_sample_is_expected() -> None:
    assert {path.stem for path in SAMPLES.glob("*.eml")} == {*EXPECTED, "two-recipients"}


@pytest.mark.parametrize("name", EXPECTED)
def test_line_ends_do_not_matter(name: str) -> None:
    assert read(sample(name).replace(b"\r\n", b"\n")) == read(sample(name))


@given(st.binary(max_size=2_000))
def test_garbage_is_no_bounce(raw: bytes) -> None:
    assert {one.kind for one in read(raw)} <= {"unknown", "automatic"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([*EXPECTED, "two-recipients"]), st.data())
def test_what_was_damaged_on_the_way_is_read_or_left(name: str, data: st.DataObject) -> None:
    raw = bytearray(sample(name))
    for _ in range(data.draw(st.integers(1, 20))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        if not raw:
            break
    found = read(bytes(raw))
    assert found and all(isinstance(one, Returned) and len(one.answer) <= 500 for one in found)


@pytest.mark.parametrize("cut", range(0, 3_000, 100))
def test_a_message_that_ends_early_is_read_or_left(cut: int) -> None:
    assert read(sample("postfix-unknown-user")[:cut])


def test_a_huge_message_is_read_as_far_as_is_needed() -> None:
    raw = sample("postfix-unknown-user")
    assert read(raw + b"x" * 5_000_000)[0].kind == "hard"
    assert read(b"Subject: x\r\n\r\n" + b"550 5.1.1 <a@b.example> " * 500_000)[0].kind == "unknown"


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Type: multipart/report; report-type=delivery-status\r\n\r\nno boundary",
        b'Content-Type: multipart/report; boundary="x"\r\n\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n',
        b"Content-Type: text/plain; charset=no-such\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%%",
        b"From: MAILER-DAEMON\r\nSubject: =?no-such?b?%%?= returned mail\r\n\r\n\xff\xfe",
        b'Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeA==\r\n',
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\r\nContent-Type: message/rfc822\r\n\r\n" * 400,
    ],
)  # fmt: skip
def test_odd_messages_stop_nothing(raw: bytes) -> None:
    assert read(raw)
