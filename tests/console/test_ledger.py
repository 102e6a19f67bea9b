"""The ledger over the admin API: looked at, exported, closed by month for ever."""

import json
from typing import Any

import pytest

from gapura.clock import instant
from gapura.store import ledger
from gapura.store.ledger import chain

OCTOBER = instant("2026-10-20T00:00:00+00:00")


@pytest.fixture
def posted(home: Any) -> Any:
    """October: 100 tokens for one account, 7 of them spent.  November: 50 for another."""

    def work(db: Any) -> None:
        db.execute("INSERT INTO incarnation (id, boot, state, begun_at) VALUES ('inc', 'b', 'live', 1)")
        ledger.set_budget(db, "tok:acc_1", 100, ref="one", at=OCTOBER)
        ledger.lend(db, "inc", "tok:acc_1", lambda left: 10, ref="lend", at=OCTOBER)
        ledger.spend(db, "inc", "tok:acc_1", {"input": 3, "output": 4}, ref="spend", at=OCTOBER)
        ledger.set_budget(db, "tok:acc_2", 50, ref="two", at=home.clock())
        chain.seal(db, home.store.secret)

    home.store.write(work).result()
    return home


def test_accounts_and_transfers_are_told_by_page_and_purse(posted: Any) -> None:
    found = posted.ask("GET", "/ledger/accounts?purse=tok:acc_1").json["items"]
    assert {one["name"]: one["balance"] for one in found} == {
        "left:tok:acc_1": 90,
        "lent:inc:tok:acc_1": 3,
        "spent:tok:acc_1:input": 3,
        "spent:tok:acc_1:output": 4,
    }
    first = posted.ask("GET", "/ledger/transfers?limit=2").json
    rest = posted.ask("GET", f"/ledger/transfers?after={first['next']}").json
    assert [one["ref"] for one in first["items"] + rest["items"]] == [
        "one", "lend", "spend:input:s", "spend:output:s", "two",
    ]  # fmt: skip
    assert rest["next"] == 0
    (only,) = posted.ask("GET", "/ledger/transfers?account=spent:tok:acc_1:input").json["items"]
    assert (only["debit"], only["credit"], only["amount"], only["unit"], only["at"]) == (
        "lent:inc:tok:acc_1", "spent:tok:acc_1:input", 3, "tokens", OCTOBER,
    )  # fmt: skip
    assert len(posted.ask("GET", "/ledger/transfers?purse=tok:acc_2").json["items"]) == 1
    lines = posted.ask("GET", "/ledger/export").raw.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [1, 2, 3, 4, 5]
    assert posted.ask("GET", "/ledger/transfers?limit=0").status == 422


def test_a_month_is_closed_when_it_is_meant(posted: Any) -> None:
    tried = posted.ask("POST", "/ledger/months?dry_run=true", {"month": "2026-10"}).json
    assert (tried["dry_run"], tried["month"]["count"]) == (True, 4)
    assert posted.ask("GET", "/ledger/months").json == {"items": []}
    done = posted.ask("POST", "/ledger/months", {"month": "2026-10", "reason": "books"}).json
    assert posted.ask("GET", "/ledger/months").json["items"] == [done["month"]]
    assert posted.ask("GET", "/audit").json["items"][-1]["action"] == "ledger.close"
    early = posted.ask("POST", "/ledger/months", {"month": "2026-11"})
    assert (early.status, early.error["code"]) == (409, "conflict")
    assert posted.ask("POST", "/ledger/months", {"month": "November"}).error["field"] == "month"


def test_only_a_closed_month_leaves(posted: Any) -> None:
    body = {"file": "/archive/ledger-2026-10.parquet", "sha256": "00"}
    assert posted.ask("POST", "/ledger/months/2026-10/archived", body).status == 409
    posted.ask("POST", "/ledger/months", {"month": "2026-10"})
    assert posted.ask("POST", "/ledger/months/2026-10/archived", body).json == {"month": "2026-10", "transfers": 4}
    assert [one["ref"] for one in posted.ask("GET", "/ledger/transfers").json["items"]] == ["two"]
    assert posted.store.read(ledger.adds_up) == []


@pytest.mark.parametrize(
    ("role", "organisation", "reads", "closes"),
    [("owner", "", 200, 200), ("auditor", "", 200, 403), ("operator", "", 200, 403), ("approver", "", 403, 403),
     ("owner", "org-a", 403, 403), ("account", "org-a", 403, 403)],
)  # fmt: skip
def test_who_may(posted: Any, role: Any, organisation: str, reads: int, closes: int) -> None:
    token = posted.token(role, organisation)
    assert posted.ask_tcp(token, "GET", "/ledger/accounts").status == reads
    assert posted.ask_tcp(token, "POST", "/ledger/months", {"month": "2026-10"}).status == closes


def test_nothing_waits_where_nothing_is_shared(posted: Any) -> None:
    assert posted.ask("GET", "/ledger/pending").json == {"items": []}
