"""What becomes of one field of a request: building blocks for the vendors' tables.

Each is a `Field`: what it does in words (the reference is made of them), what kind of value it takes, and a pure
function from the value to the fields to send instead and what was lost ("" for nothing).

    >>> import msgspec
    >>> clamp(0.01, 1.0).carry("temperature", 1.4)
    ({'temperature': 1.0}, '1.4 became 1.0')
    >>> drop("cosmetic").carry("store", msgspec.Raw(b"true"))
    ({}, 'not supported')
"""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from gapura.terms.loss import Weight
from gapura.wire.fates import Fate

Carried = tuple[dict[str, Any], str]
Carry = Callable[[str, Any], Carried]


class Field(msgspec.Struct, frozen=True):
    """`kind` is what msgspec shall decode the value as; Raw leaves the bytes alone.  `weight` None: never a loss."""

    does: str
    carry: Carry
    kind: Any = Raw
    weight: Weight | None = None
    fate: Fate = "translated"


def keep() -> Field:
    """The same bytes."""
    return Field("kept", lambda name, value: ({name: value}, ""), fate="honoured")


def typed(kind: Any) -> Field:
    """The same value, of a kind that is checked here because the vendor's own complaint would be obscure."""
    return Field("kept", lambda name, value: ({name: value}, ""), kind, fate="honoured")


def clamp(low: float, high: float, *, above: float | None = None, decimals: int | None = None) -> Field:
    """The nearest number that the vendor takes.  `above`: what zero becomes where the vendor wants more than that."""

    def carry(name: str, value: float) -> Carried:
        near = min(max(value, low if above is None else above), high)
        near = near if decimals is None else round(near, decimals)
        return {name: near}, "" if near == value else f"{value:g} became {near}"

    span = f"into [{low if above is None else above:g}, {high:g}]"
    return Field(f"moved {span}", carry, float, "behavioural", "degraded")


def whole(low: int, high: int, weight: Weight) -> Field:
    """The nearest integer that the vendor takes."""

    def carry(name: str, value: int) -> Carried:
        near = min(max(value, low), high)
        return {name: near}, "" if near == value else f"{value} became {near}"

    return Field(f"moved into [{low}, {high}]", carry, int, weight, "degraded")


def renamed(to: str) -> Field:
    """The same bytes under another name."""
    return Field(f"`{to}`", lambda _, value: ({to: value}, ""))


def first(limit: int) -> Field:
    """The first entries of a list, or of a string taken as a list of one."""

    def carry(name: str, value: str | list[str]) -> Carried:
        items = [value] if isinstance(value, str) else value
        return {name: items[:limit]}, f"kept the first {limit} of {len(items)}" if len(items) > limit else ""

    return Field(f"as a list, the first {limit}", carry, str | list[str], "contract", "degraded")


def listed() -> Field:
    """A string becomes a list of one."""
    return Field(
        "as a list", lambda name, value: ({name: [value] if isinstance(value, str) else value}, ""), str | list[str]
    )


def drop(weight: Weight, why: str = "not supported", *, means_nothing: tuple[Any, ...] = ()) -> Field:
    """Left out.  Values that `mean_nothing` say what the vendor does anyway, so nothing is lost with them."""

    def carry(_: str, value: Any) -> Carried:
        return {}, "" if value in means_nothing else why

    does = "left out" if why == "not supported" else f"left out: {why}"
    fate: Fate = "refused" if weight == "contract" else "ignored"
    return Field(does, carry, Any if means_nothing else Raw, weight, fate)


def sized(low: int, high: int, to: str, weight: Weight) -> Field:
    """A string under another name, left out where it is too short or too long for the vendor."""

    def carry(_: str, value: str) -> Carried:
        if low <= len(value) <= high:
            return {to: value}, ""
        return {}, f"{to} takes {low} to {high} characters"

    return Field(f"`{to}`, of {low} to {high} characters", carry, str, weight)


def one_of(*values: Any, weight: Weight) -> Field:
    """Kept where the vendor takes this value, else left out."""

    def carry(name: str, value: Any) -> Carried:
        return (
            ({name: value}, "") if value in values else ({}, f"{msgspec.json.encode(value).decode()} is not supported")
        )

    return Field("kept: " + ", ".join(map(str, values)), carry, Any, weight, "degraded")


def step(does: str, weight: Weight | None = None) -> Field:
    """Carried by one of the vendor's steps, together with other fields."""
    fate: Fate = "translated" if weight in {None, "cosmetic"} else "degraded"
    return Field(does, lambda _name, _value: ({}, ""), weight=weight, fate=fate)


# What OpenAI's API has and none of the others: hints, and things that change the form of the answer.
ELSEWHERE_UNKNOWN = {
    "logit_bias": drop("behavioural", means_nothing=({},)),
    "verbosity": drop("behavioural"),
    "prediction": drop("cosmetic"),
    "store": drop("cosmetic", means_nothing=(False,)),
    "metadata": drop("cosmetic", means_nothing=({},)),
    "service_tier": drop("cosmetic", means_nothing=("auto", "default")),
    "prompt_cache_key": drop("cosmetic"),
    "prompt_cache_options": drop("cosmetic"),
    "prompt_cache_retention": drop("cosmetic"),
    "safety_identifier": drop("cosmetic"),
    "modalities": drop("contract", means_nothing=(["text"],)),
    "audio": drop("contract"),
    "web_search_options": drop("contract"),
    "moderation": drop("behavioural"),
}

# What every vendor's table begins with.
COMMON = {
    "model": step("the target's"),
    "messages": step("see *Messages*", "contract"),
    "tools": step("see *Tools*", "contract"),
    "functions": step("as `tools`; the answer has `tool_calls`", "contract"),
    "function_call": step("as `tool_choice`", "contract"),
    "stream": typed(bool),
}

UNKNOWN = drop("behavioural", "unknown to this provider")
