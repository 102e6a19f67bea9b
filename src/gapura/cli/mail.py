"""Mail that came back: how it was read, and the addresses that are not written to because of it."""

from pathlib import Path
from typing import Any

import click

from gapura.cli.client import Api, speaks
from gapura.cli.ending import Failed
from gapura.cli.output import Output, pairs, table
from gapura.clock import text

RETURNED = ("at", "kind", "notice", "recipient", "status", "answer")
SUPPRESSED = ("address", "status", "since", "until", "answer")


@click.group(short_help="Mail that came back: list, take in; addresses: list, lift.")
def mail() -> None:
    """What mail servers answered later on, and what followed from it."""


@mail.command()
@speaks("mail.returned")
def returned(api: Api, out: Output) -> None:
    """What came back within 30 days, oldest first; `notice` 0: it names none of ours."""
    found = list(api.every("/mail/returned"))
    out.say(found, lambda: table(map(_row, found), RETURNED))


@mail.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@speaks("mail.take")
def take(api: Api, out: Output, file: Path) -> None:
    """Take in one message that came back, as it was received; a second time it changes nothing."""
    done = api.post("/mail/returned", file.read_bytes())
    out.say(done, lambda: pairs({"read as": ", ".join(done["kinds"]), "notices moved": done["moved"]}))


@mail.command()
@speaks("mail.suppressed")
def suppressed(api: Api, out: Output) -> None:
    """Addresses that nobody writes to, since a bounce of one of our letters has called them none."""
    found = list(api.every("/mail/suppressed"))
    out.say(found, lambda: table(map(_address, found), SUPPRESSED))


@mail.command()
@click.argument("address")
@click.option("--reason", required=True, help="Why; it stands in the audit.")
@speaks("mail.lift")
def lift(api: Api, out: Output, address: str, reason: str) -> None:
    """Write to an address again."""
    known = {one["address"]: one["id"] for one in api.every("/mail/suppressed")}
    if address.lower() not in known:
        raise Failed(f"{address} is not suppressed; see gapura mail suppressed")
    done = api.post(f"/mail/suppressed/{known[address.lower()]}/lift", {"reason": reason})
    out.say(done, lambda: f"{address} is written to again")


def _row(one: dict[str, Any]) -> dict[str, Any]:
    return one | {"at": text(one["at"]), "notice": one["delivery"]}


def _address(one: dict[str, Any]) -> dict[str, Any]:
    return one | {"since": text(one["since"]), "until": text(one["until"])}
