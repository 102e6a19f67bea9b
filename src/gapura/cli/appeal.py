"""Objections of accounts: what they say, and what is decided."""

from typing import Any

import click

from gapura.cli.account import confirmed, organisation
from gapura.cli.client import Api, account_id, speaks
from gapura.cli.output import Output, once, pairs, room, safe, table

COLUMNS = ("id", "external_id", "policy", "state", "late", "due_at", "made_at", "handler")
HEAD = (*COLUMNS, "interim", "exception")
STATES = ("received", "under_review", "granted", "denied", "withdrawn")


@click.group(short_help="Objections of accounts: list, show, file, take, decide, link, revoke-link.")
def appeal() -> None:
    """What accounts say against a policy that concerns them, and what a person decided."""


@appeal.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only in this state.")
@click.option("--account", default="", help="Only of this account.")
@organisation
@click.option("--overdue", is_flag=True, help="Only open ones that are past their due date.")
@speaks("appeal.list")
def list_(api: Api, out: Output, account: str, organisation: str, **chosen: Any) -> None:
    """Objections, oldest first."""
    named = account_id(api, account, organisation) if account else None
    found = list(api.every("/appeals", account=named, **chosen))
    out.say(found, lambda: table(found, COLUMNS))


@appeal.command()
@click.argument("appeal")
@speaks("appeal.show")
def show(api: Api, out: Output, appeal: str) -> None:
    """One objection: its reason, what the account was shown, and every move."""
    found = api.get(f"/appeals/{appeal}")
    out.say(found, lambda: _told(found))


@appeal.command()
@click.argument("account")
@organisation
@click.option("--policy", required=True, help="The name of the policy that it is about.")
@click.option("--reason", required=True, help="What the account says.")
@click.option("--language", default="", help="In which it wrote, as zh-Hans.")
@speaks("appeal.file")
def file(api: Api, out: Output, account: str, organisation: str, **stated: Any) -> None:
    """File an objection for an account that wrote by another way than its page."""
    stated["account"] = account_id(api, account, organisation)
    _say(out, api.post("/appeals", stated))


@appeal.command()
@click.argument("appeal")
@speaks("appeal.take")
def take(api: Api, out: Output, appeal: str) -> None:
    """Take it up: from now on you look at it."""
    _say(out, api.post(f"/appeals/{appeal}/take", {}))


@appeal.command()
@click.argument("appeal")
@click.option("--grant", "verdict", flag_value="grant", help="The policy is lifted for the account.")
@click.option("--deny", "verdict", flag_value="deny", help="It holds.")
@click.option("--reason", required=True, help="What the account is told.")
@click.option("--until", "ends", default="", metavar="INSTANT", help="Of a grant; without: for good.")
@click.option("--reinstate", is_flag=True, help="Of a grant: an account that is warned or suspended is active again.")
@click.option("--confirm", metavar="APPEAL", help="Its id again.  Without: only says what would happen.")
@speaks("appeal.decide")
def decide(api: Api, out: Output, appeal: str, confirm: str | None, **decision: Any) -> None:
    """Grant or deny it.  The account is told, with your reason."""
    if not decision["verdict"]:
        raise click.UsageError("say --grant or --deny")
    given = confirmed(confirm, appeal, "decide")
    if not given:
        out.warn(f"nothing was changed, and nobody told; add --confirm {appeal} to do it")
    _say(out, api.post(f"/appeals/{appeal}/decide", decision, dry_run=not given))


@appeal.command()
@click.argument("appeal")
@speaks("appeal.withdraw")
def withdraw(api: Api, out: Output, appeal: str) -> None:
    """The account does not object any more."""
    _say(out, api.post(f"/appeals/{appeal}/withdraw", {}))


@appeal.command()
@click.argument("account")
@organisation
@click.option("--reason", required=True, help="Why it is handed over; it stands in the audit, and the link does not.")
@click.option("--days", type=click.IntRange(1, 365), default=30, help="For how long it is good.")
@click.option("--read-only", is_flag=True, help="To read, and not to object.")
@speaks("appeal.link")
def link(api: Api, out: Output, account: str, organisation: str, **said: Any) -> None:
    """A link by which an account reaches its own pages, for who has no letter.  It is shown this once."""
    body = {"reason": said["reason"], "days": said["days"], "scope": "see" if said["read_only"] else "object"}
    room(out)
    done = api.post(f"/accounts/{account_id(api, account, organisation)}/link", body)
    told = {"account": account, "until": done["ends"], "link": once(done["url"], f"{done['account']}.link", out)}
    out.say(done, lambda: pairs(told))


@appeal.command("revoke-link")
@click.argument("account")
@organisation
@click.option("--link", default="", help="The link, or its last part.")
@click.option("--all", is_flag=True, help="Every link that the account has by now, those in letters too.")
@click.option("--reason", required=True, help="Why; it stands in the audit.")
@speaks("appeal.revoke-link")
def revoke_link(api: Api, out: Output, account: str, organisation: str, **said: Any) -> None:
    """Make a link void, and whoever came in by it.  Its reader is told so."""
    if bool(said["link"]) == said["all"]:
        raise click.UsageError("say --link or --all")
    done = api.post(f"/accounts/{account_id(api, account, organisation)}/link/revoke", said)
    what = "every link that it had" if said["all"] else "this link"
    out.say(done, lambda: f"{what} opens nothing any more")


def _say(out: Output, done: dict[str, Any]) -> None:
    told = {name: done["appeal"][name] for name in HEAD} | {"account is": done["account"]["status"]}
    out.say(done, lambda: pairs(told))


def _told(found: dict[str, Any]) -> str:
    parts = [pairs({name: found["appeal"][name] for name in HEAD})]
    if (texts := found["texts"]) is None:
        parts.append("what was said is not kept any more")
    else:
        parts.append("reason\n" + _lines(texts["reason"]))
        if seen := texts["evidence"]:
            rows = [dict(zip(("territory", "requests", "days"), place, strict=True)) for place in seen["places"]]
            parts.append(table(rows, ("territory", "requests", "days")))
        if texts["decision"]:
            parts.append("decision\n" + _lines(texts["decision"]))
    parts.append(table(found["moves"], ("at", "move", "state", "actor")))
    return "\n\n".join(parts)


def _lines(words: str) -> str:
    return "\n".join(f"  {safe(line)}" for line in words.splitlines())
