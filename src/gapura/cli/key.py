"""API keys."""

from typing import Any

import click

from gapura.cli.account import confirmed, organisation
from gapura.cli.client import Api, account_id, speaks
from gapura.cli.output import Output, once, pairs, room, table
from gapura.clock import instant

COLUMNS = ("id", "account_id", "prefix", "name", "expires_at", "revoked", "models", "providers", "may_assert_origin")


@click.group(short_help="API keys: list, create, revoke.")
def key() -> None:
    """API keys.  A key is shown once, when it is made."""


@key.command("list")
@click.option("--account", default="", help="Only this account's keys.")
@organisation
@speaks("key.list")
def list_(api: Api, out: Output, account: str, organisation: str) -> None:
    """Keys, oldest first, without their secrets."""
    found = list(api.every("/keys", account=account_id(api, account, organisation) if account else None))
    out.say(found, lambda: table(found, COLUMNS))


@key.command()
@click.option("--account", required=True, help="Whose key it is.")
@organisation
@click.option("--name", default="", help="What people call it.")
@click.option("--expires", metavar="INSTANT", help="As 2027-01-01T00:00:00+08:00; without: never.")
@click.option("--models", multiple=True, metavar="MODEL", help="Only these; `gpt-4o*` is a pattern.  Several times.")
@click.option("--providers", multiple=True, metavar="PROVIDER", help="Only these.  Several times.")
@click.option("--cidrs", multiple=True, metavar="CIDR", help="Only from these networks.  Several times.")
@click.option("--assert-origin", "may_assert_origin", is_flag=True, help="May say where its users are.")
@click.option("--strict", is_flag=True, help="Refuses every loss of translation that changes behaviour.")
@click.option("--rpm", "requests_per_minute", type=int, default=0, help="Requests a minute; 0: no limit.")
@click.option("--tpm", "tokens_per_minute", type=int, default=0, help="Tokens a minute; 0: no limit.")
@speaks("key.create")
def create(api: Api, out: Output, account: str, organisation: str, expires: str | None, **wanted: Any) -> None:
    """Make a key.  Its secret is shown this once."""
    try:
        expires_at = instant(expires) if expires else 0
    except ValueError as error:
        raise click.UsageError(f"--expires: {error}") from error
    wanted |= {"account_id": account_id(api, account, organisation), "expires_at": expires_at}
    room(out)
    done = api.post("/keys", wanted)
    name = done["key"]["id"]
    told = {"id": name, "account": wanted["account_id"], "key": once(done["secret"], name, out)}
    out.say(done, lambda: pairs(told))


@key.command()
@click.argument("key")
@click.option("--reason", default="", help="Why; it stands in the audit.  Needed to confirm.")
@click.option("--confirm", metavar="KEY", help="The id again: revokes it.  Without: only says what would happen.")
@speaks("key.revoke")
def revoke(api: Api, out: Output, key: str, reason: str, confirm: str | None) -> None:
    """Revoke a key, by its id (key_…), for ever."""
    revoke_one(api, out, "key", key, reason, confirm)


def revoke_one(api: Api, out: Output, noun: str, name: str, reason: str, confirm: str | None) -> None:
    """Keys and principals go the same way."""
    given = confirmed(confirm, name, "revoke")
    if given and not reason:
        raise click.UsageError("--reason is needed: say why, for those who read the audit")
    if not given:
        out.warn(f"nothing was changed; add --reason and --confirm {name} to do it")
    done = api.post(f"/{noun}s/{name}/revoke", {"reason": reason or "rehearsal"}, dry_run=not given)
    told = {noun: name, "name": done[noun]["name"], "prefix": done[noun]["prefix"], "revoked": given}
    out.say(done, lambda: pairs(told))
