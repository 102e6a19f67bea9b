"""Budgets by the API: stated, shown, told to the gates, and nobody else's."""

from typing import Any

from gapura.store import budgets


def made(home: Any, name: str, organisation: str = "org-a") -> str:
    stated = {"external_id": name, "organisation": organisation}
    found: str = home.ask("POST", "/accounts", stated).json["accounts"][0]["id"]
    return found


def test_a_budget_from_its_beginning_to_its_end(home: Any) -> None:
    acme, globex = made(home, "acme"), made(home, "globex")
    home.published.clear()
    stated = {"amount": 100, "window": "day", "zone": "Asia/Shanghai", "organisation": "org-a", "reason": "a trial"}
    budget = home.ask("POST", "/budgets", stated).json
    assert (budget["amount"], budget["organisation"], budget["account"]) == (100, "org-a", "")
    ((_, told),) = home.published
    assert told.keys() == {acme, globex}
    assert {one.id for account in told.values() for one in account.budgets} == {budget["id"]}
    assert [one["id"] for one in home.ask("GET", f"/accounts/{acme}").json["budgets"]] == [budget["id"]]
    purse = home.store.read(lambda db: budgets.get(db, None, budget["id"])).purse(home.clock())
    assert home.ask("GET", f"/budgets/{budget['id']}").json["windows"] == []
    home.store.write(lambda db: budgets.open_window(db, purse, home.clock())).result()
    (window,) = home.ask("GET", f"/budgets/{budget['id']}").json["windows"]
    assert window["ends"] - window["starts"] == 86_400_000_000 and window["standing"]["left"] == 100
    changed = home.ask("POST", "/budgets", stated | {"amount": 40}).json
    assert changed == budget | {"amount": 40}
    assert home.ask("GET", "/budgets").json["items"] == [{k: v for k, v in changed.items() if k != "unpriced"}]
    removed = home.ask("POST", f"/budgets/{budget['id']}/remove", {"reason": "over"})
    assert removed.status == 200 and home.ask("GET", "/budgets").json["items"] == []
    assert home.ask("GET", f"/budgets/{budget['id']}").status == 404
    assert home.ask("GET", f"/accounts/{acme}").json["budgets"] == []
    entries = home.ask("GET", "/audit").json["items"]
    assert {"budget.set", "budget.remove"} <= {one["action"] for one in entries}


def test_an_account_that_comes_later_is_told_of_its_organisations(home: Any) -> None:
    made(home, "acme")
    home.ask("POST", "/budgets", {"amount": 5, "organisation": "org-a"})
    late, elsewhere = made(home, "late"), made(home, "else", "org-b")
    assert len(home.ask("GET", f"/accounts/{late}").json["budgets"]) == 1
    assert home.ask("GET", f"/accounts/{elsewhere}").json["budgets"] == []


def test_a_mistake_names_its_field(home: Any) -> None:
    for said, field in (
        ({"amount": -1}, "amount"),
        ({"amount": 1, "window": "week"}, "window"),
        ({"amount": 1, "unit": "yuan"}, "unit"),
        ({"amount": 1, "zone": "Mars/Base"}, "zone"),
    ):
        answer = home.ask("POST", "/budgets", said)
        assert (answer.status, answer.error["field"]) in {(400, field), (422, field)}, answer.raw


def test_another_organisations_budget_does_not_exist(home: Any) -> None:
    made(home, "acme")
    budget = home.ask("POST", "/budgets", {"amount": 5, "organisation": "org-a"}).json["id"]
    token = home.token("operator", "org-b")
    assert home.ask_tcp(token, "GET", f"/budgets/{budget}").status == 404
    assert home.ask_tcp(token, "POST", f"/budgets/{budget}/remove", {}).status == 404
    assert home.ask_tcp(token, "GET", "/budgets").json["items"] == []
    assert home.ask_tcp(token, "POST", "/budgets", {"amount": 5, "organisation": "org-a"}).status == 404


def test_targets_that_a_budget_in_money_shuts_out_are_named(home: Any) -> None:
    made(home, "acme")
    stated = {"amount": 5, "organisation": "org-a", "unit": "USD"}
    assert home.ask("POST", "/budgets", stated).json["unpriced"] == []
    home.documents |= {"routes": {"m": {"targets": ["openai/gpt-4o-mini", "qwen/qwen-nobody-knows"]}}}
    home.ask("POST", "/policies/reload")
    assert home.ask("POST", "/budgets", stated).json["unpriced"] == ["qwen/qwen-nobody-knows"]
    in_cny = home.ask("POST", "/budgets", stated | {"unit": "CNY", "models": ["gpt-*"]}).json
    assert "openai/gpt-4o-mini" in in_cny["unpriced"] and "qwen/qwen-plus" not in in_cny["unpriced"]
    assert home.ask("POST", "/budgets", stated | {"unit": "tokens"}).json["unpriced"] == []
