"""What was requested."""

import sys

import click

from gapura.cli.client import Api, speaks
from gapura.cli.output import Output


@click.group(short_help="What was requested: export.")
def record() -> None:
    """Requests, as the gates wrote them down."""


@record.command()
@click.option("--from", "since", metavar="INSTANT", help="Begun at or after, as 2026-07-09T00:00:00+08:00.")
@click.option("--to", "until", metavar="INSTANT", help="Begun before.")
@click.option("--after", metavar="ID", help="Only requests behind this id.")
@click.option("--limit", type=click.IntRange(1), help="At most so many; without: all.")
@speaks("record.export")
def export(api: Api, out: Output, since: str | None, until: str | None, after: str | None, limit: int | None) -> None:  # noqa: ARG001 - the lines are their own envelope
    """One request a line, in the order of ids, as JSON (with --json, too): outcome, tokens, place, attempts."""
    stream = sys.stdout.buffer
    query = {"from": since, "to": until, "after": after, "limit": limit}
    for piece in api.chunks("GET", "/records", **query):
        stream.write(piece)
    stream.flush()
