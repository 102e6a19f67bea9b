"""Endpoints that are told of events."""

from typing import Any

import click

from gapura.cli.account import confirmed, organisation
from gapura.cli.client import Api, account_id, speaks
from gapura.cli.output import Output, once, pairs, room, table
from gapura.clock import text

COLUMNS = ("id", "url", "topics", "account", "state", "name", "created_at")
TOLD = ("event", "topic", "account", "state", "at", "attempts", "code", "answer", "due_at", "ended_at")

reason = click.option("--reason", default="", help="Why; it stands in the audit.  Needed to confirm.")
confirm = click.option("--confirm", metavar="WEBHOOK", help="The id again: does it.  Without: only says what would be.")


@click.group(short_help="Endpoints that are told of events: list, add, rotate, test, replay.")
def webhook() -> None:
    """Endpoints of yours that are told of events: grants that run out, claims that wait, notices."""


@webhook.command("list")
@speaks("webhook.list")
def list_(api: Api, out: Output) -> None:
    """Endpoints, oldest first, without their secrets."""
    found = api.get("/webhooks")["items"]
    out.say(found, lambda: table(found, COLUMNS))


@webhook.command()
@click.argument("endpoint", metavar="URL")
@click.option("--topic", "topics", multiple=True, metavar="TOPIC", help="As grant.expired or grant.*; without: all.")
@click.option("--account", default="", help="Only events of this account.")
@organisation
@click.option("--name", default="", help="What people call it.")
@speaks("webhook.add")
def add(api: Api, out: Output, endpoint: str, account: str, organisation: str, **wanted: Any) -> None:
    """Tell URL of what happens from now on.  The secret for its signatures is shown this once."""
    if account:
        wanted["account"] = account_id(api, account, organisation)
    room(out)
    done = api.post("/webhooks", wanted | {"url": endpoint, "topics": list(wanted["topics"])})
    made = done["webhook"]
    told = {"id": made["id"], "url": endpoint, "secret": once(done["secret"], made["id"], out)}
    out.say(done, lambda: pairs(told))


@webhook.command()
@click.argument("webhook")
@click.option(
    "--keep-hours", type=click.IntRange(0, 720), default=24, show_default=True, help="The former is good, too."
)
@reason
@confirm
@speaks("webhook.rotate")
def rotate(api: Api, out: Output, webhook: str, keep_hours: int, reason: str, confirm: str | None) -> None:
    """Give an endpoint another secret, shown this once.  For a time what it is told is signed with both."""
    room(out)
    done = _confirmed(api, out, "rotate", webhook, reason, confirm, keep_hours=keep_hours)
    made = done["webhook"]
    told = {"webhook": webhook, "rotated": not done["dry_run"], "former until": text(made["former_until"])}
    if not done["dry_run"]:
        told["secret"] = once(done["secret"], f"{webhook}-{made['generation']}", out)
    out.say(done, lambda: pairs(told))


@webhook.command()
@click.argument("webhook")
@reason
@confirm
@speaks("webhook.remove")
def remove(api: Api, out: Output, webhook: str, reason: str, confirm: str | None) -> None:
    """Remove an endpoint; what waits for it is given up."""
    done = _confirmed(api, out, "remove", webhook, reason, confirm)
    out.say(done, lambda: pairs({"webhook": webhook, "url": done["webhook"]["url"], "removed": not done["dry_run"]}))


@webhook.command()
@click.argument("webhook")
@speaks("webhook.test")
def test(api: Api, out: Output, webhook: str) -> None:
    """Send an endpoint an event `webhook.test`; `webhook deliveries` shows what became of it."""
    done = api.post(f"/webhooks/{webhook}/test", {})
    out.say(done, lambda: pairs(done))


@webhook.command()
@click.argument("webhook")
@click.option("--state", type=click.Choice(("waiting", "delivered", "dead")), help="Only these.")
@speaks("webhook.deliveries")
def deliveries(api: Api, out: Output, webhook: str, state: str | None) -> None:
    """What an endpoint was told of, oldest first, and what it answered."""
    found = list(api.every(f"/webhooks/{webhook}/deliveries", state=state))
    out.say(found, lambda: table(found, TOLD))


@webhook.command()
@click.argument("webhook")
@click.option("--since", required=True, metavar="INSTANT", help="Of events at or after, as 2026-07-09T00:00:00+08:00.")
@click.option("--delivered", is_flag=True, help="Also what the endpoint has taken already.")
@reason
@confirm
@speaks("webhook.replay")
def replay(api: Api, out: Output, webhook: str, reason: str, confirm: str | None, **wanted: Any) -> None:
    """Send an endpoint again what was given up, in order, each with the id that it had."""
    done = _confirmed(api, out, "replay", webhook, reason, confirm, **wanted)
    out.say(done, lambda: pairs({"webhook": webhook, "events": done["events"], "sent again": not done["dry_run"]}))


def _confirmed(api: Api, out: Output, verb: str, name: str, reason: str, confirm: str | None, **wanted: Any) -> Any:
    given = confirmed(confirm, name, verb)
    if given and not reason:
        raise click.UsageError("--reason is needed: say why, for those who read the audit")
    if not given:
        out.warn(f"nothing was changed; add --reason and --confirm {name} to do it")
    return api.post(f"/webhooks/{name}/{verb}", {"reason": reason or "rehearsal", **wanted}, dry_run=not given)
