"""Policies: what is in force, what could be and whom that would hit, and why a decision is as it is."""

from pathlib import Path

import click

from gapura.cli import ending, told
from gapura.cli.account import confirmed, organisation
from gapura.cli.client import Api, speaks
from gapura.cli.late import Late
from gapura.cli.output import Output
from gapura.rulebook.formats import format_of


@click.group(cls=Late, short_help="Policies: propose, test, compare, activate, explain a decision.")
def policy() -> None:
    """Where each provider may be used, and what is done about it."""


@policy.command()
@click.argument("version", required=False)
@click.option("--document", is_flag=True, help="Of a VERSION only its document, as it was written.")
@speaks("policy.show")
def show(api: Api, out: Output, version: str | None, *, document: bool) -> None:
    """The policies in force; or a VERSION, with its document and what became of it."""
    if document and version is None:
        raise click.UsageError("--document is of a VERSION; `gapura policy list` names them")
    if version is not None:
        found = api.get(f"/policies/versions/{version}")
        out.say(found, lambda: found["document"].rstrip("\n") if document else told.kept(found))
        return
    found = api.get("/policies")
    for problem in found["problems"]:
        out.warn(problem)
    out.say(found, lambda: told.shown(found))


@policy.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@speaks("policy.check")
def check(api: Api, out: Output, file: Path) -> int:
    """Read FILE (a gapura.toml or a policy document), run its tests, and put nothing in force.  Exit code 3 where it
    cannot be meant, or could not be put in force."""
    found = api.post("/policies/check", file.read_bytes(), format=format_of(file.name))
    for problem in (*found["problems"], *told.findings(found["findings"])):
        out.warn(problem)
    out.say(found, lambda: told.checked(found))
    return ending.OK if found["sound"] and found["findings"]["stands"] else ending.NO


@policy.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--reason", required=True, help="Why; it is kept with the document.")
@speaks("policy.propose")
def propose(api: Api, out: Output, file: Path, reason: str) -> None:
    """Keep FILE, a policy document in TOML or YAML, as a version.  It is not put in force."""
    done = api.post("/policies/versions", file.read_bytes(), format=format_of(file.name), reason=reason)
    for line in told.findings(done["findings"]):
        out.warn(line)
    out.say(done, lambda: told.proposed(done))


@policy.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="The newest so many.")
@speaks("policy.list")
def list_(api: Api, out: Output, limit: int) -> None:
    """Policy versions, newest first, and what decides now."""
    found = api.get("/policies/versions", limit=limit)
    out.say(found, lambda: told.listed(found))


@policy.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--at", default="", metavar="INSTANT", help="As 2026-07-09T00:00:00+08:00; without: now.")
@speaks("policy.diff")
def diff(api: Api, out: Output, before: str, after: str, at: str) -> None:
    """What changes from A to B, for whom and from when.  Each is a version, a file, `current` (what is in force) or
    `default` (the packs as they stand)."""
    found = api.post("/policies/diff", {"before": _side(before), "after": _side(after), "at": at})
    out.say(found, lambda: "\n".join(found["words"]))


@policy.command()
@click.argument("what", metavar="FILE|VERSION")
@speaks("policy.test")
def test(api: Api, out: Output, what: str) -> int:
    """Run the tests that stand in a document.  Exit code 3 where one fails."""
    if Path(what).is_file():
        found = api.post("/policies/test", Path(what).read_bytes(), format=format_of(what))
    else:
        found = api.post(f"/policies/versions/{what}/test", {})
    out.say(found, lambda: told.tested(found))
    return ending.OK if all(outcome["passed"] for outcome in found["tests"]) else ending.NO


@policy.command()
@click.argument("version")
@click.option("--reason", default="", help="Why; it stands in the audit.  Needed to confirm.")
@click.option(
    "--confirm", metavar="VERSION", help="The version again: puts it in force.  Without: only says what would change."
)
@speaks("policy.activate")
def activate(api: Api, out: Output, version: str, reason: str, confirm: str | None) -> int:
    """Put a VERSION in force, in every gate within a second; `default` is the packs as they stand.  To go back,
    activate the former one.  Exit code 3 where something speaks against it."""
    confirmed(confirm, version, "activate")
    body = {"reason": reason, "confirm": confirm or ""}
    done = api.post(f"/policies/versions/{version}/activate", body)
    for line in told.findings(done["findings"]):
        out.warn(line)
    out.say(done, lambda: told.activated(done))
    return ending.NO if done["against"] else ending.OK


@policy.command()
@click.argument("version", required=False, metavar="[VERSION|off]")
@click.option("--reason", default="", help="Why; it stands in the audit.  Needed to begin or end it.")
@click.option("--samples", type=click.IntRange(0, 100), default=10, show_default=True, help="So many requests.")
@speaks("policy.shadow")
def shadow(api: Api, out: Output, version: str | None, reason: str, samples: int) -> None:
    """Let a VERSION run beside what is in force, or none (`off`): it decides nothing, and what it would decide is
    counted.  Without VERSION: what was counted, and requests of which it says something else."""
    if version is None:
        found = api.get("/policies/shadow", limit=samples)
    else:
        found = api.post("/policies/shadow", {"version": version, "reason": reason})
    out.say(found, lambda: told.beside(found))


@policy.command()
@speaks("policy.reload")
def reload(api: Api, out: Output) -> None:
    """Read gapura.toml again and put its policies and routes in force, in every gate.  What is not sound changes
    nothing."""
    found = api.post("/policies/reload", {})
    for problem in found["problems"]:
        out.warn(problem)
    out.say(found, lambda: f"version {found['version']} is in force")


@policy.command()
@click.argument("what", metavar="ADDRESS|TERRITORY|DECISION")
@click.option("--model", default="", help="A route, or provider/model; without: every provider.")
@click.option("--product", default="", help="As openai/chatgpt, which other front ends serve.")
@click.option("--account", default="", help="Asked for this account; without: for nobody in particular.")
@organisation
@click.option("--at", default="", metavar="INSTANT", help="As 2026-07-09T00:00:00+08:00; without: now.")
@speaks("policy.explain")
def explain(api: Api, out: Output, what: str, **question: str) -> None:
    """Why a caller from a place may or may not be served, from when that changes, and what the version in shadow says;
    or what was decided for one request (dec_…)."""
    if what.startswith("dec_"):
        found = api.get(f"/decisions/{what}")["record"]
        out.say(found, lambda: told.decided(found))
    else:
        answer = api.get("/policies/explain", place=what, **question)
        out.say(answer, lambda: told.explained(answer))


def _side(named: str) -> dict[str, str]:
    """A file, where there is one of that name; else a version."""
    path = Path(named)
    if named in {"current", "default"} or not path.is_file():
        return {"version": named}
    return {"document": path.read_text("utf-8-sig"), "format": format_of(named)}
