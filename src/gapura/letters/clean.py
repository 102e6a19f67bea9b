"""What customers call themselves and their keys, made fit to stand in a letter.

Names come from outside: they may hold line breaks (which would be headers), marks that turn the direction of everything
behind them, or a million characters.  HTML is not this module's business: the template escapes all that it is given.
"""

import unicodedata

MOST_OF_A_NAME = 120
MOST_OF_A_REASON = 4_000

# Of a megabyte, no more is read than may be kept, and some blanks.
_LOOKED_AT = 8

_FIRST_STRONG, _POP = "\u2068", "\u2069"
_RIGHT_TO_LEFT = {"R", "AL", "AN"}
_TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def name(raw: str, most: int = MOST_OF_A_NAME) -> str:
    """One line of at most `most` characters; what is cut ends with an ellipsis.  A name that is written from right to
    left is isolated, so that the sentence around it stays as it is.

    >>> name("Acme\\r\\nBcc: everybody@example.com")
    'Acme Bcc: everybody@example.com'
    """
    signs = (" " if _breaks(sign) else sign for sign in raw[: _LOOKED_AT * most] if not _turns(sign))
    line = " ".join("".join(signs).split())
    if len(line) > most:
        line = line[: most - 1].rstrip() + "…"
    if any(unicodedata.bidirectional(sign) in _RIGHT_TO_LEFT for sign in line):
        return f"{_FIRST_STRONG}{line}{_POP}"
    return line


def paragraphs(raw: str) -> tuple[str, ...]:
    """Free text as its paragraphs, each of which is one line."""
    lines = (name(line, MOST_OF_A_REASON) for line in raw[:MOST_OF_A_REASON].splitlines())
    return tuple(line for line in lines if line)


def _breaks(sign: str) -> bool:
    return unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"}


def _turns(sign: str) -> bool:
    return unicodedata.bidirectional(sign) in _TURNING
