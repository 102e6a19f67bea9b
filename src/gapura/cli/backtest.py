"""`gapura policy backtest`: whom would a policy hit, by the logs of what was."""

import os
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from gapura.cli import ending, hits, parties, progress
from gapura.cli.client import Api
from gapura.cli.ending import Failed
from gapura.cli.output import Output
from gapura.clock import instant, system_clock
from gapura.logs import engine, files
from gapura.logs.backtest import Parties, run
from gapura.logs.fields import ROLES, Fields
from gapura.logs.result import Backtest, Question
from gapura.settings import Settings

ABSENT = 0.05
"""A larger part of requests without a usable address says that the addresses are a proxy's."""

_FILE = click.Path(dir_okay=False, path_type=Path)
_THERE = click.Path(exists=True, path_type=Path)


def _fields(command: Any) -> Any:
    for role in reversed(ROLES):
        option = f"--{role}-field"
        command = click.option(option, metavar="NAME", default="", help=f"Which field has the {role}.")(command)
    return command


@click.command()
@click.argument("logs", nargs=-1, required=True)
@click.option("--policy", "following", type=_THERE, required=True, help="The next policies, in TOML or YAML.")
@click.option("--against", default="", metavar="FILE|in-force|none", help="What to compare with; without: in-force.")
@click.option("--product", default="", help="As openai/api; needed where the document is about several.")
@click.option("--at", metavar="INSTANT", help="As if it were then; without: when every phase of NEXT has begun.")
@click.option("--from", "since", metavar="INSTANT", help="Requests at or after, as 2026-07-09T00:00:00+08:00.")
@click.option("--to", "until", metavar="INSTANT", help="Requests before.")
@click.option("--hit", type=click.Choice(("block", "review", "warn")), default="block", show_default=True,
              help="The mildest effect that counts as hit.")  # fmt: skip
@click.option("--min-days", type=click.IntRange(1), default=1, show_default=True,
              help="Distinct days of hits that make an account one that is only here.")  # fmt: skip
@click.option("--atlas", type=_THERE, help="Older place data to compare with: a folder with meta.json, or an .mmdb.")
@click.option("--trusted", multiple=True, metavar="CIDR", help="Proxies in lists of addresses; besides those set up.")
@_fields
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, help="Rows of lists without an end.")
@click.option("--json", "as_json", is_flag=False, flag_value="-", metavar="FILE", help="The whole answer; -: printed.")
@click.option("--html", type=_FILE, help="A report that opens without a network.")
@click.option("--parquet", type=_FILE, help="Every hit account and key, for a campaign.")
@click.option("--memory", type=click.IntRange(128), default=1024, show_default=True, help="MB for DuckDB; then disk.")
@click.option("--temp", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Where it may use disk.")
@click.option("--home", type=click.Path(path_type=Path), help="Folder of the state, instead of GAPURA_HOME.")
@click.option("--url", help="Another keeper, as https://keeper.example:8081; needs a token.")
@click.option("--token-file", type=click.Path(path_type=Path), help="File with the admin token.")
def backtest(logs: tuple[str, ...], **given: Any) -> None:
    """Whom would NEXT hit, by the requests in LOGS?

    LOGS are files, patterns or - (standard input): nginx or Apache combined, JSON lines, CSV with named columns, W3C
    extended (CloudFront), Parquet, and what `gapura record export` gives; plain, gzip or zstd.
    """
    out = Output("policy.backtest", as_json=given["as_json"] == "-")
    written = _outputs(logs, given)
    found = _answered(logs, given, out)
    _warn(found, out)
    data = msgspec.to_builtins(found)
    if "json" in written:
        envelope = {"schema": out.schema, "data": data, "warnings": out.warnings}
        written["json"].write_bytes(msgspec.json.encode(envelope))
    if "html" in written:
        from gapura.logs.report import render  # noqa: PLC0415 - needs the extra

        written["html"].write_text(render(found), "utf-8")
    out.say(data, lambda: hits.told(found, list(written.values())))


def _answered(logs: tuple[str, ...], given: dict[str, Any], out: Output) -> Backtest:
    engine.there()
    from gapura.atlas.batch import Batch  # noqa: PLC0415 - needs the extra

    now = system_clock()
    settings = Settings.load(os.environ, flags={"home": given["home"]})
    at = _instant(given, "at")
    book = parties.document(given["following"])
    product = parties.product_of(book, given["product"])
    following = parties.Judge(str(given["following"]), book, product, at or parties.fully(book, product, now))
    with (
        engine.opened(given["memory"], within=given["temp"]) as opened,
        parties.keeper(settings, given["url"], given["token_file"], out) as api,
        progress.shown(opened.connection.query_progress, sys.stderr) as tell,
    ):
        tell("loading place data")
        against = _against(given["against"], api, settings, product, at or now)
        atlas, place_data = parties.place_data(settings)
        former = parties.older(given["atlas"]) if given["atlas"] else None
        trusted = (*given["trusted"], *settings.trusted_proxies)
        question = Question(
            product=product, hit=given["hit"], next=following.side, against=against.side if against else None,
            since=_instant(given, "since"), until=_instant(given, "until"), min_days=given["min_days"],
            place_data=place_data, older_place_data=former[1] if former else "", site_territory=settings.site_territory,
        )  # fmt: skip
        asked = Parties(
            following, against, Batch(atlas, trusted), Batch(former[0], trusted) if former else None,
            parties.directory(api), following.by_model or bool(against and against.by_model),
        )  # fmt: skip
        wanted = Fields(**{role: given[f"{role}_field"] for role in ROLES})
        return run(
            opened, files.found(logs, opened.folder, sys.stdin.buffer), wanted, question, asked,
            made_at=now, top=given["top"], parquet=given["parquet"], tell=tell,
        )  # fmt: skip


def _against(asked: str, api: Api | None, settings: Settings, product: str, at: int) -> parties.Judge | None:
    """Without a word on it: what is in force, if anything is."""
    if asked == parties.NONE:
        return None
    if asked not in {"", parties.IN_FORCE}:
        path = Path(asked)
        if not path.is_file():
            raise Failed(f"--against {asked}: there is no such file", exit_code=ending.USAGE, field="against")
        return parties.Judge(asked, parties.document(path), product, at)
    book = parties.in_force(api, settings)
    if book is None and asked:
        raise Failed(
            "--against in-force: no gateway has its state here", exit_code=ending.USAGE, field="against",
            hint="name its folder with --home, or another keeper with --url",
        )  # fmt: skip
    return parties.Judge(parties.IN_FORCE, book, product, at) if book else None


def _outputs(logs: tuple[str, ...], given: dict[str, Any]) -> dict[str, Path]:
    """What is written, by its option.  Raises Failed where that cannot be, is one of the logs, or no back-test."""
    asked = {kind: given[kind] for kind in ("html", "parquet") if given[kind]}
    if given["as_json"] not in {None, "-"}:
        asked["json"] = Path(given["as_json"])
    for kind, path in asked.items():
        if not path.absolute().parent.is_dir():  # told now, and not after an hour of reading
            raise Failed(f"--{kind} {path}: there is no such folder", exit_code=ending.USAGE, field=kind)
        taken = any(path.resolve() == Path(log).resolve() for log in logs)
        # `--json` takes the next word for its file, and that may be a log that somebody needs.
        if taken or (kind == "json" and path.exists() and not path.read_bytes()[:64].startswith(b'{"schema":"gapura.')):
            raise Failed(
                f"--{kind} {path}: that file is there and is no back-test", exit_code=ending.USAGE, field=kind,
                hint="to print JSON, write --json=-" if kind == "json" else "name another one",
            )  # fmt: skip
    return asked


def _warn(found: Backtest, out: Output) -> None:
    reading = found.reading
    for file in reading.files:
        if file.broken:
            out.warn(f"{file.path}: nothing of it was counted: {file.broken}")
    if reading.unreadable:
        out.warn(f"{reading.unreadable} of {reading.lines} lines were unreadable, such as:")
        for one in reading.samples:
            out.warn(f"  {one.file}: {one.why}: {one.line}")
    absent = sum(row.seen.requests for row in found.territories if row.territory == "absent")
    if absent > ABSENT * max(found.seen.requests, 1):
        out.warn(
            f"{absent} of {found.seen.requests} requests come from private or malformed addresses; if they are a"
            " proxy's, name the field with the client's (--address-field), or set GAPURA_SITE_TERRITORY"
        )
    if not reading.has_accounts:
        out.warn("the logs name no account; name a field with --account-field or --key-field to count them")


def _instant(given: dict[str, Any], name: str) -> int:
    """0 where it was not given."""
    option = {"since": "from", "until": "to"}.get(name, name)
    try:
        return instant(given[name]) if given[name] else 0
    except ValueError as error:
        raise Failed(f"--{option}: {error}", exit_code=ending.USAGE, code="bad_instant", field=option) from None
