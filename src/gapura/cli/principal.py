"""Who may use the admin API."""

from typing import Any

import click

from gapura.cli.client import Api, speaks
from gapura.cli.key import revoke_one
from gapura.cli.output import Output, once, pairs, room, table

COLUMNS = ("id", "role", "organisation", "name", "prefix", "revoked", "created_at")
ROLES = ("owner", "operator", "approver", "auditor", "account")


@click.group(short_help="Who may use the admin API: list, create, revoke.")
def principal() -> None:
    """People and programs that may use the admin API.  A token is shown once, when it is made."""


@principal.command("list")
@speaks("principal.list")
def list_(api: Api, out: Output) -> None:
    """Principals, oldest first, without their tokens."""
    found = list(api.every("/principals"))
    out.say(found, lambda: table(found, COLUMNS))


@principal.command()
@click.option("--role", type=click.Choice(ROLES), required=True, help="What it may do.")
@click.option("--name", required=True, help="Who it is.")
@click.option("--organisation", default="", help="The one tenant that it sees; without: all.")
@speaks("principal.create")
def create(api: Api, out: Output, **wanted: Any) -> None:
    """Name somebody.  The token is shown this once."""
    room(out)
    done = api.post("/principals", wanted)
    name = done["principal"]["id"]
    told = {"id": name, "role": wanted["role"], "token": once(done["token"], name, out)}
    out.say(done, lambda: pairs(told))


@principal.command()
@click.argument("principal")
@click.option("--reason", default="", help="Why; it stands in the audit.  Needed to confirm.")
@click.option("--confirm", metavar="PRINCIPAL", help="The id again: revokes it.  Without: only says what would happen.")
@speaks("principal.revoke")
def revoke(api: Api, out: Output, principal: str, reason: str, confirm: str | None) -> None:
    """Revoke a principal, by its id (prn_…), for ever."""
    revoke_one(api, out, "principal", principal, reason, confirm)
