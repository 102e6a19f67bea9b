"""The table as a whole: every row against every role, what is said of mistakes, and the document."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from gapura.console.api import OPERATIONS, PREFIX
from gapura.console.openapi import table
from gapura.store.principals import ROLES

# What a question cannot do without, by the end of its path.
NEEDED = {
    "explain": "?place=SG&model=gpt-4o-mini",
    "try": "?place=SG&model=gpt-4o-mini",
    "map": "?names=gpt-4o",
}

# Paths that are not there, so that whoever is let in changes nothing.


class Ghost(dict[str, str]):
    """A name of nothing, for every part of a path."""

    def __missing__(self, part: str) -> str:
        return f"{part[:3]}_ghost"


def test_every_role_may_what_its_table_says_and_nothing_else(home: Any) -> None:
    for role, actions in ROLES.items():
        token = home.token(role, "org" if role == "account" else "")
        for row in OPERATIONS:
            allowed = set(row.needs) <= actions and not (role == "account" and "rulebook.read" in row.needs)
            answer = home.ask_tcp(
                token, row.method, row.path.format_map(Ghost()), b"{" if row.method != "GET" else None
            )
            assert (answer.status == 403) is not allowed, (role, row.method, row.path, answer.raw)


def test_the_socket_and_the_port_serve_the_same(home: Any) -> None:
    home.ask("POST", "/accounts", {"external_id": "acme"})
    assert home.ask("GET", "/accounts").raw == home.ask_tcp(home.token("owner"), "GET", "/accounts").raw


MISTAKES: list[tuple[str, str, Any, int, str, str]] = [
    ("GET", "/nothing", None, 404, "not_found", ""),
    ("GET", "/accounts/acc_none", None, 404, "not_found", ""),
    ("DELETE", "/accounts", None, 405, "method_not_allowed", ""),
    ("POST", "/accounts", b"{", 400, "invalid_json", ""),
    ("POST", "/accounts", b"\xff", 400, "invalid_json", ""),
    ("POST", "/accounts", {}, 422, "invalid_field", "external_id"),
    ("POST", "/accounts", {"external_id": 7}, 422, "invalid_field", "external_id"),
    ("POST", "/accounts", {"external_id": "a", "nmae": "A"}, 422, "invalid_field", "nmae"),
    ("POST", "/accounts", {"external_id": "a", "budget": -2}, 422, "invalid_field", "budget"),
    ("POST", "/accounts", {"external_id": "a", "data_may_go_to": ["x"]}, 422, "invalid_field", "data_may_go_to[0]"),
    ("POST", "/accounts", b'{"external_id": "' + b"a" * (1 << 20) + b'"}', 413, "request_too_large", ""),
    ("GET", "/accounts?limit=0", None, 422, "invalid_field", "limit"),
    ("GET", "/ledger/transfers?limit=1001", None, 422, "invalid_field", "limit"),
    ("GET", "/accounts?limit=x", None, 422, "invalid_field", "limit"),
    ("GET", "/accounts?page=2", None, 422, "invalid_field", "page"),
    ("GET", "/usage?from=2026-07-09", None, 422, "invalid_field", "from"),
    ("GET", "/policies/explain?place=Atlantis", None, 422, "invalid_field", "place"),
    ("GET", "/policies/explain?place=SG&at=yesterday", None, 422, "invalid_field", "at"),
    ("GET", "/policies/explain", None, 422, "invalid_field", "place"),
    ("GET", "/routes/try?place=SG&model=nothing", None, 404, "not_found", "model"),
    ("POST", "/keys", {"account_id": "acc_none"}, 404, "not_found", ""),
]


def test_mistakes_are_told_with_their_field(home: Any) -> None:
    for method, path, body, status, code, field in MISTAKES:
        answer = home.ask(method, path, body)
        assert (answer.status, answer.error["code"], answer.error["field"]) == (status, code, field), (path, answer.raw)
        assert answer.error["message"]


def test_another_method_is_told_which_there_are(home: Any) -> None:
    assert {"GET", "POST"} <= set(home.ask("DELETE", "/accounts").headers["allow"].split(", "))


def test_a_misspelt_field_is_suggested(home: Any) -> None:
    assert "did you mean name?" in home.ask("POST", "/accounts", {"external_id": "a", "nmae": "A"}).error["message"]


def test_a_mistake_of_ours_is_told_in_our_shape(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from gapura.console.api import admin  # noqa: PLC0415 - built anew

    context = home.context()
    monkeypatch.setattr("gapura.store.accounts.page", lambda *_: 1 / 0)
    client = TestClient(admin(context, local=True), raise_server_exceptions=False)
    answer = client.get(f"{PREFIX}/accounts")
    assert answer.status_code == 500 and answer.json()["error"]["code"] == "internal_error"


def test_the_document_describes_the_table(home: Any) -> None:
    document = home.ask_tcp(home.token("auditor"), "GET", "/openapi.json").json
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(row.method, PREFIX + row.path) for row in OPERATIONS}
    names = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(names) == len(set(names)) and "accounts.import" in names
    assert all(one["summary"] for methods in document["paths"].values() for one in methods.values())
    wanted = document["paths"]["/api/v1/usage"]["get"]["parameters"]
    assert [one["name"] for one in wanted] == ["account", "key", "from", "to"]
    stated = document["components"]["schemas"]["Stated"]
    assert stated["required"] == ["external_id"] and stated["additionalProperties"] is False
    references = set(_references(document))
    assert references <= set(document["components"]["schemas"]) and references


def test_the_page_shows_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "admin-api.md"
    assert page.read_text().endswith(f"\n\n{table(OPERATIONS, PREFIX)}")


def _references(node: Any) -> Any:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].rpartition("/")[2]
        node = list(node.values())
    if isinstance(node, list):
        for member in node:
            yield from _references(member)


def test_answers_are_what_the_table_says(home: Any) -> None:
    """Each GET without a path parameter decodes as the type that the document promises."""
    for row in OPERATIONS:
        kind = row.types["return"]
        if row.method == "GET" and "{" not in row.path and issubclass(kind, msgspec.Struct):
            answer = home.ask("GET", row.path + NEEDED.get(row.path.rpartition("/")[2], ""))
            msgspec.json.decode(answer.raw, type=kind)
