"""Headers: what is read is what was written, in lines that nobody has to fold anew."""

import re
from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.letters import headers

# Whatever a cleaned text may hold: no controls, no blanks at its ends or beside each other.
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=200).map(
    lambda text: " ".join(text.split())
)


def value(raw: bytes) -> str:
    """As a reader decodes it, after unfolding."""
    assert raw.endswith(b"\r\n") and raw.isascii()
    unfolded = re.sub(r"\r\n(?=[ \t])", "", raw.decode()[:-2])
    assert "\r" not in unfolded and "\n" not in unfolded
    return str(make_header(decode_header(unfolded.partition(": ")[2])))


@given(TEXT.filter(bool))
def test_a_text_is_read_as_it_was_written(text: str) -> None:
    raw = headers.text("Subject", text)
    assert value(raw) == text
    assert all(len(line) <= headers.LINE or b" " not in line.strip() for line in raw.split(b"\r\n"))


@pytest.mark.parametrize("text", ["=?utf-8?b?PHNjcmlwdD4=?=", "a =?x?= b", "七" * 100, "x" * 300, "Grüße, 你好"])
def test_what_looks_encoded_and_what_is_long(text: str) -> None:
    assert value(headers.text("Subject", text)) == text


@pytest.mark.parametrize(
    ("called", "written"),
    [
        ("", "To: li@example.com"),
        ("Acme", "To: Acme <li@example.com>"),
        ('Acme "AI", Ltd.', 'To: "Acme \\"AI\\", Ltd." <li@example.com>'),
        ("back\\slash", 'To: "back\\\\slash" <li@example.com>'),
        ("李雷", "To: =?utf-8?b?5p2O6Zu3?= <li@example.com>"),
        ("=?utf-8?q?x?=", "To: =?utf-8?b?PT91dGYtOD9xP3g/PQ==?= <li@example.com>"),
    ],
)
def test_a_name_is_quoted_or_encoded_as_it_needs(called: str, written: str) -> None:
    assert headers.mailbox("To", called, "li@example.com") == f"{written}\r\n".encode()
