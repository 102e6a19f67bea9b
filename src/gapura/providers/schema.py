"""JSON Schema, as much of it as OpenAI's structured outputs take (platform.openai.com, "supported schemas", 2026-11).

A library would bring four more packages, one of them compiled, for what is one small recursion; and it would take what
OpenAI refuses.  A schema with any other keyword is not checked at all, rather than half of it; so is one with a
`pattern`, since an expression of the caller's could keep a gate busy for ever.

    >>> Schema.of({"type": "object", "properties": {"age": {"type": "integer"}}}).problem({"age": "7"})
    'at age: expected integer'
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

KINDS: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}

CHECKED = {
    *("type", "enum", "const", "properties", "required", "additionalProperties", "items", "anyOf", "allOf", "$ref"),
    *("$defs", "definitions", "minItems", "maxItems", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
    *("multipleOf", "minLength", "maxLength"),
}
# What says nothing of the form, and what OpenAI itself does not hold to the letter.
TOLD = {"title", "description", "default", "examples", "$schema", "$id", "$comment", "format"}

DEEPEST = 64

Table = dict[str, Any]


class Schema(msgspec.Struct, frozen=True):
    root: Table

    @classmethod
    def of(cls, given: Any) -> "Schema | None":
        """None where it has something that is not checked here, or is no schema."""
        try:
            return cls(given) if isinstance(given, dict) and _known(given, 0) else None
        except (TypeError, AttributeError):  # a list where a table belongs, and the like
            return None

    def problem(self, value: Any) -> str:
        """What is wrong with a value, the first of it, and where; "" for nothing."""
        return next(self._problems(self.root, value, "", 0), "")

    def _problems(self, schema: Any, value: Any, where: str, depth: int) -> Iterator[str]:
        while isinstance(schema, dict) and "$ref" in schema and depth <= DEEPEST:
            schema, depth = self._named(schema["$ref"]), depth + 1
        if depth > DEEPEST:
            yield _at(where, "it is nested too deeply")
        elif isinstance(schema, dict):
            if said := _kind(schema, value) or _bounds(schema, value):
                yield _at(where, said)
            for one in schema.get("allOf", ()):
                yield from self._problems(one, value, where, depth + 1)
            choices = schema.get("anyOf", ())
            if choices and all(any(self._problems(one, value, where, depth + 1)) for one in choices):
                yield _at(where, "none of the forms that may stand here")
            yield from self._inside(schema, value, where, depth)
        elif not schema:
            yield _at(where, "nothing may stand here")

    def _inside(self, schema: Table, value: Any, where: str, depth: int) -> Iterator[str]:
        if isinstance(value, list) and "items" in schema:
            for number, one in enumerate(value):
                yield from self._problems(schema["items"], one, f"{where}[{number}]", depth + 1)
        if not isinstance(value, dict):
            return
        known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        yield from (_at(where, f"{name} is missing") for name in schema.get("required", ()) if name not in value)
        for name, one in value.items():
            if name not in known and others is False:
                yield _at(where, f"{name} has no place here")
            yield from self._problems(known.get(name, others), one, f"{where}.{name}" if where else name, depth + 1)

    def _named(self, ref: str) -> Any:
        found: Any = self.root
        for part in ref.removeprefix("#").split("/")[1:]:
            found = found.get(part.replace("~1", "/").replace("~0", "~"), True) if isinstance(found, dict) else True
        return found


def _known(schema: Any, depth: int) -> bool:
    if isinstance(schema, bool):
        return True
    if not isinstance(schema, dict) or depth > DEEPEST or schema.keys() - CHECKED - TOLD:
        return False
    ref = schema.get("$ref", "#")
    kinds = schema.get("type", ())
    if not isinstance(ref, str) or not ref.startswith("#"):
        return False
    if not all(one in KINDS for one in ([kinds] if isinstance(kinds, str) else kinds)):
        return False
    tables = [one for name in ("properties", "$defs", "definitions") for one in schema.get(name, {}).values()]
    lists = [one for name in ("anyOf", "allOf") for one in schema.get(name, ())]
    single = [schema[name] for name in ("items", "additionalProperties") if name in schema]
    return all(_known(one, depth + 1) for one in (*tables, *lists, *single))


def _kind(schema: Table, value: Any) -> str:
    wanted = schema.get("type", ())
    wanted = [wanted] if isinstance(wanted, str) else wanted
    if wanted and not any(_is(value, one) for one in wanted):
        return f"expected {' or '.join(wanted)}"
    if "enum" in schema and not any(_same(value, one) for one in schema["enum"]):
        return "expected one of " + msgspec.json.encode(schema["enum"]).decode()
    if "const" in schema and not _same(value, schema["const"]):
        return "expected " + msgspec.json.encode(schema["const"]).decode()
    return ""


def _is(value: Any, kind: str) -> bool:
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, KINDS[kind]) and (kind == "boolean") == isinstance(value, bool)


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _bounds(schema: Table, value: Any) -> str:
    """Sizes of numbers, strings and arrays."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        step = schema.get("multipleOf")
        outside = (
            value < schema.get("minimum", value)
            or value > schema.get("maximum", value)
            or ("exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"])
            or ("exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"])
        )
        return "out of its range" if outside or (step and abs(value / step - round(value / step)) > 1e-9) else ""  # noqa: PLR2004
    size = ("Items", list) if isinstance(value, list) else ("Length", str)
    if isinstance(value, size[1]):
        least, most = schema.get(f"min{size[0]}", 0), schema.get(f"max{size[0]}", len(value))
        if not least <= len(value) <= most:
            return f"its length is not {least} to {most}"
    return ""


def _at(where: str, said: str) -> str:
    return f"at {where}: {said}" if where else said
