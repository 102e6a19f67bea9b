"""Schemas and the values that are made for them."""

from typing import Any

import pytest

from gapura.sandbox.fill import fill

SELF = {"type": "object", "properties": {"next": {"$ref": "#"}}}
DEFS = {
    "$defs": {"P": {"type": "string", "enum": ["c", "f"]}},
    "type": "object",
    "properties": {"u": {"$ref": "#/$defs/P"}},
}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (None, {}),
        ({}, {}),
        ({"type": "string"}, "words"),
        ({"type": ["null", "integer"]}, 1),
        ({"type": "number", "minimum": 2.5}, 2.5),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"const": 7}, 7),
        ({"type": "string", "default": "d"}, "d"),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"anyOf": [{"type": "null"}, {"type": "boolean"}]}, True),
        ({"properties": {"a": {"type": "string"}}}, {"a": "words"}),
        (DEFS, {"u": "c"}),
        ({"$ref": "#/nowhere"}, "words"),
    ],
)
def test_values_fit_their_schemas(schema: dict[str, Any] | None, value: Any) -> None:
    assert fill(schema, "words") == value


def test_a_schema_that_refers_to_itself_comes_to_an_end() -> None:
    value, depth = fill(SELF, "words"), 0
    while value is not None:
        value, depth = value["next"], depth + 1
    assert 5 < depth < 20
