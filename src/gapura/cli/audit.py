"""Who changed what."""

import click

from gapura.cli import ending
from gapura.cli.client import Api, speaks
from gapura.cli.output import Output, table

COLUMNS = ("seq", "at", "actor", "action", "subject", "reason")


@click.group(short_help="Who changed what, and whether anybody altered that.")
def audit() -> None:
    """Each change, who made it and why, in a chain that nobody can alter unseen."""


@audit.command("list")
@click.option("--after", type=int, default=0, help="Only entries behind this number.")
@speaks("audit.list")
def list_(api: Api, out: Output, after: int) -> None:
    """Entries, oldest first."""
    found = list(api.every("/audit", after=after))
    out.say(found, lambda: table(found, COLUMNS))


@audit.command()
@speaks("audit.verify")
def verify(api: Api, out: Output) -> int:
    """Read the whole chain.  Exit code 3 where it is broken."""
    found = api.get("/audit/verify")
    problem = found["problem"]
    out.say(
        found, lambda: f"entry {problem['seq']} {problem['what']}" if problem else "every entry is as it was written"
    )
    return ending.OK if found["sound"] else ending.NO
