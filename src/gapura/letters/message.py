"""A page and its forms → the bytes of a message (RFC 5322, MIME), the same ones each time.

    multipart/mixed
    ├── multipart/alternative
    │   ├── text/plain           first, and complete by itself
    │   └── text/html
    └── text/calendar            where there is a date to keep

There is no `List-Unsubscribe`: a notice about somebody's own account is no list, and it says so.
"""

import base64
from email.utils import format_datetime
from typing import NamedTuple

from gapura.letters import headers
from gapura.letters.sender import Sender
from gapura.letters.voice import local
from gapura.terms.letter import token

_LONGEST_LINE = 990


class Body(NamedTuple):
    """`languages` in the order in which they stand in it; `calendar`: method and content."""

    subject: str
    languages: tuple[str, ...]
    text: str
    html: str
    calendar: tuple[str, bytes] | None


def build(sender: Sender, to: tuple[str, str], identity: str, written_at: int, body: Body) -> bytes:
    """`to`: name and plain address; `identity`: the Message-ID; `written_at`: UTC microseconds."""
    boundary = token(identity)
    head = [
        headers.mailbox("From", sender.name, sender.address),
        headers.mailbox("To", *to),
        headers.mailbox("Reply-To", "", sender.reply_to) if sender.reply_to else b"",
        headers.text("Subject", body.subject),
        headers.text("Date", format_datetime(local(written_at, sender.zone))),
        f"Message-ID: {identity}\r\n".encode(),
        b"Auto-Submitted: auto-generated\r\n",
        headers.text("Content-Language", ", ".join(body.languages)),
        b"MIME-Version: 1.0\r\n",
        f'Content-Type: multipart/mixed; boundary="=_m_{boundary}"\r\n\r\n'.encode(),
    ]
    return b"".join(head) + _body(body, boundary)


def _body(body: Body, boundary: str) -> bytes:
    forms = [_part("text/plain; charset=utf-8", body.text), _part("text/html; charset=utf-8", body.html)]
    inner = f'Content-Type: multipart/alternative; boundary="=_a_{boundary}"\r\n\r\n'.encode()
    parts = [inner + _joined(forms, f"=_a_{boundary}")]
    if body.calendar is not None:
        method, content = body.calendar
        kind = f"text/calendar; charset=utf-8; method={method}"
        parts.append(_part(kind, content.decode(), 'Content-Disposition: attachment; filename="date.ics"\r\n'))
    return _joined(parts, f"=_m_{boundary}")


def _joined(parts: list[bytes], boundary: str) -> bytes:
    mark = f"--{boundary}".encode()
    return b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


def _part(kind: str, content: str, further: str = "") -> bytes:
    """In 7 bits as it stands or in base64: nothing on the way has a reason to encode it anew and break a signature."""
    raw = content.encode()
    plain = raw.isascii() and max(map(len, raw.splitlines()), default=0) < _LONGEST_LINE
    lines = raw.splitlines() if plain else base64.encodebytes(b"\r\n".join(raw.splitlines()) + b"\r\n").splitlines()
    head = f"Content-Type: {kind}\r\n{further}Content-Transfer-Encoding: {'7bit' if plain else 'base64'}\r\n\r\n"
    return head.encode() + b"\r\n".join(lines) + b"\r\n"
