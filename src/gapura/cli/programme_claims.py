"""Claims of a programme: taken in, vetted, decided, approved, taken back."""

import io
import tarfile
from pathlib import Path
from typing import Any, get_args

import click

from gapura.cli.account import confirmed
from gapura.cli.client import Api, speaks
from gapura.cli.ending import Failed
from gapura.cli.output import Output, pairs, table
from gapura.terms.programme import State

COLUMNS = ("id", "account", "way", "state", "tokens", "amount", "group_of", "by_hand", "made_at", "unreadable")
TABLE = "claims.csv"
DECISIONS = ("clear", "review", "refused", "withdrawn")

reason = click.option("--reason", default="", help="Why; it stands in the audit.  Needed to confirm.")


@click.command()
@click.argument("name")
@click.option("--state", type=click.Choice(get_args(State)), help="Only these.")
@speaks("programme.claims")
def claims(api: Api, out: Output, name: str, state: str | None) -> None:
    """Claims of a programme, oldest first."""
    found = list(api.every(f"/programmes/{name}/claims", state=state))
    out.say(found, lambda: table(found, COLUMNS))


@click.command()
@click.argument("claim")
@speaks("programme.claim")
def claim(api: Api, out: Output, claim: str) -> None:
    """One claim: what was shown for it, what speaks against it, and every step that it took."""
    found = api.get(f"/claims/{claim}")
    out.say(found, lambda: "\n\n".join(_told(found)))


@click.command("import")
@click.argument("name")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--confirm", metavar="PATH", help="The path's last name again: files them.  Without: a dry run.")
@speaks("programme.import")
def import_(api: Api, out: Output, name: str, path: Path, confirm: str | None) -> None:
    """File a table of claims: PATH is a CSV, or a folder with `claims.csv` and the exports that it names.

    Columns: external_id, organisation, way, code, company, email, payment, device, address, asn, evidence, made_at;
    external_id is needed.
    """
    given = confirmed(confirm, path.name, "import")
    done = api.post(f"/programmes/{name}/claims/import", _packed(path), dry_run=not given)
    if not given:
        out.warn(f"nothing was filed; add --confirm {path.name} to do it")
    counts = {field: done[field] for field in ("filed", "known", "unreadable", "refused")}
    problems = f"\n\n{table(done['problems'], ('where', 'problem'))}" if done["problems"] else ""
    out.say(done, lambda: pairs(counts) + problems)


@click.command()
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Only says what it would find.")
@speaks("programme.vet")
def vet(api: Api, out: Output, name: str, *, dry_run: bool) -> None:
    """Look for what speaks against each claim, alone and beside all others.

    Claims that nobody has decided become clear, are put up for review, or are refused, as the offer says.  It may be
    run again and again.
    """
    done = api.post(f"/programmes/{name}/vet", {}, dry_run=dry_run)
    told = {"claims": done["claims"], **{f"now {state}": number for state, number in sorted(done["moved"].items())}}
    told |= {"groups": done["groups"], "claims in groups": done["grouped"]}
    out.say(done, lambda: pairs(told) + "\n\n" + _counted(done["signals"]))


@click.command()
@click.argument("name")
@click.argument("state", type=click.Choice(DECISIONS))
@click.argument("claims", nargs=-1)
@click.option("--state", "of", type=click.Choice(get_args(State)), help="All claims of this state, in place of CLAIMS.")
@reason
@click.option("--confirm", metavar="NAME", help="The programme again: does it.  Without: a dry run.")
@speaks("programme.decide")
def decide(api: Api, out: Output, name: str, state: str, claims: tuple[str, ...], **given: str | None) -> None:
    """A person's word on CLAIMS (clm_…), or on all of a state; vetting leaves them alone from then on."""
    meant = _meant(out, given, name, "decide")
    if bool(claims) == bool(given["of"]):
        raise click.UsageError("name claims, or say which with --state")
    chosen = list(claims) or [one["id"] for one in api.every(f"/programmes/{name}/claims", state=given["of"])]
    if not chosen:
        raise Failed(f"{name} has no claims that are {given['of']}", code="not_found", field="state")
    body = {"claims": chosen, "state": state, "reason": given["reason"] or "rehearsal"}
    done = api.post(f"/programmes/{name}/decide", body, dry_run=not meant)
    out.say(done, lambda: pairs({"claims": done["claims"], "state": state, "done": meant}))


@click.command()
@click.argument("name")
@click.argument("claims", nargs=-1)
@click.option("--limit", type=int, default=0, help="Only the oldest so many of those that are clear.")
@reason
@click.option("--confirm", metavar="COUNT:AMOUNT", help="What the dry run said: approves them.  Without: a dry run.")
@speaks("programme.approve")
def approve(api: Api, out: Output, name: str, claims: tuple[str, ...], limit: int, **given: str | None) -> None:
    """Approve CLAIMS, or all that are clear, and make their grants.

    The dry run says how many claims that are and what they come to; --confirm repeats both, so that nothing is granted
    that nobody has seen.
    """
    asked: dict[str, Any] = {"claims": list(claims), "limit": limit, "reason": given["reason"] or "rehearsal"}
    would = api.post(f"/programmes/{name}/approve", asked, dry_run=True)
    word = f"{would['claims']}:{would['amount']}"
    if given["confirm"] is None:
        out.warn(f"nothing was granted; add --reason and --confirm {word} to do it")
        out.say(would, lambda: _approved(would))
        return
    _meant(out, given, word, "approve")
    done = api.post(f"/programmes/{name}/approve", asked | {"expect": [would["claims"], would["amount"]]})
    out.say(done, lambda: _approved(done))


@click.command()
@click.argument("claim")
@reason
@click.option("--confirm", metavar="CLAIM", help="The claim again: does it.  Without: a dry run.")
@speaks("programme.revoke")
def revoke(api: Api, out: Output, claim: str, **given: str) -> None:
    """Take the grants of a claim back, as far as they are not spent."""
    meant = _meant(out, given, claim, "revoke")
    done = api.post(f"/claims/{claim}/revoke", {"reason": given["reason"] or "rehearsal"}, dry_run=not meant)
    out.say(done, lambda: pairs(done["claim"]))


CLAIMS = (claims, claim, import_, vet, decide, approve, revoke)


def _meant(out: Output, given: dict[str, str] | dict[str, str | None], word: str, verb: str) -> bool:
    meant = confirmed(given["confirm"], word, verb)
    if meant and not given["reason"]:
        raise click.UsageError("--reason is needed: say why, for those who read the audit")
    if not meant:
        out.warn(f"nothing was changed; add --reason and --confirm {word} to do it")
    return meant


def _packed(path: Path) -> bytes:
    if path.is_file():
        return path.read_bytes()
    if not (path / TABLE).is_file():
        raise Failed(f"{path}: there is no {TABLE} in it", field="path")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for file in sorted(path.iterdir()):
            if file.is_file():
                member = tarfile.TarInfo(file.name)
                member.size = file.stat().st_size
                with file.open("rb") as data:
                    archive.addfile(member, data)
    return packed.getvalue()


def _approved(done: dict[str, Any]) -> str:
    return pairs({name: done[name] for name in ("approval", "claims", "amount", "unit", "left", "granted")})


def _counted(counts: dict[str, int]) -> str:
    return table([{"signal": name, "claims": number} for name, number in sorted(counts.items())], ("signal", "claims"))


def _told(found: dict[str, Any]) -> list[str]:
    one, account = found["claim"], found["account"]
    told = [pairs(one | {"external_id": account["external_id"], "organisation": account["organisation"]})]
    if measured := found["measured"]:
        told.append(pairs({f"former {name}": value for name, value in measured.items()}))
    told.append(table(found["signals"], ("signal", "effect", "other", "detail")))
    if len(found["tied"]) > 1:
        told.append(table(found["tied"], ("id", "account", "state", "made_at")))
    if found["grants"]:
        rows = [held["terms"] | held["standing"] | {"state": held["state"]} for held in found["grants"]]
        told.append(table(rows, ("id", "state", "granted", "left", "lent", "spent")))
    told.append(table(found["history"], ("at", "state", "actor", "reason")))
    return told
