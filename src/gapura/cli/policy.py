"""Policies: what is in force, whether a document could be, and why a decision is as it is."""

from pathlib import Path
from typing import Any

import click

from gapura.cli import ending
from gapura.cli.account import organisation
from gapura.cli.client import Api, speaks
from gapura.cli.late import Late
from gapura.cli.output import Output, pairs, table
from gapura.clock import text


@click.group(cls=Late, short_help="Policies: show, check, reload, explain a decision.")
def policy() -> None:
    """Where each provider may be used, and what is done about it."""


@policy.command()
@speaks("policy.show")
def show(api: Api, out: Output) -> None:
    """The policies in force."""
    found = api.get("/policies")
    for problem in found["problems"]:
        out.warn(problem)
    rows = [_row(one) for one in found["policies"]]
    head = {"version": found["version"], "site": found["site_territory"], "egress": found["egress_territory"]}
    columns = ("policy", "pack", "as_of", "guards", "phases", "rules", "exceptions", "on_unknown", "on_disagreement")
    out.say(found, lambda: pairs(head) + "\n\n" + table(rows, columns))


@policy.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@speaks("policy.check")
def check(api: Api, out: Output, file: Path) -> int:
    """Read FILE (a gapura.toml) without putting it in force.  Exit code 3 where it cannot be meant."""
    found = api.post("/policies/check", file.read_bytes())
    for problem in found["problems"]:
        out.warn(problem)
    changed = "differs from what is in force" if found["changed"] else "is what is in force"
    out.say(found, lambda: f"sound; version {found['version']} {changed}" if found["sound"] else found["message"])
    return ending.OK if found["sound"] else ending.NO


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
@click.option("--account", default="", help="Asked for this account; without: for nobody in particular.")
@organisation
@click.option("--at", default="", metavar="INSTANT", help="As 2026-07-09T00:00:00+08:00; without: now.")
@speaks("policy.explain")
def explain(api: Api, out: Output, what: str, **question: str) -> None:
    """Why a caller from a place may or may not be served, or what was decided for one request (dec_…)."""
    if what.startswith("dec_"):
        found = api.get(f"/decisions/{what}")["record"]
        out.say(found, lambda: _decided(found))
    else:
        answer = api.get("/policies/explain", place=what, **question)
        out.say(answer, lambda: _told(answer))


def _row(one: dict[str, Any]) -> dict[str, Any]:
    """A policy on one line: of lists only the length."""
    pack = one["pack"]
    counts = {name: len(one[name]) for name in ("phases", "rules", "exceptions")}
    return (
        one | counts | {"policy": one["name"], "pack": pack["name"], "as_of": pack["as_of"], "guards": pack["guards"]}
    )


def _decided(found: dict[str, Any]) -> str:
    names = ("id", "opened_at", "outcome", "status", "account", "model", "provider", "territory", "certainty")
    head = pairs({name: found[name] for name in names} | {"effect": found["effect"], "policy": found["policy_version"]})
    verdicts = [
        dict(zip(("target", "effect", "policy", "rule", "because"), row, strict=False))
        for row in found["verdicts"] or []
    ]
    sources = [dict(zip(("source", "code", "as_of"), row, strict=False)) for row in found["answers"] or []]
    parts = [head, table(verdicts, ("target", "effect", "policy", "rule", "because"))]
    if sources:
        parts.append(table(sources, ("source", "code", "as_of")))
    return "\n\n".join(parts)


def _told(answer: dict[str, Any]) -> str:
    origin = answer["origin"]
    parts = [pairs({"territory": origin["territory"], "certainty": origin["certainty"], "at": answer["at"]})]
    sources = [dict(zip(("source", "code", "as_of"), row, strict=False)) for row in origin["answers"]]
    if sources:
        parts.append(table(sources, ("source", "code", "as_of")))
    parts += [_explained(one) for one in answer["explanations"]]
    return "\n\n".join(parts)


def _explained(one: dict[str, Any]) -> str:
    target, effect, _, _, because, _ = one["verdict"]
    lines = [f"{target.rstrip('/')}: {effect}, because {because}"]
    for opinion in one["opinions"]:
        ruling = opinion["ruling"]
        lines.append(
            f"  {opinion['policy'] or 'the account'}: {ruling['effect']} by {ruling['rule']}: {ruling['because']}"
        )
        lines += [f"    passed over {passed['rule']}: {passed['why']}" for passed in ruling["passed"]]
    if ahead := one["ahead"]:
        lines.append(f"  from {text(ahead['at'])}: {ahead['verdict'][1]}, because {ahead['verdict'][4]}")
    return "\n".join(lines)
