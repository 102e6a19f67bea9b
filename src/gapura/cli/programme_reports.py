"""What became of a programme, and of an account's grants."""

from pathlib import Path
from typing import Any

import click

from gapura.cli.account import organisation
from gapura.cli.client import Api, account_id, speaks
from gapura.cli.output import Output, pairs, table

FILE = click.Path(dir_okay=False, path_type=Path)

html = click.option("--html", type=FILE, help="Also write one page with plots, which needs no network.")
csv = click.option("--csv", type=FILE, help="Also write a table.")


@click.command()
@click.argument("name")
@html
@csv
@speaks("programme.report")
def report(api: Api, out: Output, name: str, **files: Path | None) -> None:
    """Granted, held, spent, expired, cost and conversion of a programme, by place and model, for its vendor."""
    path = f"/programmes/{name}/report"
    found = api.get(path)
    _write(api, path, files)
    _warn(found, out)
    told = {"programme": name, "state": found["state"], "unit": found["unit"], "funded": found["funded"]}
    told |= {"wallet": found["wallet"], **found["flow"], "all sums agree": found["agree"]}
    _say_elsewhere(found, out)
    out.say(found, lambda: "\n\n".join([pairs(told), "accounts\n" + pairs(found["conversion"]), *_use(found["use"])]))


@click.command()
@click.argument("account")
@organisation
@html
@csv
@speaks("programme.statement")
def statement(api: Api, out: Output, account: str, organisation: str, **files: Path | None) -> None:
    """An account's grants: what it was given, what it used of it, and on what."""
    path = f"/accounts/{account_id(api, account, organisation)}/statement"
    found = api.get(path)
    _write(api, path, files)
    _warn(found, out)
    _say_elsewhere(found, out)
    rows = [line | line["flow"] for line in found["grants"]]
    columns = ("grant", "programme", "state", "unit", "granted", "spent", "left", "lent", "expired")
    out.say(found, lambda: "\n\n".join(["grants\n" + table(rows, columns), *_use(found["use"])]))


REPORTS = (report, statement)


def _write(api: Api, path: str, files: dict[str, Path | None]) -> None:
    for kind, file in files.items():
        if file is not None:
            with file.open("wb") as out:
                out.writelines(api.chunks("GET", f"{path}.{kind}"))


def _warn(found: dict[str, Any], out: Output) -> None:
    for one in found["sums"]:
        if one["one"] != one["other"]:
            out.warn(f"the sums differ: {one['what']}: {one['one']} and {one['other']}")


def _say_elsewhere(found: dict[str, Any], out: Output) -> None:
    if found["elsewhere"] is not None:
        out.warn(
            f"by model and place: of this gateway; {found['elsewhere']} was spent through others that share its ledger"
        )


def _use(found: dict[str, Any]) -> list[str]:
    costs = [one | {"cost": f"{one['amount'] / 10**9:.4f}"} for one in found["costs"]]
    return [
        "used, by model\n" + table(found["models"], ("provider", "model", "requests", "amount")),
        "used, by place\n" + table(found["places"], ("territory", "accounts", "requests", "amount")),
        "what it would have cost\n" + table(costs, ("currency", "cost", "tokens")),
    ]
