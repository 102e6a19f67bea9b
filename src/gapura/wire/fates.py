"""What becomes of each field of an endpoint's request, as tables: the same tables translate, and are printed.

honoured     the same field, with the same meaning
translated   said in another way, with the same meaning
degraded     said in another way, with less of a meaning: a loss
ignored      left out, and the answer is of the same form: a loss, unless the value means nothing
refused      left out, and without it the answer is not what was asked for: a loss of the contract
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from gapura.errors import BadRequest
from gapura.terms.loss import Loss, Weight

Fate = Literal["honoured", "translated", "degraded", "ignored", "refused"]


class Line(NamedTuple):
    """`does` in words; `nothing`: values with which nothing is lost."""

    fate: Fate
    does: str = ""
    weight: Weight | None = None
    nothing: tuple[Any, ...] = ()


HONOURED = Line("honoured")
UNKNOWN = Line("ignored", "unknown to this endpoint", "behavioural")


def translated(does: str) -> Line:
    return Line("translated", does)


def degraded(does: str, weight: Weight) -> Line:
    return Line("degraded", does, weight)


def ignored(why: str, weight: Weight, nothing: tuple[Any, ...] = ()) -> Line:
    return Line("ignored", why, weight, nothing)


def refused(why: str, nothing: tuple[Any, ...] = ()) -> Line:
    return Line("refused", why, "contract", nothing)


class Draft:
    """A chat request in the making: what was `given` (without nulls, which mean the default), and so far the `body` and
    the `losses`.  Fields that are translated or degraded are the business of the endpoint's own steps."""

    def __init__(self, given: Mapping[str, Any], table: Mapping[str, Line]) -> None:
        silent = None in given.values()
        self.given = {name: value for name, value in given.items() if value is not None} if silent else given
        self.body: dict[str, Any] = {}
        self.losses: list[Loss] = []
        for name, value in self.given.items():
            line = table.get(name, UNKNOWN)
            if line.fate == "honoured":
                self.body[name] = value
            elif line.weight is not None and line.fate != "degraded" and value not in line.nothing:
                self.lose(name, line.does, line.weight)

    def lose(self, field: str, why: str, weight: Weight) -> None:
        """Once for each field and reason, however many messages have it."""
        loss = Loss(field, why, weight)
        if loss not in self.losses:
            self.losses.append(loss)

    def rest(self, given: Mapping[str, Any], known: frozenset[str], name: str) -> None:
        """What else is said of something, which nobody here knows."""
        if not given.keys() <= known:
            for extra, value in given.items():
                if extra not in known and value is not None:
                    self.lose(f"{name}.{extra}", "unknown to this endpoint", "behavioural")


Step = Callable[[Draft], None]


def take(draft: Draft, steps: Sequence[tuple[frozenset[str], Step]]) -> None:
    """The steps, in their order, of those fields that were given."""
    for fields, step in steps:
        if not fields.isdisjoint(draft.given):
            step(draft)


def of(*fields: str) -> frozenset[str]:
    return frozenset(fields)


def wrong(where: str, said: str) -> BadRequest:
    """
    >>> wrong("messages[2].role", "expected user or assistant").param
    'messages[2].role'
    """
    return BadRequest(f"Invalid value for '{where}': {said}.", param=where)


def text_at(given: Mapping[str, Any], name: str, where: str) -> str:
    """A field that must be a string.  Raises BadRequest naming it."""
    found = given.get(name)
    if not isinstance(found, str):
        raise wrong(f"{where}.{name}", "expected a string")
    return found


def kind_at(given: Mapping[str, Any], where: str, usual: str) -> str:
    """The `type` of an object, or the usual one where none is said."""
    return usual if given.get("type") is None else text_at(given, "type", where)


def object_at(given: Any, where: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise wrong(where, "expected an object")
    return given


def list_at(given: Any, where: str) -> list[Any]:
    if not isinstance(given, list):
        raise wrong(where, "expected a list")
    return given


def said(value: Any) -> str:
    """A value as JSON, for text that must be a string."""
    return msgspec.json.encode(value).decode()
