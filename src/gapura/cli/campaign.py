"""Campaigns: who is affected is told, reminded, and blocked on the day; nothing is done until it is confirmed."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from gapura.cli import campaign_told as told
from gapura.cli import ending
from gapura.cli.client import Api, speaks
from gapura.cli.ending import Failed
from gapura.cli.late import Late
from gapura.cli.output import Output
from gapura.extras import install
from gapura.rulebook.formats import format_of

name = click.argument("campaign", metavar="NAME")


def confirm(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    option = click.option("--confirm", default="", metavar=what, help="Do it.  Without: only says what would happen.")
    return option if what else lambda command: command


@click.group(cls=Late, short_help="Campaigns: tell people before they are blocked, and prove it.")
def campaign() -> None:
    """Warn before you block: plan, preview, test, approve by a second person, start."""


@campaign.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--audience",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A back-test's table of accounts (gapura policy backtest --parquet), where the campaign is about those.",
)
@speaks("campaign.plan")
def plan(api: Api, out: Output, file: Path, audience: Path | None) -> int:
    """Write a campaign down, from FILE in TOML or YAML.  Whatever was approved before is void when it changes.  Exit
    code 3 where it could not be approved as it is."""
    found = api.post("/campaigns", file.read_bytes(), format=format_of(file.name))
    if audience is not None:
        listed = _list(api, str(found["campaign"]["name"]), audience)
        for one in listed["unknown"]:
            out.warn(f"no account is called {one}")
        found["listed"] = listed
    elif found["spec"]["audience"]["source"] == "backtest" and not found["campaign"]["people"]:
        out.warn("it is about those whom a back-test names; name them with --audience TABLE, if that is not done yet")
    for line in told.against(found):
        out.warn(line)
    out.say(found, lambda: told.planned(found))
    return ending.NO if told.refused(found) else ending.OK


@campaign.command()
@name
@click.option("--samples", type=click.IntRange(0, 20), default=1, show_default=True, help="So many letters.")
@click.option("--language", default="", help="Each letter in this language, as zh-Hans; without: its reader's own.")
@click.option(
    "--html", type=click.Path(file_okay=False, path_type=Path), help="Write each letter's HTML form into this folder."
)
@speaks("campaign.preview")
def preview(api: Api, out: Output, campaign: str, samples: int, language: str, html: Path | None) -> int:
    """Who would be told, and in which words; nothing is sent.  Exit code 3 where it could not be approved as it is."""
    found = api.post(f"/campaigns/{campaign}/preview", {"samples": samples, "language": language})
    if html is not None:
        html.mkdir(parents=True, exist_ok=True)
        for number, sample in enumerate(found["samples"], 1):
            (html / f"{number}-{sample['language'] or 'all'}.html").write_text(sample["html"], "utf-8")
    for line in told.against(found):
        out.warn(line)
    out.say(found, lambda: told.previewed(found))
    return ending.NO if told.refused(found) else ending.OK


@campaign.command()
@name
@click.option("--to", required=True, metavar="ADDRESS", help="An address of yours.")
@click.option("--language", default="", help="As zh-Hans; without: that of the first person affected.")
@speaks("campaign.test")
def test(api: Api, out: Output, campaign: str, to: str, language: str) -> None:
    """Send one letter to yourself, over the way that all will go."""
    found = api.post(f"/campaigns/{campaign}/test", {"to": to, "language": language})
    receipt = found["receipt"]
    out.say(found, lambda: f"sent to {found['to']}: {receipt['code']} {receipt['answer']}")


def _verb(verb: str, confirms: str, words: str) -> None:
    """A command for one of a campaign's moves; `confirms`: what has to be typed to do it, "": nothing."""

    @campaign.command(verb, help=words)
    @name
    @click.option("--reason", default="", help="Why; it stands in the audit.")
    @confirm(confirms)
    @speaks(f"campaign.{verb}")
    def run(api: Api, out: Output, campaign: str, **body: str) -> None:
        found = api.post(f"/campaigns/{campaign}/{verb}", body)
        out.say(found, lambda: told.moved(found, verb))


for one in (
    ("approve", "'NAME PEOPLE'", "Approve it as it was previewed and tested, as a second person; that sends nothing."),
    ("start", "NAME", "Start it: letters go out as planned, and its dates are in force."),
    ("pause", "", "Send nothing more for now.  Its dates stay; whoever was not told is exempt."),
    ("resume", "NAME", "Go on where it was paused."),
    ("recall", "NAME", "Take it back: its dates, its suspensions; whoever was told is told of that, with the reason."),
    (
        "finish", "NAME",
        "Close it: who is affected is not looked at any more; from notice_days later its dates hold for everybody.",
    ),
):  # fmt: skip
    _verb(*one)


@campaign.command()
@click.argument("campaign", metavar="NAME", required=False)
@speaks("campaign.status")
def status(api: Api, out: Output, campaign: str | None) -> None:
    """How far a campaign is, with bars; without NAME all campaigns."""
    if campaign is None:
        found = list(api.every("/campaigns"))
        out.say(found, lambda: told.listed(found))
        return
    one = api.get(f"/campaigns/{campaign}")
    for line in told.against(one):
        out.warn(line)
    out.say(one, lambda: told.standing(one))


@campaign.command()
@name
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write it for people, as one page.")
@click.option("--accounts", is_flag=True, help="With every account, what it was told, and the proof of that.")
@speaks("campaign.report")
def report(api: Api, out: Output, campaign: str, html: Path | None, *, accounts: bool) -> None:
    """What it has done: notices by stage and hour, whatever may have arrived twice, and the proof of each notice."""
    found = api.get(f"/campaigns/{campaign}/report")
    if html is not None:
        html.write_bytes(b"".join(api.chunks("GET", f"/campaigns/{campaign}/report.html")))
    if accounts:
        found["accounts"] = list(api.every(f"/campaigns/{campaign}/accounts"))
    out.say(found, lambda: told.reported(found))


def _list(api: Api, campaign: str, table: Path) -> Any:
    body = b"".join(json.dumps(row).encode() + b"\n" for row in _rows(table))
    return api.post(f"/campaigns/{campaign}/audience", body)


def _rows(table: Path) -> Iterator[dict[str, Any]]:
    """Of the table of accounts that a back-test wrote, as the API takes them."""
    try:
        import duckdb  # noqa: PLC0415 - an extra
    except ImportError:
        raise Failed(
            "--audience needs the extra backtest", code="missing_extra", field="audience", hint=install("backtest")
        ) from None
    found = duckdb.connect().execute(
        "SELECT account, standing, days, hit_requests, epoch_us(first), epoch_us(last), map_keys(territories),"
        " map_values(territories), prefixes FROM read_parquet(?)",
        [str(table)],
    )
    for account, standing, days, requests, first, last, territories, counts, prefixes in found.fetchall():
        yield {
            "account": account, "standing": standing, "days": days, "hit_requests": requests, "first": first,
            "last": last, "territories": dict(zip(territories, counts, strict=True)), "prefixes": prefixes,
        }  # fmt: skip
