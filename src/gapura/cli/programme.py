"""A vendor's programmes, from the offer to the report."""

from pathlib import Path
from typing import Any

import click

from gapura.cli.account import confirmed
from gapura.cli.client import Api, speaks
from gapura.cli.output import Output, pairs, table
from gapura.cli.programme_claims import CLAIMS
from gapura.cli.programme_codes import codes
from gapura.cli.programme_reports import REPORTS

COLUMNS = ("id", "state", "version", "title", "vendor", "starts_at", "ends_at", "unit", "funded", "left", "claims")

reason = click.option("--reason", default="", help="Why; it stands in the audit.  Needed to confirm.")
confirm = click.option("--confirm", metavar="NAME", help="The programme again: does it.  Without: a dry run.")


@click.group(short_help="A vendor's programmes: offer, claims, vetting, grants, codes, report.")
def programme() -> None:
    """Programmes that pay for the move of those who come over: who may claim how much, and what became of it."""


@programme.command("list")
@speaks("programme.list")
def list_(api: Api, out: Output) -> None:
    """All programmes, oldest first."""
    found = api.get("/programmes")["items"]
    out.say(found, lambda: table([_row(one) for one in found], COLUMNS))


@programme.command()
@click.argument("name")
@speaks("programme.show")
def show(api: Api, out: Output, name: str) -> None:
    """A programme: its offer, its wallet, and its claims by state."""
    found = api.get(f"/programmes/{name}")
    columns = ("state", "claims", "amount")
    out.say(found, lambda: pairs(_row(found)) + "\n\n" + table(found["claims"], columns))


@programme.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--confirm", metavar="FILE", help="The file's name again: keeps it.  Without: only says how it is read.")
@speaks("programme.offer")
def offer(api: Api, out: Output, file: Path, confirm: str | None) -> None:
    """Propose an offer (TOML): a new programme, or a new version of one.

    Of a programme that is open the version is in force at once, and its wallet follows.
    """
    given = confirmed(confirm, file.name, "offer")
    done = api.post("/programmes", {"text": file.read_text("utf-8")}, dry_run=not given)
    if not given:
        out.warn(f"nothing was kept; add --confirm {file.name} to do it")
    said = done["offer"]
    told = {"programme": said["id"], "version": done["programme"]["version"], "state": done["programme"]["state"]}
    told |= {"from_at": said["starts"], "until_at": said["ends"], "wallet": said["wallet"], "unit": said["unit"]}
    grants = [_part(part) for part in said["grants"]]
    columns = ("name", "amount", "multiplier", "cap", "models", "providers", "days", "ends_at", "category")
    out.say(done, lambda: pairs(told) + "\n\n" + table(grants, columns))


@programme.command("open")
@click.argument("name")
@reason
@confirm
@speaks("programme.open")
def open_(api: Api, out: Output, name: str, reason: str, confirm: str | None) -> None:
    """Open a programme: its wallet is filled, and claims are taken within its window."""
    _move(api, out, "open", name, reason, confirm)


@programme.command()
@click.argument("name")
@reason
@confirm
@speaks("programme.close")
def close(api: Api, out: Output, name: str, reason: str, confirm: str | None) -> None:
    """Close a programme: no claims are taken any more; what was granted stays."""
    _move(api, out, "close", name, reason, confirm)


def _move(api: Api, out: Output, verb: str, name: str, reason: str, confirm: str | None) -> None:
    given = confirmed(confirm, name, verb)
    if given and not reason:
        raise click.UsageError("--reason is needed: say why, for those who read the audit")
    if not given:
        out.warn(f"nothing was changed; add --reason and --confirm {name} to do it")
    done = api.post(f"/programmes/{name}/{verb}", {"reason": reason or "rehearsal"}, dry_run=not given)
    out.say(done, lambda: pairs(done["programme"]))


def _row(found: dict[str, Any]) -> dict[str, Any]:
    offer, wallet = found["offer"], found["wallet"]
    row: dict[str, Any] = found["programme"] | {name: offer[name] for name in ("title", "vendor")}
    row |= {"starts_at": offer["starts"], "ends_at": offer["ends"], "left": wallet["left"]}
    return row | {"claims": sum(count["claims"] for count in found["claims"])}


def _part(part: dict[str, Any]) -> dict[str, Any]:
    matched = part["matched"] or {}
    times = f"{matched['thousandths'] / 1000:g}" if matched else ""
    return part | {
        "ends_at": part["ends"],
        "multiplier": times,
        "cap": matched.get("cap"),
        "amount": part["amount"] or "",
    }


for command in (*CLAIMS, *REPORTS, codes):
    programme.add_command(command)
