"""A policy document of its own: who may be served, its tests, and what it says of its lints.

Routes and providers are no part of it; they stand in gapura.toml, which may hold policies, too, and then decides.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from gapura.rulebook import lints, trials
from gapura.rulebook.documents import BadDocument, nearest
from gapura.rulebook.formats import Format, parse
from gapura.rulebook.lints import Limits
from gapura.rulebook.trials import Trial

RULING = ("packs", "policies")
TABLES = (*RULING, "tests", "lints")


class Paper(NamedTuple):
    """`tables`: the packs and policies, as they were written."""

    tables: dict[str, Any]
    trials: tuple[Trial, ...]
    limits: Limits

    def within(self, documents: Mapping[str, Any]) -> dict[str, Any]:
        """What gapura.toml's tables become with these policies in the place of any others."""
        return {name: value for name, value in documents.items() if name not in TABLES} | self.tables


def read(content: bytes, written_in: Format) -> Paper:
    """Raises BadDocument naming the field; what only the policies themselves show is not looked at yet."""
    tables = parse(content, written_in)
    for name in tables:
        if name in {"routes", "providers", "atlas"}:
            raise BadDocument(name, f"a policy document has no {name}; they stand in gapura.toml")
        if name not in TABLES:
            raise BadDocument(name, f"there is no such table{nearest(name, TABLES)}")
    if "policies" not in tables:
        raise BadDocument("policies", "the document has none; `policies = []` would guard nothing")
    return part(tables)


def part(tables: Mapping[str, Any]) -> Paper:
    """The same of the tables of a gapura.toml.  Raises BadDocument."""
    ruling = {name: tables[name] for name in RULING if name in tables}
    return Paper(ruling, trials.read(tables.get("tests", ())), lints.read(tables.get("lints", {})))


def decides(documents: Mapping[str, Any]) -> bool:
    """Whether gapura.toml itself says whom providers may serve: then no stored version does."""
    return not documents.keys().isdisjoint(RULING)
