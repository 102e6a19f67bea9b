"""Budgets on the command line."""

import json
from typing import Any

import pytest

from gapura.cli import ending


def data(result: Any) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["data"]


def test_a_budget_in_money(run: Any) -> None:
    run("account", "add", "acme")
    options = ["--account", "acme", "--unit", "CNY", "--window", "month", "--zone", "Asia/Shanghai", "--model", "glm-*"]
    made = data(run("budget", "set", "--amount", "12.50", *options, "--json"))
    assert (made["amount"], made["models"], made["zone"]) == (12_500_000_000, ["glm-*"], "Asia/Shanghai")
    listed = run("budget", "list")
    assert listed.exit_code == 0 and "12.5 " in listed.stdout and made["id"] in listed.stdout
    shown = run("budget", "show", made["id"])
    assert shown.exit_code == 0 and "nothing was taken" in shown.stdout
    assert run("budget", "remove", made["id"], "--reason", "over").exit_code == 0
    assert data(run("budget", "list", "--json")) == []


@pytest.mark.parametrize(
    ("amount", "unit"), [("1.5", "tokens"), ("-1", "CNY"), ("much", "CNY"), ("0.0000000001", "CNY"), ("NaN", "tokens")]
)
def test_an_amount_that_cannot_be_meant(run: Any, amount: str, unit: str) -> None:
    assert run("budget", "set", "--amount", amount, "--unit", unit).exit_code == ending.USAGE
