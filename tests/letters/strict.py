"""A reader of messages that forgives nothing: what it finds wrong with one, by RFC 5322, 2045 to 2047 and 5545."""

import base64
import re
from collections.abc import Iterator
from typing import NamedTuple

_FIELD = re.compile(rb"([!-9;-~]+): (.*)", re.DOTALL)
_WORD = re.compile(rb"=\?[A-Za-z0-9-]+\?[bqBQ]\?[!->@-~]*\?=")
ONCE = (b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type")


class Part(NamedTuple):
    fields: list[tuple[bytes, bytes]]
    body: bytes

    def get(self, name: bytes) -> bytes:
        return next((value for field, value in self.fields if field == name), b"")


def faults(message: bytes) -> Iterator[str]:
    if re.search(rb"\r(?!\n)|(?<!\r)\n", message):
        yield "a line end that is not CRLF"
    if not message.isascii() or b"\0" in message:
        yield "a byte that is not plain ASCII"
    if any(len(line) > 998 for line in message.split(b"\r\n")):
        yield "a line of more than 998 bytes"
    part, problems = parsed(message)
    yield from problems
    for name in ONCE:
        if (count := sum(field == name for field, _ in part.fields)) != 1:
            yield f"{name!r} is there {count} times"
    for name, value in part.fields:
        if any(len(word) > 75 for word in _WORD.findall(value)):
            yield f"an encoded word of more than 75 in {name!r}"
    yield from _body(part)


def parsed(raw: bytes) -> tuple[Part, list[str]]:
    head, mark, body = raw.partition(b"\r\n\r\n")
    problems = [] if mark else ["no empty line behind the headers"]
    fields = []
    for field in re.split(rb"\r\n(?![ \t])", head):
        found = _FIELD.fullmatch(field)
        if found is None:
            problems.append(f"no header: {field[:60]!r}")
        else:
            fields.append((found[1].lower(), re.sub(rb"\r\n(?=[ \t])", b"", found[2])))
        if any(not line.strip() for line in field.split(b"\r\n")):
            problems.append(f"a blank line folded into {field[:30]!r}")
    return Part(fields, body), problems


def parts(part: Part) -> list[Part]:
    """The parts of a multipart, by its boundary, to the letter."""
    boundary = re.search(rb'boundary="([^"]+)"', part.get(b"content-type"))
    assert boundary, part.fields
    mark = b"--" + boundary[1]
    assert part.body.startswith(mark + b"\r\n") and part.body.rstrip(b"\r\n").endswith(b"\r\n" + mark + b"--")
    inner = part.body.rstrip(b"\r\n")[len(mark) + 2 : -len(mark) - 4]
    return [parsed(one)[0] for one in inner.split(b"\r\n" + mark + b"\r\n")]


def content(part: Part) -> bytes:
    if part.get(b"content-transfer-encoding") == b"base64":
        return base64.b64decode(part.body.replace(b"\r\n", b""), validate=True)
    assert part.get(b"content-transfer-encoding") == b"7bit"
    return part.body


def _body(part: Part) -> Iterator[str]:
    forms, *events = parts(part)
    text, html = parts(forms)
    if not text.get(b"content-type").startswith(b"text/plain; charset=utf-8"):
        yield "the text does not come first"
    if not html.get(b"content-type").startswith(b"text/html; charset=utf-8"):
        yield "the HTML does not come second"
    for one in (text, html):
        content(one).decode("utf-8")
    for event in events:
        yield from _calendar(content(event))


def _calendar(raw: bytes) -> Iterator[str]:
    lines = raw.split(b"\r\n")
    if lines[-1] != b"" or not raw.endswith(b"END:VCALENDAR\r\n"):
        yield "a calendar that does not end"
    if any(len(line) > 75 for line in lines):
        yield "a line of a calendar of more than 75 bytes"
    for line in raw.replace(b"\r\n ", b"").split(b"\r\n")[:-1]:
        line.decode("utf-8")
        if not re.match(rb"[A-Z-]+(;[A-Z]+=[^:;]+)*:", line):
            yield f"no line of a calendar: {line!r}"
