"""Place data: what is in force, where an address is, new data, and corrections."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from gapura.cli import ending
from gapura.cli.account import confirmed
from gapura.cli.client import Api, speaks
from gapura.cli.handed import handed
from gapura.cli.output import Output, pairs, table
from gapura.cli.reach import reach
from gapura.clock import instant, text

SOURCES = ("name", "as_of", "age_days", "origin", "ipv4", "ipv6", "licence", "title")
LISTS = ("name", "kind", "as_of", "age_days", "file")
CORRECTIONS = ("prefix", "territory", "subdivision", "ends", "state", "owner", "reason")
ANSWERS = ("source", "code", "subdivision", "network", "as_of")
MOVES = ("from", "to", "ipv4", "ipv6")

# What goes into one question, and how many of the moves are shown to people.
BATCH, SHOWN = 1_000, 12

days = click.option("--days", type=int, default=30, help="Look at accounts seen in the last N days; 30 unless given.")


@click.group(short_help="Place data: show, look up, update, verify, correct.")
def atlas() -> None:
    """Which territory an address belongs to, on whose word, and what the operator knows better."""


@atlas.command()
@speaks("atlas.show")
def show(api: Api, out: Output) -> None:
    """Sources in the order in which they are asked, with dates, ages, counts and licences."""
    found = api.get("/atlas")
    sources = [{**one, **one["counts"]} for one in found["sources"]]
    gates = [f"gate {one['gate']}: {one['atlas_problem']}" for one in found["gates"] if one["atlas_problem"]]
    for problem in gates:
        out.warn(problem)
    head = {
        "version": found["version"],
        "corrections": found["corrections"],
        "gates with it": sum(one["atlas"] == found["version"] for one in found["gates"]),
        "update to take back": found["former"],
    }

    def told() -> str:
        lists = [table(found["networks"], LISTS)] if found["networks"] else []
        return "\n\n".join([pairs(head), table(sources, SOURCES), *lists, "\n".join(_attributed(sources))])

    out.say(found, told)


@atlas.command()
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS…|-")
@speaks("atlas.lookup")
def lookup(api: Api, out: Output, addresses: tuple[str, ...]) -> int:
    """Where addresses are, with every source's answer; `-` reads them from standard input, one a line.

    Exit code 3 where one is no address.
    """
    asked = list(_lines()) if addresses == ("-",) else list(addresses)
    if not asked:
        raise click.UsageError("no address was given")
    items: list[dict[str, Any]] = []
    version = ""
    for start in range(0, len(asked), BATCH):
        found = api.post("/atlas/lookup", {"addresses": asked[start : start + BATCH]})
        version = found["version"]
        items += found["items"]
    one = items[0] if len(items) == 1 else None
    data = {"version": version, "items": items}
    out.say(data, lambda: _one(one) if one else table([_row(item) for item in items], _COLUMNS))
    return ending.NO if any(item["located"]["kind"] == "malformed" for item in items) else ending.OK


@atlas.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path), required=False)
@click.option("--package", is_flag=True, help="Go back to the installed data of gapura-atlas.")
@click.option("--back", is_flag=True, help="Take the last update back.")
@click.option(
    "--sha256", default="", metavar="HEX", help="What FILE must be; else FILE.sha256 is read, if it is there."
)
@click.option("--force", is_flag=True, help="In spite of objections; needs --reason.")
@click.option("--reason", default="", help="Why; it stands in the audit.")
@days
@click.option("--confirm", metavar="NAME", help="The file's name (or `package`, `back`) again: does it.")
@speaks("atlas.update")
def update(  # noqa: PLR0913 - its options
    api: Api, out: Output, *, file: Path | None, package: bool, back: bool, sha256: str, force: bool, reason: str,
    days: int, confirm: str | None,
) -> int:  # fmt: skip
    """Check new place data, say what they move and whom they hit or release, and put them in force.

    FILE is a folder or tar archive with meta.json and ranges.xz (as build_data.py makes them) or with Debian's geoip
    and geoip6, or a .mmdb that takes the place of the configured one of that name.  A rehearsal until --confirm.

    Exit code 3 where the data are objected to.
    """
    if sum((file is not None, package, back)) != 1:
        raise click.UsageError("give one of FILE, --package and --back")
    if force and not reason:
        raise click.UsageError("--reason is needed with --force: say why the objections do not hold")
    name = file.name if file else "package" if package else "back"
    given = confirmed(confirm, name, "update")
    asked = {"dry_run": not given, "days": days, "reason": reason}
    if back:
        done = api.post("/atlas/back", None, **asked)
    else:
        body, vouched = handed(file, sha256, out) if file else (b"", "")
        done = api.post("/atlas/update", body, name=name, sha256=vouched, package=package, force=force, **asked)
    stands = bool(done["objections"]) and not force and not back
    if done["same"]:
        out.warn("these data are in force already")
    elif stands:
        out.warn("nothing was changed: the data are objected to; with --force and --reason they are taken nevertheless")
    elif not given:
        out.warn(f"nothing was changed; add --confirm {name} to do it")
    out.say(done, lambda: _updated(done))
    return ending.NO if stands else ending.OK


@atlas.command()
@speaks("atlas.verify")
def verify(api: Api, out: Output) -> int:
    """Read and hash every file anew.  Exit code 3 where something is stale or damaged."""
    found = api.get("/atlas/verify")
    out.say(found, lambda: table(found["findings"], ("what", "state", "found")))
    return ending.OK if found["sound"] else ending.NO


@atlas.command()
@speaks("atlas.corrections")
def corrections(api: Api, out: Output) -> None:
    """What the operator knows better, those that are over too."""
    found = api.get("/atlas/corrections")["items"]
    out.say(found, lambda: table([one | {"ends": text(one["ends"])} for one in found], CORRECTIONS))


@atlas.command()
@click.argument("prefix")
@click.argument("territory", required=False)
@click.option("--subdivision", default="", help="Part of the territory, as UA-43.")
@click.option("--reason", required=True, help="Why; it stands in the audit, and in the evidence of each decision.")
@click.option("--owner", default="", help="Who answers for it.")
@click.option("--until", default="", metavar="INSTANT", help="As 2027-01-01T00:00:00+08:00; it ends by itself.")
@click.option("--remove", is_flag=True, help="Take the correction of PREFIX back.")
@days
@click.option("--confirm", metavar="PREFIX", help="The prefix again: also if it hits somebody.")
@speaks("atlas.correct")
def correct(  # noqa: PLR0913 - its options
    api: Api, out: Output, *, prefix: str, territory: str | None, subdivision: str, reason: str, owner: str, until: str,
    remove: bool, days: int, confirm: str | None,
) -> int:  # fmt: skip
    """Say that PREFIX is in TERRITORY, until a date; every gate knows it within a second.

    It says whom it releases and whom it hits.  What releases is done at once; what hits anybody is a rehearsal until
    it is confirmed, and ends with exit code 3.
    """
    given = confirmed(confirm, prefix, "correct")
    if remove:
        path, body = "/atlas/corrections/remove", {"prefix": prefix, "reason": reason}
    else:
        stated = _correction(prefix, territory, owner, until)
        path, body = "/atlas/corrections", {**stated, "subdivision": subdivision, "reason": reason}
    done = api.post(path, body, dry_run=not given, days=days)
    held_back = not given and bool(done["consequences"]["hit"])
    if not given and not held_back:
        done = api.post(path, body, dry_run=False, days=days)
    if held_back:
        out.warn(f"nothing was changed, because it would hit somebody; add --confirm {prefix} to do it")
    made = done["correction"]
    head = {name: made[name] for name in ("prefix", "territory", "subdivision")} | {"until": text(made["ends"])}
    head["done"] = not held_back and ("removed" if remove else "in force")
    out.say(done, lambda: pairs(head) + "\n\n" + reach(done["consequences"]))
    return ending.NO if held_back else ending.OK


_COLUMNS = ("address", "territory", "name", "subdivision", "certainty", "confidence", "network", "because")


def _correction(prefix: str, territory: str | None, owner: str, until: str) -> dict[str, Any]:
    needed = {"TERRITORY": territory, "--owner": owner, "--until": until}
    if missing := [name for name, value in needed.items() if not value]:
        raise click.UsageError(f"{', '.join(missing)} is needed: a correction has a place, an owner and an end")
    try:
        return {"prefix": prefix, "territory": territory, "owner": owner, "ends": instant(until)}
    except ValueError as error:
        raise click.UsageError(f"--until: {error}") from error


def _lines() -> Iterator[str]:
    return (line for line in map(str.strip, sys.stdin) if line and not line.startswith("#"))


def _row(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, **item["located"]}


def _one(item: dict[str, Any]) -> str:
    row = _row(item)
    answers = [_answer(one) for one in item["located"]["answers"]]
    parts = [pairs({name: row[name] for name in _COLUMNS})]
    if answers:
        parts.append(table(answers, ANSWERS))
    if made := item["correction"]:
        told = {name: made[name] for name in ("prefix", "owner", "reason")} | {"until": text(made["ends"])}
        parts.append("corrected\n" + pairs(told))
    return "\n\n".join(parts)


def _answer(one: Sequence[str]) -> dict[str, str]:
    return dict(zip(("source", "code", "as_of", "subdivision", "network"), one, strict=False))


def _attributed(sources: Sequence[dict[str, Any]]) -> Iterator[str]:
    """As licences ask for."""
    for one in sources:
        if one["licence"]:
            yield f"{one['title']}: {one['licence']} ({one['licence_url']}), {one['url']}"


def _updated(done: dict[str, Any]) -> str:
    found = done["comparison"]
    head = {
        "data": f"{done['source']} of {done['as_of']}",
        "sha256": done["digest"],
        "counted": "every address" if found["exact"] else "a sample",
        "ipv4": " → ".join(map(str, found["ipv4"])),
        "ipv6": " → ".join(map(str, found["ipv6"])),
        "vanished": found["vanished"],
        "appeared": found["appeared"],
        "in force": done["applied"],
    }
    moves = [{"from": one["before"], "to": one["after"], **one} for one in found["moved"]]
    parts = [pairs(head), table(moves[:SHOWN], MOVES)]
    if len(moves) > SHOWN:
        parts[-1] += f"\nand {len(moves) - SHOWN} more, with --json"
    parts += [f"objection  {one['found']}" for one in done["objections"]]
    return "\n\n".join([*parts, reach(done["consequences"])])
