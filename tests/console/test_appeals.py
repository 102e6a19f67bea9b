"""Exceptions and objections over the admin API: who may do what, what gates are told, and what stands in the audit."""

from typing import Any

import pytest

from gapura.clock import text
from gapura.store import visits
from gapura.store.exceptions import DAY


@pytest.fixture
def acme(home: Any) -> str:
    made: str = home.ask("POST", "/accounts", {"external_id": "acme", "organisation": "o"}).json["accounts"][0]["id"]
    home.published.clear()
    return made


def audited(home: Any) -> list[tuple[str, str, str]]:
    items = home.ask("GET", "/audit").json["items"]
    return [(one["action"], one["subject"], one["reason"]) for one in items if not one["action"].startswith("account")]


def told(home: Any) -> list[list[str]]:
    """What is lifted, by each publication of an account."""
    published = [account for _, found in home.published for account in found.values()]
    return [[one.policy for one in account.lifted] for account in published]


def test_an_exception_is_rehearsed_made_ended_and_told(home: Any, acme: str) -> None:
    body = {"account": acme, "policy": "openai/api", "reason": "contract", "ends": text(home.clock() + DAY)}
    tried = home.ask("POST", "/exceptions?dry_run=true", body).json
    assert tried["dry_run"] and tried["exception"]["state"] == "in force"
    assert home.ask("GET", "/exceptions").json == {"items": [], "next": ""} and not home.published
    made = home.ask("POST", "/exceptions", body).json["exception"]
    assert (made["external_id"], made["owner"][:6], made["due"]) == ("acme", "local:", False)
    assert home.ask("GET", f"/accounts/{acme}").json["lifted"][0]["id"] == made["id"]
    assert home.ask("GET", f"/exceptions/{made['id']}").json == made
    assert home.ask("POST", f"/exceptions/{made['id']}/end", {}).error["field"] == "reason"
    assert home.ask("POST", f"/exceptions/{made['id']}/end", {"reason": "over"}).json["exception"]["state"] == "ended"
    assert told(home) == [["openai/api"], []]
    assert audited(home) == [("exception.add", acme, "contract"), ("exception.end", made["id"], "over")]


def test_one_that_has_expired_is_due_and_may_go_on(home: Any, acme: str) -> None:
    body = {"account": acme, "policy": "openai/api", "reason": "contract", "ends": text(home.clock() + DAY)}
    name = home.ask("POST", "/exceptions", body).json["exception"]["id"]
    assert home.ask("GET", "/exceptions?due=true").json["items"] == []
    home.clock.turn(days=1)
    (due,) = home.ask("GET", "/exceptions?due=true").json["items"]
    assert (due["id"], due["state"], due["due"]) == (name, "expired", True)
    assert home.ask("GET", f"/exceptions?due=true&account={acme}").json["items"] == [due]
    on = home.ask("POST", f"/exceptions/{name}/review", {"reason": "renewed", "ends": "never"}).json["exception"]
    assert (on["state"], on["ends"], on["due"]) == ("in force", 0, False)
    assert home.ask("GET", "/exceptions?due=true").json["items"] == []


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("policy", "opnai", "there are openai/api"),
        ("ends", "2026-12-01", "ends: "),
        ("ends", "2020-01-01T00:00:00Z", "not later"),
        ("kind", "gift", "kind"),
        ("reason", "", "reason"),
    ],
)
def test_what_cannot_be_meant_names_its_field(home: Any, acme: str, field: str, value: str, word: str) -> None:
    body = {"account": acme, "policy": "openai/api", "reason": "r", field: value}
    refused = home.ask("POST", "/exceptions", body)
    assert refused.status in {400, 422} and refused.error["field"] == field and word in refused.error["message"]
    assert home.ask("GET", "/exceptions").json["items"] == []


def test_an_objection_from_filing_to_reinstatement(home: Any, acme: str) -> None:
    day = home.clock() // DAY

    def visit(db: Any) -> None:
        db.execute("INSERT INTO visit VALUES (?, ?, 'CN', 7), (?, ?, 'SG', 5)", (acme, day - 1, acme, day))

    home.store.write(visit).result()
    assert home.store.read(lambda db: visits.visits(db, acme))
    body = {"account": acme, "policy": "openai/api", "reason": "a trip", "language": "id"}
    made = home.ask("POST", "/appeals", body).json["appeal"]
    assert home.ask("POST", "/appeals", body).status == 409
    name = made["id"]
    home.ask("POST", f"/accounts/{acme}/status", {"status": "suspended", "reason": "by hand"})
    early = home.ask("POST", f"/appeals/{name}/decide", {"verdict": "grant", "reason": "r"})
    assert early.status == 409 and "received" in early.error["message"]
    assert home.ask("POST", f"/appeals/{name}/take", {}).json["appeal"]["state"] == "under_review"
    decision = {"verdict": "grant", "reason": "a trip indeed", "reinstate": True}
    tried = home.ask("POST", f"/appeals/{name}/decide?dry_run=true", decision).json
    assert tried["dry_run"] and tried["account"]["status"] == "active"
    assert home.ask("GET", f"/accounts/{acme}").json["status"] == "suspended"
    done = home.ask("POST", f"/appeals/{name}/decide", decision).json
    assert (done["account"]["status"], done["account"]["lifted"][0]["id"]) == ("active", done["appeal"]["exception"])
    whole = home.ask("GET", f"/appeals/{name}").json
    assert whole["texts"]["evidence"]["places"] == [["CN", 7, 1]], "what the policy covers is no evidence"
    assert (whole["texts"]["reason"], whole["texts"]["decision"]) == ("a trip", "a trip indeed")
    assert [move["move"] for move in whole["moves"]] == ["file", "take", "grant"]
    assert [action for action, _, _ in audited(home)] == ["appeal.file", "appeal.take", "appeal.grant"]
    assert told(home)[-1] == ["openai/api"]


def test_what_is_late_is_listed(home: Any, acme: str) -> None:
    name = home.ask("POST", "/appeals", {"account": acme, "policy": "openai/api", "reason": "r"}).json["appeal"]["id"]
    assert home.ask("GET", "/appeals?overdue=true").json["items"] == []
    home.clock.turn(days=14)
    assert [one["id"] for one in home.ask("GET", "/appeals?overdue=true").json["items"]] == [name]
    assert [one["late"] for one in home.ask("GET", "/appeals?state=received").json["items"]] == [True]
    assert home.ask("GET", "/appeals?state=denied").json["items"] == []


def test_who_may_and_whose(home: Any, acme: str) -> None:
    other = home.ask("POST", "/accounts", {"external_id": "g", "organisation": "p"}).json["accounts"][0]["id"]
    mine, foreign = home.token("account", "o"), home.token("account", "p")
    body = {"account": acme, "policy": "openai/api", "reason": "r"}
    assert home.ask_tcp(foreign, "POST", "/appeals", body).status == 404
    name = home.ask_tcp(mine, "POST", "/appeals", body).json["appeal"]["id"]
    assert home.ask_tcp(foreign, "GET", f"/appeals/{name}").status == 404
    assert home.ask_tcp(foreign, "POST", f"/appeals/{name}/withdraw", {}).status == 404
    assert home.ask_tcp(foreign, "GET", f"/appeals?account={acme}").status == 404
    assert home.ask_tcp(foreign, "GET", "/appeals").json["items"] == []
    assert home.ask_tcp(mine, "GET", f"/appeals/{name}").json["appeal"]["id"] == name
    for token in (mine, home.token("operator"), home.token("auditor"), home.token("owner", "o")):
        for path in ("take", "decide"):
            verdict = {"verdict": "grant", "reason": "r"}
            assert home.ask_tcp(token, "POST", f"/appeals/{name}/{path}", verdict).status == 403
    granted = {"account": other, "policy": "openai/api", "reason": "r"}
    for token in (mine, home.token("auditor"), home.token("owner", "o")):
        assert home.ask_tcp(token, "POST", "/exceptions", granted).status == 403
    assert home.ask_tcp(home.token("approver"), "POST", f"/appeals/{name}/take", {}).status == 200
    assert home.ask_tcp(home.token("operator"), "POST", "/exceptions", granted).status == 200
