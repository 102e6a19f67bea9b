"""What can be taken out of a message that anybody may have written: text of bounded length, and nothing else."""

import re
from collections.abc import Iterator
from email.header import decode_header
from email.message import Message

MOST = 512 * 1024
"""Bytes of a returned message that are read: its report comes before the copy of the letter."""

MOST_OF_A_VALUE = 500

_BLANKS = re.compile(r"[\x00-\x20\x7f-\x9f\ud800-\udfff]+")
_ADDRESS = re.compile(r"[^\s<>;,:\"'()]+@[^\s<>;,:\"'()]+")


def value(message: Message, name: str) -> str:
    """A header as one line of text; "" where it is not there."""
    raw = message.get(name)
    return "" if raw is None else line(_decoded(str(raw)))


def line(text: str) -> str:
    return _BLANKS.sub(" ", text[: 8 * MOST_OF_A_VALUE]).strip()[:MOST_OF_A_VALUE]


def content(part: Message) -> str:
    """The text of a part, whatever it says of its encoding."""
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        held = part.get_payload()
        return held if isinstance(held, str) else ""
    return raw.decode("utf-8", "replace")


def texts(message: Message) -> Iterator[str]:
    """Each part that is plain text, the first ones first."""
    for part in message.walk():
        if part.get_content_type() == "text/plain":
            yield content(part)


def address(text: str) -> str:
    """The address in `rfc822; li@example.com` and its like; "" where there is none."""
    found = _ADDRESS.search(line(text))
    return found.group().lower() if found else ""


def _decoded(raw: str) -> str:
    if "=?" not in raw:
        return raw
    parts = []
    for text, charset in decode_header(raw[:MOST_OF_A_VALUE]):
        if isinstance(text, str):
            parts.append(text)
            continue
        try:
            parts.append(text.decode(charset or "ascii", "replace"))
        except LookupError:
            parts.append(text.decode("ascii", "replace"))
    return "".join(parts)
