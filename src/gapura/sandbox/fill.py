"""A value that satisfies a JSON schema: what a model makes of tools and structured outputs, without the model.

>>> fill({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}, "Bandung")
{'city': 'Bandung', 'days': 1}
"""

from typing import Any

# Schemas may refer to themselves; deeper than this a value is null.
DEPTH = 12


def fill(schema: dict[str, Any] | None, words: str) -> Any:
    return _value(schema or {"type": "object"}, words, schema or {}, DEPTH)


def _value(schema: dict[str, Any], words: str, root: dict[str, Any], depth: int) -> Any:
    if depth == 0:
        return None
    schema = _resolved(schema, root)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    for union in ("anyOf", "oneOf", "allOf"):
        if schema.get(union):
            options = [option for option in schema[union] if option.get("type") != "null"]
            return _value(options[0], words, root, depth - 1) if options else None
    return _of_type(schema, words, root, depth)


def _of_type(schema: dict[str, Any], words: str, root: dict[str, Any], depth: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    match kind:
        case "object":
            properties = schema.get("properties") or {}
            return {name: _value(part, words, root, depth - 1) for name, part in properties.items()}
        case "array":
            item = _value(schema.get("items") or {}, words, root, depth - 1)
            return [item] * max(1, schema.get("minItems", 1))
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
    return words


def _resolved(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """Follows `$ref` inside the document; a reference that leads nowhere allows anything."""
    seen: set[str] = set()
    while isinstance(reference := schema.get("$ref"), str) and reference not in seen:
        seen.add(reference)
        node: Any = root
        for step in reference.removeprefix("#").strip("/").split("/"):
            node = node.get(step, {}) if step and isinstance(node, dict) else node
        schema = node if isinstance(node, dict) else {}
    return schema
