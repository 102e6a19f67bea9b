"""Routes: what model names stand for."""

from typing import Any

import click

from gapura.cli import ending
from gapura.cli.account import organisation
from gapura.cli.client import Api, speaks
from gapura.cli.output import Output, pairs, table


@click.group(short_help="Routes: show, try one from an address.")
def route() -> None:
    """What a model name stands for, and where a request would go."""


@route.command()
@speaks("route.show")
def show(api: Api, out: Output) -> None:
    """Every route, with its targets in order."""
    found = api.get("/routes")
    rows = [one | {"targets": [_target(target) for target in one["targets"]]} for one in found["routes"]]
    out.say(found, lambda: table(rows, ("model", "targets", "strict", "failover", "first_token_s")))


@route.command("try")
@click.argument("model")
@click.argument("place", metavar="ADDRESS|TERRITORY")
@click.option("--account", default="", help="Asked for this account; without: for nobody in particular.")
@organisation
@click.option("--at", default="", metavar="INSTANT", help="As 2026-07-09T00:00:00+08:00; without: now.")
@speaks("route.try")
def try_(api: Api, out: Output, model: str, place: str, **question: str) -> int:
    """Which targets a request for MODEL would be sent to, in which order, and why not to others.  Sends nothing.

    Exit code 3 where none may serve.
    """
    found = api.get("/routes/try", model=model, place=place, **question)
    order = {target: number for number, target in enumerate(found["tries"] + found["last_resort"], 1)}
    rows = [
        {"order": order.get(target), "target": target, "effect": effect, "policy": policy, "because": because}
        for target, effect, policy, _, because, _ in found["verdicts"]
    ]
    rows.sort(key=lambda row: row["order"] or len(rows) + 1)
    origin = found["origin"]
    head = {"territory": origin["territory"], "certainty": origin["certainty"], "refused with": found["error"]}
    out.say(found, lambda: pairs(head) + "\n\n" + table(rows, ("order", "target", "effect", "policy", "because")))
    return ending.NO if found["error"] else ending.OK


def _target(target: dict[str, Any]) -> str:
    share = f" ({target['weight']})" if target["weight"] else ""
    return f"{target['provider']}/{target['model']}{share}"
