"""Kinds of network, from lists: files of prefixes, one kind a file.

Read are plain lists (a prefix or an address a line, comments after # or ;), the exit lists of the Tor Project
(`ExitAddress …`), JSON in which any string is a prefix (as clouds publish their ranges), and CSV with a territory and
a subdivision behind the prefix (RFC 8805, as Apple publishes the ranges of iCloud Private Relay).  What is none of
them stops the reading and names the line: half a list would pass for a whole one.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from gapura.atlas.base import STRENGTH
from gapura.atlas.prefixes import Span, flat, span
from gapura.atlas.ranges import Ranges, Row
from gapura.atlas.territories import CODES
from gapura.terms.place import Network, SourceAnswer

_TOR = ("ExitNode ", "Published ", "LastStatus ")


class BadList(ValueError):
    """Names the file, the line, and what stands there."""


class Listed(NamedTuple):
    """What all lists together say of an address: the strongest kind, and the word of each, the nearest prefix first."""

    network: Network
    answers: tuple[SourceAnswer, ...]

    @property
    def place(self) -> SourceAnswer | None:
        """Where a network that states its users' place says that they are."""
        return next((answer for answer in self.answers if answer.code), None)

    def within(self, wider: "Listed") -> "Listed":
        strongest = min(self.network, wider.network, key=STRENGTH.__getitem__)
        return Listed(strongest, tuple(dict.fromkeys(self.answers + wider.answers)))


class List(msgspec.Struct, frozen=True):
    """One file, read.  `four` and `six` hold spans with what the file says of each."""

    name: str
    as_of: str
    digest: str
    four: list[tuple[Span, Listed]]
    six: list[tuple[Span, Listed]]


class Networks:
    """All lists together.  Immutable; made by `of`."""

    def __init__(self, ranges: Ranges, listed: dict[str, Listed], digest: str) -> None:
        self.ranges, self._listed, self.digest = ranges, listed, digest

    @classmethod
    def of(cls, lists: Sequence[List]) -> "Networks":
        numbers: dict[Listed, str] = {}

        def rows(family: Iterable[list[tuple[Span, Listed]]]) -> Iterator[Row]:
            for first, last, listed in flat(family, Listed.within):
                yield first, last, numbers.setdefault(listed, str(len(numbers)))

        ranges = Ranges.of(rows(one.four for one in lists), rows(one.six for one in lists))
        digest = "\n".join(one.digest for one in lists)
        return cls(ranges, {number: listed for listed, number in numbers.items()}, digest)

    def find(self, packed: bytes) -> Listed | None:
        """Of an address of 4 or 16 bytes; None where no list has it."""
        number = self.ranges.code(packed)
        return None if number is None else self._listed[number]


def read(path: Path, kind: Network, *, name: str = "", places: bool | None = None, as_of: str = "") -> List:
    """`places`: whether what stands behind a prefix is where its users are (None: of a relay it is).  `as_of`: ""
    takes the file's own time.  Raises BadList and OSError."""
    stated = kind == "relay" if places is None else places
    data = path.read_bytes()
    name = name or path.stem
    as_of = as_of or datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
    told: dict[tuple[str, str], Listed] = {}
    families: dict[int, list[tuple[Span, Listed]]] = {4: [], 16: []}
    for where, prefix, code, part in _entries(path, data):
        place = _place(code, part) if stated else ("", "")
        if (listed := told.get(place)) is None:
            listed = told[place] = Listed(kind, (SourceAnswer(name, place[0], as_of, place[1], kind),))
        try:
            size, within = span(prefix)
        except (OSError, ValueError):
            raise BadList(f"{path}, {where}: {prefix[:60]!r} is neither an address nor a prefix") from None
        families[size].append((within, listed))
    digest = f"{name} {kind} {stated} {as_of} {hashlib.sha256(data).hexdigest()}"
    return List(name, as_of, digest, families[4], families[16])


def _entries(path: Path, data: bytes) -> Iterator[tuple[str, str, str, str]]:
    """Where it stands, prefix, territory, subdivision."""
    try:
        text = data.decode("utf-8-sig")
        if text.lstrip()[:1] in ("{", "["):
            yield from (("in its JSON", prefix, "", "") for prefix in _prefixes(json.loads(text)))
            return
    except ValueError as error:
        raise BadList(f"{path}: {error}") from None
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.partition("#")[0].partition(";")[0].strip()
        if not entry or entry.startswith(_TOR):
            continue
        prefix, _, rest = entry.partition(",")
        if entry.startswith("ExitAddress "):
            prefix = entry.split()[1]
        code, _, rest = rest.partition(",")
        yield f"line {number}", prefix.strip(), code.strip(), rest.partition(",")[0].strip()


def _prefixes(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        address = value.partition("/")[0]
        if "." in address or ":" in address:
            try:
                span(value)
            except (OSError, ValueError):
                return
            yield value
    elif isinstance(value, list | dict):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _prefixes(member)


def _place(code: str, part: str) -> tuple[str, str]:
    """Only what is a territory, and a part of that one; the rest says nothing."""
    code, part = code.upper(), part.upper()
    if code not in CODES:
        return "", ""
    return code, part if part.startswith(f"{code}-") else ""
