"""Tables as people write them, checked against the terms that they become.

Every error names the field by its path, as `policies[0].phases[1].from`, and says what to write instead.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

import msgspec

from gapura.atlas import territories
from gapura.clock import instant
from gapura.shapes import no_zone, plainly

AS_WRITTEN = {"starts": "from", "ends": "until"}
"""Fields of the terms that go by another name in documents."""

S = TypeVar("S", bound=msgspec.Struct)
T = TypeVar("T")


class BadDocument(ValueError):
    """What stands at `path` cannot be meant."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


def below(path: str, name: str) -> str:
    """The path of a field; names that TOML would quote are quoted."""
    return f"{path}.{name}" if name.replace("-", "_").isidentifier() else f'{path}."{name}"'


def nearest(word: str, words: Iterable[str]) -> str:
    """` (did you mean …?)`, or nothing."""
    near = difflib.get_close_matches(word, list(words), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def table(raw: object, path: str, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The table's fields under the names of `kind`: all of them known, and each choice one that there is."""
    if not isinstance(raw, Mapping):
        raise BadDocument(path, "expected a table")
    fields = {AS_WRITTEN.get(name, name): name for name in kind.__struct_fields__}
    for name, value in raw.items():
        if name not in fields:
            raise BadDocument(below(path, name), f"there is no such field{nearest(name, fields)}")
        choices = _choices(kind).get(name)
        if choices and value not in choices:
            hint = nearest(str(value), choices)
            raise BadDocument(below(path, name), f"{value!r} is none of {', '.join(choices)}{hint}")
    return {fields[name]: value for name, value in raw.items()}


def tables(raw: object, path: str) -> list[tuple[str, Any]]:
    """The members of an array, each with its path."""
    if not isinstance(raw, list | tuple):
        raise BadDocument(path, "expected a list")
    return [(f"{path}[{index}]", member) for index, member in enumerate(raw)]


def term(fields: dict[str, Any], path: str, kind: type[S]) -> S:
    """The term that the fields make up."""
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$")
        problem = plainly(problem)
        problem += "; put it in quotes" * ("Expected `str`, got" in problem)
        for name, written in AS_WRITTEN.items():
            problem = problem.replace(f"`{name}`", f"`{written}`")
        raise BadDocument(path + where.rstrip("`"), problem) from None


def or_bad(look_up: Callable[[str], T], name: str, path: str) -> T:
    """What is looked up by a name; a ValueError tells why it is not found."""
    try:
        return look_up(name)
    except ValueError as error:
        raise BadDocument(path, str(error)) from None


def territory(name: object, path: str, look_up: Callable[[str], T]) -> T:
    """`look_up`: one of `atlas.territories`, as resolve."""
    if isinstance(name, bool):
        raise BadDocument(path, f'{str(name).lower()} is no territory; if Norway is meant, write it in quotes: "NO"')
    if not isinstance(name, str):
        raise BadDocument(path, "expected a territory, as SG or Singapore")
    return or_bad(look_up, name, path)


def named(
    fields: dict[str, Any], path: str, names: Iterable[str], look_up: Callable[[str], str] = territories.resolve
) -> dict[str, list[str]]:
    """The lists of territories among the fields, as codes."""
    return {
        name: [territory(member, where, look_up) for where, member in tables(fields[name], below(path, name))]
        for name in names
        if name in fields
    }


def words(fields: dict[str, Any], path: str, names: Mapping[str, Iterable[str]]) -> None:
    """Each of these fields, where it is stated, is a list of texts that are not empty; `names` says which there are,
    where not any text will do."""
    for name, there_are in names.items():
        for where, member in tables(fields.get(name, ()), below(path, name)):
            choices = list(there_are)
            if not isinstance(member, str) or not member.strip():
                raise BadDocument(where, "expected a text that is not empty, in quotes")
            if choices and member not in choices:
                raise BadDocument(where, f"{member!r} is none of {', '.join(choices)}{nearest(member, choices)}")


def no_twins(names: Iterable[str], path: str, problem: str = "") -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise BadDocument(path, problem or f"{name!r} stands there twice")
        seen.add(name)


def when(value: object, path: str, zone: str = "") -> int:
    """UTC microseconds.  A date alone, or a local time without a zone, is no instant: people mean different ones."""
    stamp = _stamp(value, path)
    if stamp.tzinfo is None:
        stamp = _placed(stamp, path, zone)
    try:
        return instant(stamp.astimezone(UTC))
    except OverflowError as error:
        raise BadDocument(path, str(error)) from None


def zone_named(name: str, path: str) -> ZoneInfo:
    if problem := no_zone(name):
        raise BadDocument(path, problem)
    return ZoneInfo(name)


def _stamp(value: object, path: str) -> datetime:
    problem = "a bare date" if isinstance(value, str | date) else f"`{type(value).__name__}`"
    if isinstance(value, datetime):
        return value
    if isinstance(value, str) and len(value) > len("2024-07-09"):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            problem = repr(value)
    raise BadDocument(path, f"{problem} is no instant; write e.g. 2024-07-09T00:00:00+08:00")


def _placed(local: datetime, path: str, zone: str) -> datetime:
    if not zone:
        raise BadDocument(path, f"{local.isoformat()} has no offset; add one, as +08:00, or a `zone`, as Asia/Shanghai")
    early = local.replace(tzinfo=zone_named(zone, path), fold=0)
    if early.utcoffset() != early.replace(fold=1).utcoffset():
        raise BadDocument(path, f"{local.isoformat()} happens twice or never in {zone}; write it with an offset")
    return early


@cache
def _choices(kind: type[msgspec.Struct]) -> dict[str, tuple[str, ...]]:
    hints = get_type_hints(kind)
    return {AS_WRITTEN.get(name, name): get_args(hint) for name, hint in hints.items() if get_origin(hint) is Literal}
