"""Texts of a certain form: msgspec holds them to an expression, and whoever wrote something else is told in words."""

import re
from zoneinfo import ZoneInfo

from msgspec import Meta

_WORDS: dict[str, str] = {}
LENGTHS = {"<=": "at most", ">=": "at least"}


def shaped(pattern: str, words: str, *, longest: int | None = None) -> Meta:
    """What stands in `Annotated[str, …]`; `words` go behind "expected"."""
    _WORDS[repr(pattern)] = words
    return Meta(pattern=pattern, max_length=longest, description=words)


def plainly(problem: str) -> str:
    """What msgspec complains of, without its expressions.

    >>> _ = shaped("^[a-z]$", "a small letter")
    >>> plainly("Expected `str` matching regex '^[a-z]$'"), plainly("Expected `str` of length <= 200")
    ('Expected a small letter', 'Expected at most 200 characters')
    """
    before, found, pattern = problem.partition("`str` matching regex ")
    problem = before + _WORDS.get(pattern, found + pattern)
    return re.sub(r"`str` of length ([<>]=) (\d+)", lambda of: f"{LENGTHS[of[1]]} {of[2]} characters", problem)


def no_zone(name: str) -> str:
    """What is wrong with the name of a time zone; "" for one that there is, and where none is stated."""
    try:
        if name:
            ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return f"there is no time zone {name!r}; write e.g. Asia/Shanghai"
    return ""


TERRITORY = shaped(r"^[A-Z]{2}\Z", "a territory's code of two capitals, as SG")
TERRITORY_OR_NONE = shaped(r"^([A-Z]{2})?\Z", "a territory's code of two capitals, as SG")
LANGUAGE_OR_NONE = shaped(r"^([A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*)?\Z", "a language's code, as en or zh-Hans")
LANGUAGE = shaped(r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*\Z", "a language's code, as en or zh-Hans")
CURRENCY = shaped(r"^[A-Z]{3}\Z", "a currency's code of three capitals, as USD")
