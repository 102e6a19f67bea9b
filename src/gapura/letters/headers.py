"""Headers as RFC 5322 and RFC 2047 have them, written by hand.

The standard library's folding makes encoded words of 76 signs (Python 3.11) where RFC 2047 allows 75, and takes as long
as all the rest of a letter.  What is not printable ASCII goes into base64 here, so that nothing that somebody wrote can
end a header.
"""

import base64
import re

LINE = 76
_FRAME = len("=?utf-8?b??=")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_PLAIN = re.compile(r"[ -~]*")


def text(name: str, value: str) -> bytes:
    """A header of free text.

    >>> text("Subject", "七月九日")
    b'Subject: =?utf-8?b?5LiD5pyI5Lmd5pel?=\\r\\n'
    """
    if _PLAIN.fullmatch(value) and "=?" not in value:
        return _folded(name, value.split(" "))
    return _folded(name, _words(value, len(name) + 2))


def mailbox(name: str, called: str, address: str) -> bytes:
    """A header of one mailbox; `called` "": of its address alone, which stands there in its own letters (RFC 6532).

    >>> mailbox("To", "Li, Acme", "li@example.com")
    b'To: "Li, Acme" <li@example.com>\\r\\n'
    """
    if not called:
        return _folded(name, [address])
    if not _PLAIN.fullmatch(called) or "=?" in called:
        words = _words(called, len(name) + 2)
    elif _ATOMS.fullmatch(called):
        words = called.split(" ")
    else:
        words = ('"' + re.sub(r'(["\\])', r"\\\1", called) + '"').split(" ")
    return _folded(name, [*words, f"<{address}>"])


def _words(value: str, used: int) -> list[str]:
    """Encoded words that stand on a line each, none of which ends within a sign; `used` signs of the first line are."""
    words, part = [], b""
    room = (LINE - used - _FRAME) // 4 * 3
    for sign in value:
        octets = sign.encode()
        if len(part) + len(octets) > room:
            words.append(part)
            part, room = b"", (LINE - 1 - _FRAME) // 4 * 3
        part += octets
    return [f"=?utf-8?b?{base64.b64encode(word).decode()}?=" for word in (*words, part)]


def _folded(name: str, words: list[str]) -> bytes:
    """Words with a blank between them, folded before those for which there is no room."""
    lines, line = [], f"{name}: {words[0]}"
    for word in words[1:]:
        # A line of blanks alone would be none: empty words stay with those before them.
        if word and line.strip() and len(line) + 1 + len(word) > LINE:
            lines.append(line)
            line = ""
        line += f" {word}"
    return "\r\n".join([*lines, line]).encode() + b"\r\n"
