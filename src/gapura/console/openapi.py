"""The route table as an OpenAPI 3.1 document."""

from collections.abc import Iterable
from typing import Any

import msgspec
from starlette.responses import Response

import gapura
from gapura.console.operations import Operation, Upload
from gapura.console.problems import Problems

REFERENCE = "#/components/schemas/{name}"


def document(operations: Iterable[Operation], prefix: str) -> dict[str, Any]:
    table = list(operations)
    kinds = {kind for operation in table for name, kind in operation.types.items() if _is_schema(name, kind)}
    ordered = sorted({*kinds, Problems}, key=lambda kind: kind.__qualname__ + kind.__module__)
    found, components = msgspec.json.schema_components(ordered, ref_template=REFERENCE)
    schemas = dict(zip(ordered, found, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in table:
        paths.setdefault(prefix + operation.path, {})[operation.method.lower()] = _described(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Gapura, admin API", "version": gapura.__version__},
        "components": {"schemas": components, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
        "paths": paths,
    }


def table(operations: Iterable[Operation], prefix: str) -> str:
    """The route table as rows of docs/reference/admin-api.md."""
    rows = [
        f"| `{operation.method} {prefix}{operation.path}` | {', '.join(operation.needs) or 'any token'} | "
        f"{', '.join(_query_names(operation)) or '–'} | {operation.summary} |"
        for operation in operations
    ]
    return "\n".join(["| request | needs | query | what it does |", "|---|---|---|---|", *rows, ""])


def _query_names(operation: Operation) -> list[str]:
    query = operation.types.get("query")
    return [f"`{field.encode_name}`" for field in msgspec.structs.fields(query)] if query else []


def _is_schema(name: str, kind: Any) -> bool:
    return name in {"body", "return"} and isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _described(operation: Operation, schemas: dict[Any, Any]) -> dict[str, Any]:
    answer = operation.types["return"]
    schema = {} if issubclass(answer, Response) else {"schema": schemas[answer]}
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.name.partition(".")[0]],
        "summary": operation.summary,
        "x-gapura-needs": list(operation.needs),
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in operation.types
            if name not in {"query", "body", "return"}
        ],
        "responses": {
            str(operation.status): {"description": "done", "content": {operation.media: schema}},
            "default": {"description": "refused", "content": {"application/json": {"schema": schemas[Problems]}}},
        },
    }
    if query := operation.types.get("query"):
        described["parameters"] += [_parameter(field) for field in msgspec.structs.fields(query)]
    if operation.method != "GET":
        described["parameters"].append({"name": "idempotency-key", "in": "header", "schema": {"type": "string"}})
    if body := operation.types.get("body"):
        opaque = {bytes: operation.takes, Upload: "application/octet-stream"}
        content = {opaque[body]: {}} if body in opaque else {"application/json": {"schema": schemas[body]}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _parameter(field: msgspec.structs.FieldInfo) -> dict[str, Any]:
    schema = msgspec.json.schema(field.type)
    return {"name": field.encode_name, "in": "query", "required": field.required, "schema": schema}
