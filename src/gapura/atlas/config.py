"""The table `[atlas]` of gapura.toml: which sources are asked, in which order, and which lists tell networks.

>>> plan({"atlas": {"sources": ["shipped", {"file": "GeoLite2-City.mmdb"}]}}).sources[1].file
'GeoLite2-City.mmdb'
>>> plan({"atlas": {"networks": [{"file": "tor.txt", "kind": "thor"}]}})  # doctest: +ELLIPSIS
Traceback (most recent call last):
...
gapura.settings.bad.BadSetting: atlas.networks[0].kind: 'thor' is none of relay, tor, ... (did you mean tor?)
"""

import difflib
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, TypeVar

import msgspec

from gapura.atlas.base import STRONGEST
from gapura.atlas.corrections import SOURCE
from gapura.atlas.special import Nat64
from gapura.settings import BadSetting
from gapura.terms.place import Network

SHIPPED = "shipped"
"""Stands for the data of `<home>/atlas`, or of the package gapura-atlas."""

KINDS = tuple(kind for kind in STRONGEST if kind not in ("", "private"))
"""Of a list; private addresses are known as such without one."""

S = TypeVar("S", bound=msgspec.Struct)


class SourceFile(msgspec.Struct, frozen=True):
    """A .mmdb file; `name` stands in the evidence, "" takes the file's."""

    file: str
    name: str = ""


class ListFile(msgspec.Struct, frozen=True):
    """A list of prefixes, see `networks.read`."""

    file: str
    kind: Network
    name: str = ""
    places: bool | None = None
    as_of: str = ""


class Plan(msgspec.Struct, frozen=True):
    """`sources` in the order in which they are asked; `SHIPPED` stands for the shipped data."""

    sources: tuple[SourceFile, ...] = (SourceFile(SHIPPED),)
    networks: tuple[ListFile, ...] = ()
    nat64: tuple[Nat64, ...] = ()


def plan(documents: Mapping[str, Any]) -> Plan:
    """Raises BadSetting, which names the field."""
    table = _table(documents.get("atlas", {}), "atlas", Plan)
    sources = [_source(raw, where) for where, raw in _members(table.get("sources", [SHIPPED]), "atlas.sources")]
    networks = [_list(raw, where) for where, raw in _members(table.get("networks", []), "atlas.networks")]
    if not sources:
        raise BadSetting(f'atlas.sources: name at least one source, as "{SHIPPED}"')
    _no_twins([source.file for source in sources], "atlas.sources", "file")
    _no_twins(
        [name for name in (*(one.name for one in sources), *(one.name for one in networks)) if name], "atlas", "name"
    )
    nat64 = [_nat64(raw, where) for where, raw in _members(table.get("nat64", []), "atlas.nat64")]
    return Plan(tuple(sources), tuple(networks), tuple(nat64))


def _source(raw: object, path: str) -> SourceFile:
    if isinstance(raw, str):
        if raw != SHIPPED:
            raise BadSetting(f'{path}: {raw!r} is not "{SHIPPED}"; write a file as {{ file = "{raw}" }}')
        return SourceFile(SHIPPED)
    source = _struct(raw, path, SourceFile)
    if source.file in ("", SHIPPED):
        raise BadSetting(f"{path}.file: name a .mmdb file")
    if source.name in (SHIPPED, SOURCE):
        raise BadSetting(f"{path}.name: {source.name!r} is taken")
    return source


def _list(raw: object, path: str) -> ListFile:
    if isinstance(raw, Mapping) and raw.get("kind") not in KINDS:
        given = raw.get("kind", "")
        raise BadSetting(f"{path}.kind: {given!r} is none of {', '.join(KINDS)}{_nearest(str(given), KINDS)}")
    found = _struct(raw, path, ListFile)
    if not found.file:
        raise BadSetting(f"{path}.file: name a file with prefixes")
    if found.as_of:
        try:
            date.fromisoformat(found.as_of)
        except ValueError:
            raise BadSetting(f"{path}.as_of: {found.as_of!r} is no date; write e.g. 2026-11-01") from None
    return found


def _nat64(raw: object, path: str) -> Nat64:
    try:
        return Nat64.of(str(raw))
    except ValueError as error:
        raise BadSetting(f"{path}: {error}") from None


def _struct(raw: object, path: str, kind: type[S]) -> S:
    try:
        return msgspec.convert(_table(raw, path, kind), kind)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$")
        raise BadSetting(f"{path}{where.rstrip('`')}: {problem}") from None


def _table(raw: object, path: str, kind: type[msgspec.Struct]) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        raise BadSetting(f"{path}: expected a table")
    for name in raw:
        if name not in kind.__struct_fields__:
            raise BadSetting(f"{path}.{name}: there is no such field{_nearest(name, kind.__struct_fields__)}")
    return raw


def _members(raw: object, path: str) -> list[tuple[str, Any]]:
    if not isinstance(raw, list | tuple):
        raise BadSetting(f"{path}: expected a list")
    return [(f"{path}[{index}]", member) for index, member in enumerate(raw)]


def _no_twins(names: Iterable[str], path: str, what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise BadSetting(f"{path}: the {what} {name!r} stands there twice")
        seen.add(name)


def _nearest(word: str, words: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(words), n=1)
    return f" (did you mean {near[0]}?)" if near else ""
