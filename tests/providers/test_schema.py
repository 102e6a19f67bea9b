"""JSON Schema as far as it is checked here, and what is never checked by halves."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.providers.forms import Form
from gapura.providers.schema import Schema

TREE = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["name"],
    "additionalProperties": False,
}
NAMED = {
    "$defs": {"age": {"type": "integer", "minimum": 0}},
    "type": "object",
    "properties": {"a": {"$ref": "#/$defs/age"}},
}


@pytest.mark.parametrize(
    ("schema", "value", "problem"),
    [
        ({}, {"any": "thing"}, ""),
        ({"type": "string"}, 7, "expected string"),
        ({"type": ["string", "null"]}, None, ""),
        ({"type": ["string", "null"]}, 7, "expected string or null"),
        ({"type": "integer"}, 7.0, ""),
        ({"type": "integer"}, 7.5, "expected integer"),
        ({"type": "integer"}, True, "expected integer"),
        ({"type": "number"}, 7, ""),
        ({"type": "boolean"}, 1, "expected boolean"),
        ({"enum": ["a", 1]}, 1, ""),
        ({"enum": [1]}, True, "expected one of [1]"),
        ({"const": "a"}, "b", 'expected "a"'),
        ({"minimum": 1, "maximum": 2}, 3, "out of its range"),
        ({"exclusiveMinimum": 1}, 1, "out of its range"),
        ({"exclusiveMaximum": 1}, 0.5, ""),
        ({"multipleOf": 0.1}, 0.3, ""),
        ({"multipleOf": 2}, 3, "out of its range"),
        ({"minLength": 2}, "a", "its length is not 2 to 1"),
        ({"maxItems": 1, "items": {"type": "string"}}, ["a", "b"], "its length is not 0 to 1"),
        ({"items": {"type": "string"}}, ["a", 1], "at [1]: expected string"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 1, "none of the forms that may stand here"),
        ({"allOf": [{"type": "string"}, {"minLength": 2}]}, "a", "its length is not 2 to 1"),
        ({"properties": {"a": False}}, {"a": 1}, "at a: nothing may stand here"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, {"a": 1}, "at a: expected string"),
        (TREE, {"name": "a", "children": [{"name": "b", "children": []}]}, ""),
        (TREE, {"name": "a", "children": [{"children": []}]}, "at children[0]: name is missing"),
        (TREE, {"name": "a", "age": 1}, "age has no place here"),
        (NAMED, {"a": -1}, "at a: out of its range"),
        ({"$ref": "#"}, 1, "it is nested too deeply"),
    ],
)
def test_a_value(schema: dict[str, Any], value: Any, problem: str) -> None:
    known = Schema.of(schema)
    assert known is not None and known.problem(value) == problem


@pytest.mark.parametrize(
    "schema",
    [
        {"patternProperties": {}},
        {"pattern": "(a+)+$"},
        {"type": "object", "properties": {"a": {"if": {}}}},
        {"items": [{}]},
        {"type": "colour"},
        {"type": 3},
        {"$ref": "https://elsewhere.example/schema"},
        {"properties": []},
        {"anyOf": 3},
        [],
        None,
    ],
)
def test_what_is_not_known_whole_is_not_checked(schema: Any) -> None:
    assert Schema.of(schema) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


def described(value: Any) -> dict[str, Any]:
    """The narrowest schema of a value."""
    match value:
        case bool():
            return {"type": "boolean", "const": value}
        case dict():
            properties = {name: described(one) for name, one in value.items()}
            return {"type": "object", "properties": properties, "required": [*value], "additionalProperties": False}
        case list():
            return (
                {"type": "array", "items": {"anyOf": [described(one) for one in value]}} if value else {"maxItems": 0}
            )
        case _:
            return {"const": value}


@given(JSON, JSON)
def test_a_value_fits_its_own_schema_and_no_other_value_of_another_kind(one: Any, other: Any) -> None:
    schema = Schema.of(described(one))
    assert schema is not None and schema.problem(one) == ""
    if type(one) is not type(other) and not {type(one), type(other)} <= {int, float}:
        assert schema.problem(other) or one in ([],)


@pytest.mark.parametrize(
    ("said", "text", "problem"),
    [
        ('{"name":"a"}', '{"name":"a"}', ""),
        ('```json\n{"name":"a"}\n```', '{"name":"a"}', ""),
        (' ```\n{"name": "a"}``` ', '{"name": "a"}', ""),
        ('{"name":1}', '{"name":1}', "at name: expected string"),
        ("Sure! {}", "Sure! {}", "it is no JSON"),
        ("[" * 5000, "[" * 5000, "it is no JSON"),
    ],
)
def test_json_is_freed_of_its_fence(said: str, text: str, problem: str) -> None:
    read, found = Form(Schema(TREE)).read(said)
    assert read == text and found.startswith(problem) and bool(found) == bool(problem)
