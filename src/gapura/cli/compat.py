"""What an application would lose elsewhere: told from its recorded requests, and asked of the vendors."""

import asyncio
import os
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import msgspec

from gapura.app import rules
from gapura.cli import ending
from gapura.cli.client import Api, speaks
from gapura.cli.ending import Failed
from gapura.cli.output import Output, table
from gapura.cli.progress import shown
from gapura.clock import system_clock
from gapura.compat import check, evidence, requests
from gapura.compat.check import Judged, Report
from gapura.compat.evidence import Evidence
from gapura.compat.probes import PROBES, claimed
from gapura.errors import BadRequest
from gapura.providers import PROVIDERS
from gapura.request.relay import Way
from gapura.settings import Settings
from gapura.wire.endpoints import ENDPOINTS

OFTEN = 100
BUDGET = 20_000
SHORT = 48
PATH = "/chat/completions"


class CheckFirst(click.Group):
    """`gapura compat REQUESTS.jsonl …` is `gapura compat check REQUESTS.jsonl …`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            args = ["check", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=CheckFirst, short_help="What recorded requests would lose at another model.")
def compat() -> None:
    """What an application would lose at another model.  `gapura compat FILE` is `gapura compat check FILE`."""


@compat.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="REQUESTS.jsonl")
@click.option(
    "--target", "targets", multiple=True, required=True, metavar="MODEL[,MODEL]",
    help="A model, PROVIDER/MODEL, or a provider, whose counterpart of each request's model is meant.  Several times.",
)  # fmt: skip
@click.option(
    "--rows", type=click.Path(dir_okay=False, path_type=Path), help="Write each request's losses here, as JSONL."
)
@click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document.")
def check_(file: Path, targets: tuple[str, ...], rows: Path | None, as_json: bool) -> int:  # noqa: FBT001 - an option
    """What each recorded request would lose at each target.  Nothing is sent, and no gateway need run.

    A line is a request's body, or has it as `body` beside its `url`, as batch files do.

    Exit code 3 where a request would be refused, or answered as its application does not expect (contract).
    """
    out = Output("compat.check", as_json=as_json)
    aims = [check.aim(name.strip()) for some in targets for name in some.split(",") if name.strip()]
    with ExitStack() as stack:
        written = stack.enter_context(rows.open("wb")) if rows else None
        step = stack.enter_context(shown(lambda: -1, sys.stderr))

        def tell(judged: Judged) -> None:
            if judged.line % OFTEN == 0:
                step(f"line {judged.line:,}")
            if written is not None:
                written.write(msgspec.json.encode(judged) + b"\n")

        found = check.check(requests.read(file), aims, ENDPOINTS, tell)
    if not any(one.requests for one in found.targets):
        out.warn(f"there is no request in {file}")
    out.say(msgspec.to_builtins(found), lambda: _told(found))
    return ending.NO if found.breaks else ending.OK


def _told(found: Report) -> str:
    summaries = [msgspec.to_builtins(one) for one in found.targets]
    losses: list[dict[str, Any]] = [msgspec.to_builtins(one) for one in found.losses]
    for one in losses:
        one["lines"] = ", ".join(map(str, one["lines"])) + (" …" if one["requests"] > len(one["lines"]) else "")
    parts = [table(summaries, ("target", "requests", *check.WEIGHTS))]
    if losses:
        parts.append(table(losses, ("target", "weight", "field", "requests", "lines", "why")))
    return "\n\n".join([*parts, f"facts as of {found.as_of}"])


@compat.command("probe")
@click.argument("target", metavar="PROVIDER/MODEL")
@click.option(
    "--budget", type=click.IntRange(min=1), default=BUDGET, help=f"Tokens at the most; {BUDGET} unless given."
)
@click.option("--yes", is_flag=True, help="Send them; without, it is told what would be sent.")
@speaks("compat.probe")
def probe(api: Api, out: Output, target: str, budget: int, yes: bool) -> int:  # noqa: FBT001 - an option
    """Ask the vendor what it makes of single fields, and hold that against the tables.  Costs tokens of its key.

    What it answers is kept, dated, in the home. Nothing is sent from a place that the provider does not serve.

    Exit code 3 where the vendor does something else than the tables say.
    """
    aim = check.aim(target)
    if not aim.model:
        raise BadRequest(f"{target}: name a model, as {aim.provider}/MODEL", param="target")
    if PROVIDERS[aim.provider].path != PATH:
        raise BadRequest(f"{target}: {aim.provider} speaks a protocol of its own; probes are requests of OpenAI's")
    settings = Settings.load(os.environ, flags={"home": click.get_current_context().params.get("home")})
    way = _way(api, settings, aim.provider)
    planned = evidence.plan(aim, PROBES, budget)
    if not yes:
        out.warn("nothing was sent; --yes sends it")
        rows = [{"probe": _short(one.name), "at_most": cost, "claimed": claimed(one, aim)[0]} for one, cost in planned]
        most = sum(cost for _, cost in planned)
        told = {"target": target, "host": way.upstream.host, "tokens": most, "budget": budget, "probes": rows}
        out.say(told, lambda: table(rows, ("probe", "at_most", "claimed")) + f"\n\nat most {most} tokens")
        return ending.OK
    with shown(lambda: -1, sys.stderr) as step:
        found = asyncio.run(evidence.ask(aim, way, planned, budget, system_clock, step))
    path = evidence.keep(settings.home, found)
    out.say(msgspec.to_builtins(found) | {"file": str(path)}, lambda: _answers(found) + f"\n\nkept in {path}")
    return ending.NO if any(one.agrees is False for one in found.found) else ending.OK


@compat.command("evidence")
@click.argument("target", default="", metavar="[PROVIDER/MODEL]")
@click.option("--home", type=click.Path(path_type=Path), help="Folder of the state, instead of GAPURA_HOME.")
@click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document.")
def evidence_(target: str, home: Path | None, as_json: bool) -> int:  # noqa: FBT001 - an option
    """What vendors answered when they were probed: each run, and with a target its last one in full."""
    out = Output("compat.evidence", as_json=as_json)
    runs = evidence.kept(Settings.load(os.environ, flags={"home": home}).home, target)
    rows = [_run(one) for one in runs]
    told = table(rows, ("at", "target", "host", "asked", "agree", "disagree", "cannot_tell", "facts"))
    if target and runs:
        told += "\n\n" + _answers(runs[-1])
    out.say([msgspec.to_builtins(one) for one in runs], lambda: told)
    return ending.OK


def _way(api: Api, settings: Settings, provider: str) -> Way:
    """Raises Failed where this gateway has no key for it, or may not call it from where it is."""
    judged = [one for one in api.get("/egress")["items"] if one["provider"] == provider and one["may"] == "no"]
    if judged:
        raise Failed(f"{provider} may not be called from here: {judged[0]['because']}", code="region_not_supported")
    found = rules.ways(rules.rulebook(settings, {}), settings).get(provider)
    if found is None:
        raise Failed(f"there is no key of {provider} to ask with; a probe asks the vendor itself", code="no_key")
    return found


def _answers(found: Evidence) -> str:
    rows = [msgspec.to_builtins(one) | {"probe": _short(one.probe)} for one in found.found]
    return table(rows, ("probe", "claimed", "answered", "agrees", "status", "code", "because"))


def _short(name: str) -> str:
    return name if len(name) <= SHORT else name[: SHORT - 1] + "…"


def _run(one: Evidence) -> dict[str, Any]:
    counted = Counter(found.agrees for found in one.found)
    numbers = {"agree": counted[True], "disagree": counted[False], "cannot_tell": counted[None]}
    return {"at": one.at, "target": one.target, "host": one.host, "asked": one.asked, "facts": one.facts} | numbers
