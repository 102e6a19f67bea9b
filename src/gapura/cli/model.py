"""Models: what is known of each, and what does the work of one that is gone."""

from typing import Any, TextIO

import click

from gapura.cli import ending
from gapura.cli.client import Api, speaks
from gapura.cli.output import Output, pairs, table
from gapura.providers import catalogue, estimators, vocabularies


@click.group(short_help="Models: list, show, find counterparts.")
def model() -> None:
    """What is known of models: limits, ends, counterparts.  Dated facts, from the sources that they name."""


@model.command("list")
@click.option("--provider", default="", help="Of this provider alone.")
@click.option("--kind", default="", help="Of this kind alone: chat, embedding, rerank, moderation.")
@click.option("--living", is_flag=True, help="Without those that their vendor has ended.")
@speaks("model.list")
def list_(api: Api, out: Output, provider: str, kind: str, living: bool) -> None:  # noqa: FBT001 - an option
    """Every model that is known, with its limits and its end."""
    asked = {"provider": provider, "kind": kind, "ended": str(not living).lower()}
    found = api.get("/models", **asked)
    rows = [_row(one) for one in found["items"]]
    columns = ("provider", "name", "kind", "context", "max_output", "vision", "thinks", "ends", "served")
    out.say(found, lambda: table(rows, columns) + f"\n\nas of {found['as_of']}")


@model.command()
@click.argument("model", metavar="[PROVIDER/]MODEL")
@speaks("model.show")
def show(api: Api, out: Output, model: str) -> None:
    """One model: who has it, who would answer for it here, and what does its work elsewhere."""
    provider, _, name = model.rpartition("/")
    found = api.get(f"/models/{provider}:{name}" if provider else f"/models/{name}")
    found["counterparts"] = api.get("/models/map", names=name)["items"]
    head = {"name": found["name"], "as of": found["as_of"], "served by": found["served_by"], "note": found["stands_in"]}
    have = [_row(one) for one in found["items"]]
    columns = ("provider", "kind", "context", "max_output", "vision", "thinks", "dimensions", "ends")
    parts = [pairs(head), table(have, columns) if have else "no vendor has it now"]
    if found["counterparts"]:
        parts.append(table(found["counterparts"], ("provider", "model", "others", "differs")))
    out.say(found, lambda: "\n\n".join(parts))


@model.command("map")
@click.argument("names", nargs=-1, required=True, metavar="MODEL...")
@click.option("--to", default="", metavar="PROVIDERS", help="Separated by commas; without: every vendor that is known.")
@speaks("model.map")
def map_(api: Api, out: Output, names: tuple[str, ...], to: str) -> int:
    """What does the work of these models at other vendors, and where it falls short.

    Exit code 3 where of some name no counterpart is known.
    """
    found = api.get("/models/map", names=",".join(names), to=to)
    for name in found["unknown"]:
        out.warn(f"no counterpart of {name} is known; a route of your own can name one")
    columns = ("name", "provider", "model", "others", "served", "differs", "note")
    out.say(found, lambda: table(found["items"], columns) + f"\n\nas of {found['as_of']}")
    return ending.NO if found["unknown"] else ending.OK


@model.command()
@click.argument("file", type=click.File("r", encoding="utf-8"), default="-")
@click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document.")
def tokens(file: TextIO, as_json: bool) -> None:  # noqa: FBT001 - an option
    """How many tokens each vendor makes of a text (FILE, or what is piped in).

    Estimated, with the band in which nine of ten texts lie; exact where a package with the vendor's own vocabulary is
    installed (litellm for OpenAI, dashscope for Qwen, both with tiktoken).
    """
    out, text = Output("model.tokens", as_json=as_json), file.read()
    rows = [_counted(provider, text) for provider in catalogue.catalogue().vendors]
    columns = ("provider", "estimate", "low", "high", "calibrated", "exact")
    out.say({"as_of": estimators.measured().as_of, "items": rows}, lambda: table(rows, columns))


def _counted(provider: str, text: str) -> dict[str, Any]:
    estimator, count = estimators.of(provider), vocabularies.vocabulary(provider)
    estimate = estimator.estimate(text)
    low, high = estimator.band(estimate)
    return {
        "provider": provider, "estimate": estimate, "low": low, "high": high, "calibrated": estimator.calibrated,
        "exact": count(text) if count else None,
    }  # fmt: skip


def _row(one: dict[str, Any]) -> dict[str, Any]:
    facts = {name: value or None for name, value in one["facts"].items() if name != "vision"}
    return one | facts | {"vision": one["facts"]["vision"], "ends": one["facts"]["shut_down"]}
