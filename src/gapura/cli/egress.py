"""From where this gateway calls its providers, and whether it may."""

from typing import Any

import click

from gapura.cli import ending
from gapura.cli.client import Api, speaks
from gapura.cli.output import Output, table
from gapura.cli.probe import probe
from gapura.clock import text

COLUMNS = ("provider", "egress", "known_by", "territory", "certainty", "may", "because")


@click.command()
@click.argument("addresses", nargs=-1, metavar="[ADDRESS|TERRITORY]…")
@click.option(
    "--probe", "probes", multiple=True, metavar="URL",
    help="A page of your choice that answers with the caller's address, asked from this machine.  Several times.",
)  # fmt: skip
@click.option("--days", type=int, default=30, help="Count providers' own refusals of the last N days; 30 unless given.")
@speaks("doctor.egress")
def egress(api: Api, out: Output, *, addresses: tuple[str, ...], probes: tuple[str, ...], days: int) -> int:
    """Whether each provider may be called from each address that is stated, found by a probe, or given here.

    Stated are GAPURA_EGRESS_ADDRESSES, GAPURA_EGRESS_TERRITORY and `egress` in [providers.…] of gapura.toml.

    Exit code 3 where one may not, where that is not certain, where nothing is known, or where a provider has refused.
    """
    probed = [address for url in probes for address in probe(url)]
    found = api.get("/egress", also=",".join((*addresses, *probed)), days=days)
    for one in found["refusals"]:
        times = f"{one['refusals']} times in {days} days, last at {text(one['last_at'])}"
        out.warn(f"{one['provider']} refused the place that it was called from {times}")
    if not found["items"]:
        out.warn("nothing is known: set GAPURA_EGRESS_ADDRESSES, or give an address or --probe")
    rows: list[dict[str, Any]] = [
        {**one, "known_by": _known_by(one["egress"], probed, addresses)} for one in found["items"]
    ]
    out.say(found | {"items": rows}, lambda: table(rows, COLUMNS))
    return ending.OK if found["may"] else ending.NO


def _known_by(address: str, probed: list[str], given: tuple[str, ...]) -> str:
    return "probe" if address in probed else "given" if address in given else "stated"
