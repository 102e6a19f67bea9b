"""What was consumed."""

import click

from gapura.cli.account import organisation
from gapura.cli.client import Api, account_id, speaks
from gapura.cli.output import Output, table

COLUMNS = ("account", "key", "model", "provider", "requests", "input_tokens", "output_tokens", "estimated")


@click.command(short_help="Tokens by account, key, model and provider.")
@click.option("--account", help="Only this account.")
@organisation
@click.option("--key", help="Only this key (key_…).")
@click.option("--from", "since", metavar="INSTANT", help="Begun at or after, as 2026-07-09T00:00:00+08:00.")
@click.option("--to", "until", metavar="INSTANT", help="Begun before.")
@speaks("usage")
def usage(api: Api, out: Output, account: str | None, organisation: str, **query: str | None) -> None:
    """One row an account, key, model and provider.

    `estimated` counts the requests for which the provider gave no usage, so that the tokens are ours.
    """
    wanted = {"key": query["key"], "from": query["since"], "to": query["until"]}
    if account:
        wanted["account"] = account_id(api, account, organisation)
    found = api.get("/usage", **wanted)["items"]
    out.say(found, lambda: table(found, COLUMNS))
