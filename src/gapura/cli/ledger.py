"""The ledger: shown, exported, checked, closed by month, archived."""

import hashlib
import sys
from pathlib import Path
from typing import Any

import click

from gapura.cli import ending
from gapura.cli.account import confirmed
from gapura.cli.client import Api, connected, speaks
from gapura.cli.output import Output, pairs, table
from gapura.cli.progress import shown

ACCOUNTS = ("id", "name", "unit", "balance")
TRANSFERS = ("id", "at", "kind", "debit", "credit", "amount", "unit", "ref")
MONTHS = ("month", "transfers", "count", "accounts", "at")

purse = click.option("--purse", help="Only of this purse: tok:acc_…, gr:grt_… or bud:….")
home = click.option("--home", type=click.Path(path_type=Path), help="Folder of the state, instead of GAPURA_HOME.")
as_json = click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document.")


@click.group(short_help="Who has how much: show, export, verify, close, archive.")
def ledger() -> None:
    """A double-entry ledger of tokens and money, in a chain that nobody can alter unseen."""


@ledger.command()
@purse
@speaks("ledger.show")
def show(api: Api, out: Output, purse: str | None) -> None:
    """Accounts of the ledger, and what they have."""
    found = list(api.every("/ledger/accounts", purse=purse))
    out.say(found, lambda: table(found, ACCOUNTS))


@ledger.command()
@purse
@click.option("--account", metavar="NAME", help="Only of this account of the ledger, as spent:tok:acc_…:input.")
@click.option("--after", type=int, default=0, help="Only transfers behind this number.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, help="At most so many.")
@speaks("ledger.transfers")
def transfers(api: Api, out: Output, purse: str | None, account: str | None, after: int, limit: int) -> None:
    """Transfers, oldest first."""
    found = api.get("/ledger/transfers", purse=purse, account=account, after=after, limit=limit)["items"]
    out.say(found, lambda: table(found, TRANSFERS))


@ledger.command()
@purse
@click.option("--after", type=int, default=0, help="Only transfers behind this number.")
@speaks("ledger.export")
def export(api: Api, out: Output, purse: str | None, after: int) -> None:  # noqa: ARG001 - the lines are their own envelope
    """All transfers, one a line, as JSON (with --json, too)."""
    stream = sys.stdout.buffer
    for piece in api.chunks("GET", "/ledger/export", purse=purse, after=after):
        stream.write(piece)
    stream.flush()


@ledger.command()
@speaks("ledger.months")
def months(api: Api, out: Output) -> None:
    """The months that are closed."""
    found = api.get("/ledger/months")["items"]
    out.say(found, lambda: table(found, MONTHS))


@ledger.command()
@speaks("ledger.pending")
def pending(api: Api, out: Output) -> None:
    """What is to be posted to a ledger that gateways share, and what it refused."""
    found = api.get("/ledger/pending")["items"]
    out.say(found, lambda: table(found, ("id", "at", "name", "arguments", "refused")))


@ledger.command()
@click.argument("month")
@click.option("--reason", default="", help="Why; it stands in the audit.")
@click.option("--confirm", metavar="MONTH", help="The month again: closes it.  Without: only says what would happen.")
@speaks("ledger.close")
def close(api: Api, out: Output, month: str, reason: str, confirm: str | None) -> None:
    """Close a month (as 2026-07, UTC), and with it all before it: nothing is posted into it any more."""
    given = confirmed(confirm, month, "close")
    if not given:
        out.warn(f"nothing was closed; add --confirm {month} to do it, for ever")
    done = api.post("/ledger/months", {"month": month, "reason": reason}, dry_run=not given)
    out.say(done, lambda: pairs(done["month"]))


@ledger.command()
@click.argument("month")
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path), required=True, help="Where files go.")
@click.option("--confirm", metavar="MONTH", help="The month again: takes it out of the ledger once its file is there.")
@home
@as_json
def archive(month: str, folder: Path, confirm: str | None, home: Path | None, as_json: bool) -> None:  # noqa: FBT001 - an option
    """Write a closed month into a Parquet file (needs the extra `backtest`), read it again and compare.

    With --confirm its transfers then leave the ledger; what they add up to stays, and their refs stay known.
    """
    from gapura.cli import books  # noqa: PLC0415 - loads SQLite

    out, given = Output("ledger.archive", as_json=as_json), confirmed(confirm, month, "archive")
    with connected(home, None, None, out) as api:
        found, file = books.archive(home, month, folder)
        done: dict[str, Any] = {"month": month, "file": str(file), "transfers": found.count, "taken_out": 0}
        if given:
            with file.open("rb") as content:
                done["sha256"] = hashlib.file_digest(content, "sha256").hexdigest()
            body = {"file": str(file), "sha256": done["sha256"]}
            done["taken_out"] = api.post(f"/ledger/months/{month}/archived", body)["transfers"]
        else:
            out.warn(f"the transfers are in the ledger still; add --confirm {month} to take them out")
    out.say(done, lambda: pairs(done))


@ledger.command()
@click.option("--archive", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Read archives, too.")
@home
@as_json
def verify(archive: Path | None, home: Path | None, as_json: bool) -> int:  # noqa: FBT001 - an option
    """Recompute every balance and the whole chain, while the gateway runs.  Exit code 3 where something is wrong."""
    from gapura.cli import books  # noqa: PLC0415 - loads SQLite

    out, share = Output("ledger.verify", as_json=as_json), [0, 0]

    def progress(done: int, total: int) -> None:
        share[:] = done, total

    with shown(lambda: 100 * share[0] / max(share[1], 1), sys.stderr) as step:
        problems = books.verify(home, archive, step, progress)
    done = {"sound": not problems, "transfers": share[0], "problems": problems}
    out.say(done, lambda: "\n".join(problems) or f"{share[0]} transfers in the chain: everything adds up")
    return ending.NO if problems else ending.OK
