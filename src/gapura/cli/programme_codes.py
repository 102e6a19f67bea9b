"""Redemption codes of a programme."""

import csv
import os
from pathlib import Path
from typing import Any

import click

from gapura.cli.account import confirmed, organisation
from gapura.cli.client import Api, account_id, speaks
from gapura.cli.output import Output, pairs, table
from gapura.clock import instant

COLUMNS = ("id", "name", "size", "redeemed", "expires_at", "made_at", "revoked_at")


@click.group()
def codes() -> None:
    """Redemption codes and invitations; they are told once, when they are drawn."""


@codes.command("list")
@click.argument("name")
@speaks("programme.codes.list")
def list_(api: Api, out: Output, name: str) -> None:
    """Batches of a programme, oldest first, without the codes."""
    found = api.get(f"/programmes/{name}/codes")["items"]
    out.say(found, lambda: table(found, COLUMNS))


@codes.command()
@click.argument("name")
@click.option("--batch", required=True, help="What people call this batch.")
@click.option("--size", type=int, default=0, help="So many codes, for whoever has them.")
@click.option("--for", "accounts", multiple=True, metavar="ACCOUNT", help="An invitation.  Several times.")
@organisation
@click.option("--expires", metavar="INSTANT", help="As 2027-01-01T00:00:00+08:00; without: never.")
@speaks("programme.codes.draw")
def draw(api: Api, out: Output, name: str, accounts: tuple[str, ...], organisation: str, **given: Any) -> None:
    """Draw codes.  They are written into a file that only you can read, or with --json printed, this once."""
    try:
        expires_at = instant(given["expires"]) if given["expires"] else 0
    except ValueError as error:
        raise click.UsageError(f"--expires: {error}") from error
    known = [account_id(api, account, organisation) for account in accounts]
    wanted = {"name": given["batch"], "size": given["size"], "accounts": known, "expires_at": expires_at}
    done = api.post(f"/programmes/{name}/codes", wanted)
    told = {field: done["batch"][field] for field in ("id", "name", "size", "expires_at")}
    if not out.as_json:
        told["codes"] = _written(done, accounts)
        out.warn("they are in that file, and nowhere else")
    out.say(done, lambda: pairs(told))


@codes.command()
@click.argument("batch")
@click.option("--reason", default="", help="Why; it stands in the audit.  Needed to confirm.")
@click.option("--confirm", metavar="BATCH", help="The batch again: revokes it.  Without: a dry run.")
@speaks("programme.codes.revoke")
def revoke(api: Api, out: Output, batch: str, reason: str, confirm: str | None) -> None:
    """Revoke a batch (cdb_…): none of it is redeemed any more."""
    given = confirmed(confirm, batch, "revoke")
    if given and not reason:
        raise click.UsageError("--reason is needed: say why, for those who read the audit")
    if not given:
        out.warn(f"nothing was changed; add --reason and --confirm {batch} to do it")
    done = api.post(f"/codes/{batch}/revoke", {"reason": reason or "rehearsal"}, dry_run=not given)
    out.say(done, lambda: pairs(done["batch"]))


def _written(done: dict[str, Any], accounts: tuple[str, ...]) -> str:
    path = Path(f"{done['batch']['id']}.csv").absolute()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["code", "account"])
        rows.writerows(zip(done["codes"], accounts or [""] * len(done["codes"]), strict=True))
    return str(path)
