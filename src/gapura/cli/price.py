"""What models cost."""

from collections.abc import Iterator
from typing import Any

import click

from gapura.cli.client import Api, speaks
from gapura.cli.output import Output, pairs, table
from gapura.clock import text

COLUMNS = ("model", "from", "above", "input", "cached", "output", "reasoning", "image", "second", "character", "in")
NAMES = ("above", "input", "cached", "output", "reasoning", "image", "second", "character")
BILLION = 10**9


@click.group(short_help="What models cost: list, show.")
def price() -> None:
    """What models cost: for a million tokens or characters, an image, a second."""


@price.command("list")
@click.option("--provider", default="", help="Only this one's.")
@speaks("price.list")
def list_(api: Api, out: Output, provider: str) -> None:
    """Every price that is known here, the operator's before the vendors' lists."""
    found = api.get("/prices", provider=provider)
    rows = [row for one in found["items"] for row in _rows(one)]
    out.say(found, lambda: table(rows, COLUMNS) + f"\n\nvendors' lists as of {found['as_of']}; empty: not known")


@price.command()
@click.argument("target", metavar="PROVIDER/MODEL")
@click.option("--at", default="", metavar="INSTANT", help="As 2026-12-01T00:00:00+08:00; without: now.")
@speaks("price.show")
def show(api: Api, out: Output, target: str, at: str) -> None:
    """What a model costs at an instant, and who says so."""
    provider, _, model = target.partition("/")
    if not model:
        raise click.UsageError(f"{target}: write PROVIDER/MODEL, as glm/glm-5.3; `gapura price list` has them")
    found = api.get(f"/prices/{provider}", model=model, at=at)
    out.say(found, lambda: table(list(_rows(found)), COLUMNS) + "\n\n" + pairs({"source": found["source"]}))


def _rows(price: dict[str, Any]) -> Iterator[dict[str, str]]:
    for tier in price["tiers"]:
        rates = dict(zip(NAMES, tier, strict=True))
        above = rates.pop("above")
        yield {
            "model": f"{price['provider']}/{price['model']}",
            "from": text(price["starts"]) if price["starts"] else "",
            "above": str(above or ""),
            "in": price["currency"],
            **{name: "" if rate < 0 else money(rate) for name, rate in rates.items()},
        }


def money(billionths: int) -> str:
    """An amount without digits that say nothing.

    >>> money(1_400_000_000), money(100_000), money(-5_000_000_000)
    ('1.4', '0.0001', '-5')
    """
    whole, rest = divmod(abs(billionths), BILLION)
    return f"{'-' * (billionths < 0)}{whole}" + f".{rest:09}".rstrip("0").rstrip(".")
