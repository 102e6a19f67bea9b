"""Territories: ISO 3166-1 alpha-2 codes and XK, with their names as people and vendors write them.

`data/territories.toml` gives for each code an English name and the other spellings that were seen in OpenAI's,
Anthropic's and Google's lists and in ISO 3166 itself.  An unknown name is an error, never a guess: a misread name
in a list of supported territories would refuse or serve a whole country.
"""

import re
import tomllib
import unicodedata
from difflib import get_close_matches
from importlib.resources import files

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
"""The parts of a territory that vendors' lists except (ISO 3166-2).  No free place data can tell them apart, so a
list that excepts one covers the whole territory only in part."""


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
        raise ValueError(f"{name!r} is {part}, a part of {NAMES[whole]}; place data knows only the whole: use {whole}")
    close = get_close_matches(plain, _BY_SPELLING, n=1, cutoff=0.7)
    hint = "".join(f"; did you mean {NAMES[code]} ({code})?" for code in (_BY_SPELLING[match] for match in close))
    raise ValueError(f"no territory is called {name!r}{hint or '; write an ISO 3166-1 code of two letters'}")
