"""Territories: ISO 3166-1 alpha-2 codes and XK, with their names as people and vendors write them.

`data/territories.toml` gives for each code an English name and the other spellings that were seen in OpenAI's,
Anthropic's and Google's lists and in ISO 3166 itself.  An unknown name is an error, never a guess: a misread name
in a list of supported territories would refuse or serve a whole country.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import msgspec

_TABLE: dict[str, list[str]] = tomllib.loads((files(__package__) / "data/territories.toml").read_text("utf-8"))

NAMES: dict[str, str] = {code: spellings[0] for code, spellings in _TABLE.items()}
CODES: frozenset[str] = frozenset(NAMES)

SUBDIVISIONS = {
    "UA-09": "Luhansk",
    "UA-14": "Donetsk",
    "UA-23": "Zaporizhzhia",
    "UA-40": "Sevastopol",
    "UA-43": "Crimea",
}
"""The parts of a territory that vendors' lists except (ISO 3166-2), by the names that they go by there."""

_MEANT_WITH = {"UA-43": "UA-40"}
"""Lists that say Crimea mean the peninsula, and Sevastopol on it has a code of its own."""

_SHAPE = re.compile(r"([A-Z]{2})-[A-Z0-9]{1,3}")
_EXCEPTS = re.compile(
    r"(?P<whole>[^(]+)\((?P<but>(?:except|excluding|without|other than|with\b.*\bexceptions?)\b[^)]*)\)", re.IGNORECASE
)


class Sovereigns(msgspec.Struct, frozen=True, kw_only=True):
    """`data/sovereigns.toml`: sovereign → territories that belong to it, dated and sourced."""

    as_of: str
    source: str
    commit: str
    licence: str
    territories: dict[str, tuple[str, ...]]


class Listed(NamedTuple):
    """An entry of a list.  `but`: how it words its exceptions, "" without any; `parts`: those that it names."""

    territory: str
    but: str = ""
    parts: frozenset[str] = frozenset()


def _plain(name: str) -> str:
    """Without case, accents, punctuation and a leading article."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    words = re.findall(r"[^\W_]+", bare.casefold().replace("&", " and ").replace("'", "").replace("’", ""))
    return " ".join(words[1:] if words[:1] == ["the"] else words)


def _index() -> dict[str, str]:
    index: dict[str, str] = {}
    for code, spellings in _TABLE.items():
        for spelling in (code, *spellings):
            if index.setdefault(_plain(spelling), code) != code:
                raise ValueError(f"{spelling!r} names {code} and {index[_plain(spelling)]}")
    return index


_BY_SPELLING = _index()
_PARTS = {_plain(spelling): code for code, name in SUBDIVISIONS.items() for spelling in (code, name)}


@cache
def sovereigns() -> Sovereigns:
    return msgspec.toml.decode((files(__package__) / "data/sovereigns.toml").read_bytes(), type=Sovereigns)


@cache
def sovereign_of() -> dict[str, str]:
    """Territory → the state that it belongs to, for those that have a code of their own."""
    return {one: state for state, belonging in sovereigns().territories.items() for one in belonging}


def resolve(name: str) -> str:
    """The code of a territory, given its code or name.  Raises ValueError, with a suggestion where there is one.

    >>> resolve("Türkiye"), resolve("Congo (DRC)"), resolve("cn")
    ('TR', 'CD', 'CN')
    """
    plain = _plain(name)
    if code := _BY_SPELLING.get(plain):
        return code
    if part := _PARTS.get(plain):
        whole = part[:2]
        raise ValueError(f"{name!r} is {part}, a part of {NAMES[whole]}; only the whole can stand here: use {whole}")
    close = get_close_matches(plain, _BY_SPELLING, n=1, cutoff=0.7)
    hint = "".join(f"; did you mean {NAMES[code]} ({code})?" for code in (_BY_SPELLING[match] for match in close))
    raise ValueError(f"no territory is called {name!r}{hint or '; write an ISO 3166-1 code of two letters'}")


def resolve_part(name: str) -> str:
    """The same, and parts of territories as well: ISO 3166-2 codes, and the names in `SUBDIVISIONS`.

    >>> resolve_part("Crimea"), resolve_part("us-ca"), resolve_part("Norway")
    ('UA-43', 'US-CA', 'NO')
    """
    if part := _PARTS.get(_plain(name)):
        return part
    shape = _SHAPE.fullmatch(name.strip().upper())
    return shape[0] if shape and shape[1] in CODES else resolve(name)


def listed(entry: str) -> Listed:
    """An entry as vendors write it in their lists, exceptions and all.  Raises ValueError.

    >>> listed("Ukraine (with certain exceptions)")
    Listed(territory='UA', but='with certain exceptions', parts=frozenset())
    >>> sorted(listed("Ukraine (except Crimea, Donetsk, and Luhansk regions)").parts)
    ['UA-09', 'UA-14', 'UA-40', 'UA-43']
    """
    found = _EXCEPTS.fullmatch(entry.strip())
    if not found:
        return Listed(resolve(entry))
    code, words = resolve(found["whole"]), _plain(found["but"]).split()
    return Listed(
        code, found["but"].strip(), with_their_own(part for part in SUBDIVISIONS if _plain(SUBDIVISIONS[part]) in words)
    )


def with_their_own(parts: Iterable[str]) -> frozenset[str]:
    """The parts, and those that are meant with them."""
    named = frozenset(parts)
    return named | {_MEANT_WITH[part] for part in named if part in _MEANT_WITH}
