"""A date, written into a policy document: from when a policy warns, and from when it blocks.

Whoever arms it writes another document; the one that it was made of stays as it is, and is put back to undo it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from gapura.clock import text
from gapura.rulebook import formats
from gapura.rulebook.documents import BadDocument, below
from gapura.rulebook.formats import Format
from gapura.rulebook.read import read_policies
from gapura.terms.rulebook import Effect, Phase, Policy


def armed(content: bytes, written_in: Format, name: str, phases: Sequence[Phase]) -> str | None:
    """The document, in TOML, with these phases in the policy of this name; None where it says all that already.

    Where it has phases of these dates, they stay, and become `told_only` where these are.  Raises BadDocument: there is
    no such policy, or it has other phases, which somebody meant.
    """
    number, found = _named(formats.parse(content, written_in), name)
    if not found.phases:
        return with_phases(content, written_in, name, phases)
    wanted: dict[tuple[Effect, int], Phase] = {
        (phase.effect, phase.starts): phase for phase in phases if phase.effect != "warn"
    }
    if {(phase.effect, phase.starts) for phase in found.phases if phase.effect not in {"warn", "allow"}} != set(wanted):
        told = ", ".join(f"{phase.effect} from {text(phase.starts)}" for phase in found.phases)
        raise BadDocument(
            f"policies[{number}].phases", f"they say {told}; take them out, or give the campaign that day"
        )
    told_only = {key for key, phase in wanted.items() if phase.told_only}
    asked = tuple(
        msgspec.structs.replace(one, told_only=True) if (one.effect, one.starts) in told_only else one
        for one in found.phases
    )
    return None if asked == found.phases else with_phases(content, written_in, name, asked)


def with_phases(content: bytes, written_in: Format, name: str, phases: Sequence[Phase]) -> str:
    """The document, in TOML, with these phases in the policy of this name, whatever it had.  Raises BadDocument."""
    tables = formats.parse(content, written_in)
    number, _ = _named(tables, name)
    raw = dict(tables["policies"][number])
    raw["phases"] = [_phase(phase) for phase in phases]
    listed = [*tables["policies"][:number], raw, *tables["policies"][number + 1 :]]
    return toml(tables | {"policies": listed})


def policy(content: bytes, written_in: Format, name: str) -> Policy:
    """The policy of this name in a document.  Raises BadDocument."""
    return _named(formats.parse(content, written_in), name)[1]


def _phase(phase: Phase) -> dict[str, Any]:
    zone = {} if phase.zone == "UTC" else {"zone": phase.zone}
    return (
        {"effect": phase.effect, "from": text(phase.starts)} | zone | ({"told_only": True} if phase.told_only else {})
    )


def _named(tables: Mapping[str, Any], name: str) -> tuple[int, Policy]:
    found = read_policies(tables, ())
    for number, one in enumerate(found):
        if one.name == name:
            return number, one
    there = ", ".join(one.name for one in found) or "none"
    raise BadDocument("policies", f"there is no policy {name}; there are {there}")


def toml(tables: Mapping[str, Any]) -> str:
    """Tables as TOML: those of lists as `[[name]]`, what is deeper in one line each.

    >>> print(toml({"policies": [{"pack": "openai/api", "models": ["gpt-4*"]}]}), end="")
    [[policies]]
    pack = "openai/api"
    models = ["gpt-4*"]
    """
    return "\n".join("\n".join([*lines, ""]) for lines in _tables(tables))


def _tables(tables: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, value in tables.items():
        if isinstance(value, list | tuple):
            yield from ([f"[[{name}]]", *_lines(one)] for one in value)
            if not value:
                yield [f"{name} = []"]
        else:
            yield [f"[{name}]", *_lines(value)]


def _lines(table: Mapping[str, Any]) -> Iterator[str]:
    return (f"{_key(name)} = {_value(value)}" for name, value in table.items())


def _key(name: str) -> str:
    return below("", name).removeprefix(".")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f" {_key(name)} = {_value(one)}" for name, one in value.items()).lstrip() + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return str(value)
