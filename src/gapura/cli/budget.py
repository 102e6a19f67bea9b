"""Budgets: what an organisation, an account or a key may use in a window."""

from decimal import Decimal, InvalidOperation
from typing import Any

import click

from gapura.cli.account import organisation
from gapura.cli.client import Api, account_id, speaks
from gapura.cli.output import Output, pairs, table
from gapura.cli.price import BILLION, money
from gapura.clock import text

COLUMNS = ("id", "amount", "unit", "window", "zone", "organisation", "account", "key", "models")
WINDOWS = ("starts", "ends", "granted", "left", "lent", "spent", "unreconciled")
FEW = 5
COUNTED = {"tokens", "requests"}

reason = click.option("--reason", default="", help="Why; it stands in the audit.")


@click.group(short_help="Budgets by organisation, account, key, model and window.")
def budget() -> None:
    """What an organisation, an account or a key may use in all, a day, a month or a minute."""


@budget.command("list")
@speaks("budget.list")
def list_(api: Api, out: Output) -> None:
    """All budgets, oldest first."""
    found = list(api.every("/budgets"))
    out.say(found, lambda: table(map(_row, found), COLUMNS))


@budget.command()
@click.argument("budget")
@speaks("budget.show")
def show(api: Api, out: Output, budget: str) -> None:
    """One budget, and what became of each window."""
    found = api.get(f"/budgets/{budget}")
    unit = found["budget"]["unit"]
    rows = [_window(window, unit) for window in found["windows"]]
    told = table(rows, WINDOWS) if rows else "nothing was taken of it yet"
    out.say(found, lambda: pairs(_row(found["budget"])) + "\n\n" + told)


@budget.command("set")
@click.option("--amount", required=True, help="Of the unit; money as 12.50.")
@click.option("--unit", default="tokens", help="tokens, requests (a minute only), or a currency, as CNY.")
@click.option(
    "--window", type=click.Choice(["total", "day", "month", "minute"]), default="total", help="What it is for."
)
@click.option("--zone", default="UTC", help="Where its days and months begin, as Asia/Shanghai.")
@organisation
@click.option("--account", default="", help="Of this account alone.")
@click.option("--key", default="", help="Of this key alone (key_…).")
@click.option("--model", "models", multiple=True, help="Only for these, as they are served; `*` matches anything.")
@reason
@speaks("budget.set")
def set_(api: Api, out: Output, amount: str, unit: str, **said: Any) -> None:
    """State a budget: made if there is none of this scope, window and unit, else its amount and zone change."""
    if not (said["organisation"] or said["account"] or said["key"]):
        raise click.UsageError("say whose budget it is: --account, --key or --organisation (`default`: all of yours)")
    said["amount"], said["unit"] = _amount(amount, unit), unit
    if said["account"]:
        said["account"] = account_id(api, said["account"], said["organisation"])
    found = api.post("/budgets", said)
    if missing := found["unpriced"]:
        few = ", ".join(missing[:FEW]) + (" …" if len(missing) > FEW else "")
        out.warn(f"{len(missing)} targets have no price in {unit}, so it lets nothing through to them: {few}")
    out.say(found, lambda: table([_row(found)], COLUMNS))


@budget.command()
@click.argument("budget")
@reason
@speaks("budget.remove")
def remove(api: Api, out: Output, budget: str, reason: str) -> None:
    """Take a budget away: nothing counts against it any more."""
    found = api.post(f"/budgets/{budget}/remove", {"reason": reason})
    out.say(found, lambda: table([_row(found)], COLUMNS))


def _amount(given: str, unit: str) -> int:
    try:
        amount = Decimal(given) * (1 if unit in COUNTED else BILLION)
        if amount == int(amount) >= 0:
            return int(amount)
    except (InvalidOperation, ValueError, OverflowError):
        pass
    least = "a whole number" if unit in COUNTED else "with nine decimals at the most, as 12.50"
    raise click.UsageError(f"--amount {given}: expected {least}, not below 0")


def _row(found: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in COLUMNS} | {"amount": _said(found["amount"], found["unit"])}


def _window(found: dict[str, Any], unit: str) -> dict[str, Any]:
    times = {name: text(found[name]) if found[name] else "" for name in ("starts", "ends")}
    return times | {name: _said(amount, unit) for name, amount in found["standing"].items()}


def _said(amount: int, unit: str) -> str:
    return str(amount) if unit in COUNTED else money(amount)
