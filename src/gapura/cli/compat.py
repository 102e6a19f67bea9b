"""What an application would lose elsewhere: told from its recorded requests, and asked of the vendors."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import msgspec

from gapura.cli import ending
from gapura.cli.output import Output, table
from gapura.cli.progress import shown
from gapura.compat import check, requests
from gapura.compat.check import Judged, Report
from gapura.wire.openai import CHAT

DIALECTS = {requests.CHAT: CHAT}

OFTEN = 100


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

        found = check.check(requests.read(file), aims, DIALECTS, tell)
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
