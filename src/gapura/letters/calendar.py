"""The date as an event for a reader's calendar (RFC 5545), ten lines and no library.

Its UID is the campaign's and the account's, so that a later stage replaces the event and a correction cancels it.
"""

from datetime import timedelta

from gapura.letters.voice import EPOCH
from gapura.terms.letter import Letter, message_id

LINE = 75
"""Octets of a line, after which it is folded."""

_STAMP = "%Y%m%dT%H%M%SZ"


def event(letter: Letter, summary: str, description: str, domain: str) -> tuple[str, bytes]:
    """Its method, and the calendar.  A correction or a release takes the event back."""
    ends = letter.kind in ("correction", "release") or (letter.kind == "decision" and letter.granted)
    method = "CANCEL" if ends else "PUBLISH"
    start = _stamp(letter.effective_at)
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//gapura//letters//EN",
        f"METHOD:{method}",
        "BEGIN:VEVENT",
        f"UID:{message_id(domain, letter.campaign, letter.account, 'calendar').strip('<>')}",
        f"SEQUENCE:{1 if ends else 0}",
        f"DTSTAMP:{_stamp(letter.written_at)}",
        f"DTSTART:{start}",
        f"DTEND:{start}",
        f"SUMMARY:{_text(summary)}",
        f"DESCRIPTION:{_text(description)}",
        *([f"URL:{letter.status_url}"] if letter.status_url else []),
        f"STATUS:{'CANCELLED' if ends else 'CONFIRMED'}",
        "TRANSP:TRANSPARENT",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return method, b"".join(fold(line) for line in lines)


def fold(line: str) -> bytes:
    """At most 75 octets a line, never within a sign; each further one begins with a blank.

    >>> fold("SUMMARY:" + "七" * 30).split(b"\\r\\n")[1].decode()
    ' 七七七七七七七七'
    """
    parts, part = [], b""
    for sign in line:
        octets = sign.encode()
        if len(part) + len(octets) > LINE:
            parts.append(part)
            part = b" "
        part += octets
    return b"\r\n".join([*parts, part]) + b"\r\n"


def _text(value: str) -> str:
    for sign in "\\;,":
        value = value.replace(sign, f"\\{sign}")
    return value.replace("\n", "\\n")


def _stamp(at: int) -> str:
    return (EPOCH + timedelta(microseconds=at)).strftime(_STAMP)
