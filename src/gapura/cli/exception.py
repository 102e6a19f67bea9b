"""Exceptions: what lifts a policy for one account, beside those in the policy document."""

from shlex import quote
from typing import Any

import click

from gapura.cli.account import confirmed, organisation
from gapura.cli.client import Api, account_id, speaks
from gapura.cli.output import Output, pairs, table
from gapura.clock import text

COLUMNS = ("id", "external_id", "policy", "kind", "state", "until", "review", "reason", "owner")
KINDS = ("exception", "no_notice", "release")


@click.group(short_help="What lifts a policy for an account: list, add, end, review.")
def exception() -> None:
    """Each lifts one policy for one account, for a time and a reason, and is looked at again."""


@exception.command("list")
@click.option("--account", default="", help="Only of this account.")
@organisation
@click.option("--due", is_flag=True, help="Only those that somebody has to look at by now.")
@speaks("exception.list")
def list_(api: Api, out: Output, account: str, organisation: str, due: bool) -> None:  # noqa: FBT001 - an option
    """Exceptions, oldest first."""
    named = account_id(api, account, organisation) if account else None
    found = list(api.every("/exceptions", account=named, due=due))
    out.say(found, lambda: table(map(_row, found), COLUMNS))


@exception.command()
@click.argument("account")
@organisation
@click.option("--policy", required=True, help="The name of the policy that is lifted.")
@click.option("--reason", required=True, help="Why; it stands in decisions and in the audit.")
@click.option("--until", "ends", default="", metavar="INSTANT", help="As 2027-01-01T00:00:00+08:00; without: no end.")
@click.option("--from", "starts", default="", metavar="INSTANT", help="Without: now.")
@click.option("--review-at", default="", metavar="INSTANT", help="Without: at its end, or in 90 days.")
@click.option("--kind", type=click.Choice(KINDS), default="exception", help="What it is for.")
@click.option("--owner", default="", help="Whom to ask about it; without: you.")
@click.option("--confirm", metavar="ACCOUNT", help="The account again.  Without: only says what would happen.")
@speaks("exception.add")
def add(api: Api, out: Output, account: str, organisation: str, confirm: str | None, **stated: Any) -> None:
    """Lift a policy for an account; every gate knows it within a second."""
    given = confirmed(confirm, account, "add")
    if not given:
        out.warn(f"nothing was changed; add --confirm {quote(account)} to do it")
    stated["account"] = account_id(api, account, organisation)
    _say(out, api.post("/exceptions", stated, dry_run=not given))


@exception.command()
@click.argument("exception")
@click.option("--reason", required=True, help="Why; it stands in the audit.")
@click.option("--confirm", metavar="EXCEPTION", help="Its id again.  Without: only says what would happen.")
@speaks("exception.end")
def end(api: Api, out: Output, exception: str, reason: str, confirm: str | None) -> None:
    """End one before its time: the policy holds for the account again."""
    given = confirmed(confirm, exception, "end")
    if not given:
        out.warn(f"nothing was changed; add --confirm {exception} to do it")
    _say(out, api.post(f"/exceptions/{exception}/end", {"reason": reason}, dry_run=not given))


@exception.command()
@click.argument("exception")
@click.option("--reason", required=True, help="What was found; it stands in the audit.")
@click.option("--until", "ends", default="", metavar="INSTANT", help="It goes on until then; `never`: without an end.")
@click.option("--review-at", default="", metavar="INSTANT", help="When it is looked at next.")
@speaks("exception.review")
def review(api: Api, out: Output, exception: str, **stated: Any) -> None:
    """Say that somebody has looked at it.  One that has expired is done with, unless --until lets it go on."""
    _say(out, api.post(f"/exceptions/{exception}/review", stated, dry_run=False))


def _say(out: Output, done: dict[str, Any]) -> None:
    row = _row(done["exception"])
    out.say(done, lambda: pairs({name: row[name] for name in COLUMNS}))


def _row(one: dict[str, Any]) -> dict[str, Any]:
    review = text(one["review_at"]) + (" (due)" if one["due"] else "") if one["review_at"] else "-"
    return {**one, "until": text(one["ends"]) if one["ends"] else "no end", "review": review}
