"""`[packs]` of a document: the operator's own lists of places, in codes or in names as vendors write them.

A list may say `Ukraine (with certain exceptions)` or `Ukraine (except Crimea, Donetsk, and Luhansk regions)`; that is a
partial territory.  So is one whose parts are `excepted`, or excluded by a list of kind deny.
"""

import re
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

from gapura.atlas import packs
from gapura.atlas.territories import CODES, Listed, listed, resolve_part, with_their_own
from gapura.rulebook.documents import BadDocument, below, named, nearest, table, tables, term, territory, words
from gapura.terms.rulebook import Pack

PRODUCT = re.compile(r"[\w.-]+/[\w.-]+")
"""How packs and products are called: whose, and what of theirs."""

_DATED = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")


def lists(raw: object, providers: Collection[str]) -> dict[str, Pack]:
    """By name.  `providers`: those that may be guarded.  Raises BadDocument."""
    if not isinstance(raw, Mapping):
        raise BadDocument("packs", 'expected tables, as [packs."acme/api"]')
    return {name: _pack(name, table_, below("packs", name), providers) for name, table_ in raw.items()}


def _pack(name: str, raw: object, path: str, providers: Collection[str]) -> Pack:
    if not PRODUCT.fullmatch(name):
        raise BadDocument(path, f"{name!r} does not name a list; write whose it is and of what, as acme/api")
    if name in packs.names():
        raise BadDocument(path, f"{name} comes with Gapura; give a list of your own another name")
    fields = table(raw, path, Pack)
    if "name" in fields:
        raise BadDocument(f"{path}.name", f"the list's name is its key, {name!r}")
    words(fields, path, {"guards": (), "hosts": ()})
    for where, guarded in tables(fields.get("guards", ()), f"{path}.guards"):
        if guarded not in providers:
            raise BadDocument(where, f"there is no provider {guarded!r}{nearest(guarded, providers)}")
    fields |= {"name": name, "guards": fields.get("guards", ()), "as_of": _dated(fields.get("as_of"), path)}
    if not str(fields.get("source", "")).strip():
        raise BadDocument(f"{path}.source", "say where the list is from, as an address or a document")
    return term(fields | _places(fields, path), path, Pack)


def _dated(value: object, path: str) -> str:
    """A list without a date is one that nobody can tell to be old."""
    said = value.isoformat() if isinstance(value, date) else value
    if not isinstance(said, str) or not _DATED.fullmatch(said):
        raise BadDocument(f"{path}.as_of", "say of when the list is, as 2026-09-26")
    return said


def _places(fields: dict[str, Any], path: str) -> dict[str, Any]:
    deny = fields.get("kind", "allow") == "deny"
    this, other = ("excluded", "supported") if deny else ("supported", "excluded")
    if fields.get(other):
        raise BadDocument(f"{path}.{other}", f"a list of kind {fields.get('kind', 'allow')} has {this}, not {other}")
    whole, partial = set(), _partial(fields, path)
    parts = set(named(fields, path, ("excepted",), resolve_part).get("excepted", ()))
    for where, entry in tables(fields.get(this, ()), f"{path}.{this}"):
        one = territory(entry, where, _part if deny else listed)
        parts |= one.parts
        if one.but or one.parts:
            partial[one.territory] = partial.get(one.territory) or one.but
        else:
            whole.add(one.territory)
    if whole_ones := sorted(parts & CODES):
        raise BadDocument(f"{path}.excepted", f"{whole_ones[0]} is a whole territory; name parts, as UA-43")
    parts = set(with_their_own(parts))
    divided = {part[:2] for part in parts}
    if not deny and (missing := sorted(divided - whole - partial.keys())):
        raise BadDocument(f"{path}.excepted", f"the list does not support {missing[0]}, of which parts are excepted")
    partial = dict.fromkeys(sorted(divided), "") | partial
    told = {code: but or _told(code, parts) for code, but in partial.items()}
    if deny and (both := sorted(whole & told.keys())):
        raise BadDocument(f"{path}.excluded", f"{both[0]} is excluded as a whole, and in parts")
    if not whole and not told:
        raise BadDocument(path, f'it names no territories; write {this} = ["Singapore", …]')
    return {this: sorted(whole - told.keys()), "partial": told, "excepted": sorted(parts)}


def _part(entry: str) -> Listed:
    """What a list of kind deny excludes may be a part."""
    place = resolve_part(entry)
    whole = place[:2]
    return Listed(whole, parts=frozenset({place} - {whole}))


def _partial(fields: dict[str, Any], path: str) -> dict[str, str]:
    stated = fields.get("partial", {})
    if not isinstance(stated, Mapping) or not all(isinstance(why, str) for why in stated.values()):
        raise BadDocument(
            f"{path}.partial", 'expected a table of territories and how they are excepted, as { UA = "…" }'
        )
    return {territory(name, below(f"{path}.partial", name), _whole): why for name, why in stated.items()}


def _whole(name: str) -> str:
    return listed(name).territory


def _told(code: str, parts: Collection[str]) -> str:
    mine = sorted(part for part in parts if part.startswith(f"{code}-"))
    return f"without {', '.join(mine)}" if mine else "with exceptions"
