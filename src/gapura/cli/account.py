"""Customers.  What shuts somebody out, or changes many at once, is a rehearsal until it is confirmed."""

from pathlib import Path
from shlex import quote
from typing import Any

import click

from gapura.cli.client import Api, account_id, speaks
from gapura.cli.output import Output, pairs, table

COLUMNS = ("id", "external_id", "organisation", "name", "status", "requests_per_minute", "tokens_per_minute", "budget")

organisation = click.option("--organisation", default="", help="Of an external id; `default` unless given.")


@click.group(short_help="Customers: list, state, import, warn, suspend, reinstate, limit.")
def account() -> None:
    """The operator's customers, by our id (acc_…) or by the operator's own."""


@account.command("list")
@speaks("account.list")
def list_(api: Api, out: Output) -> None:
    """All accounts, oldest first."""
    found = list(api.every("/accounts"))
    out.say(found, lambda: table(found, COLUMNS))


@account.command()
@click.argument("account")
@organisation
@speaks("account.show")
def show(api: Api, out: Output, account: str, organisation: str) -> None:
    """One account, and what is left of its budget."""
    path = f"/accounts/{account_id(api, account, organisation)}"
    found = api.get(path) | {"tokens": api.get(f"{path}/tokens")}
    out.say(found, lambda: pairs(found))


@account.command()
@click.argument("account")
@organisation
@speaks("account.place")
def place(api: Api, out: Output, account: str, organisation: str) -> None:
    """Where a customer is, judged by all its visits, and what follows under each policy with `account_place`."""
    found = api.get(f"/accounts/{account_id(api, account, organisation)}/place")
    policies, seen = (found[name] for name in ("policies", "visits"))
    columns = ("policy", "state", "days", "since", "last", "territories", "reset_on", "reset_from", "given")
    told = table(policies, columns) if policies else "no policy judges where accounts are"
    out.say(found, lambda: told + "\n\n" + table(seen, ("day", "territory", "requests")))


@account.command()
@click.argument("external_id")
@click.option("--organisation", help="The tenant that it belongs to; `default` unless given.")
@click.option("--name", help="What people call it.")
@click.option("--language", help="For what is written to it, as zh-Hans.")
@click.option("--zone", help="Time zone, as Asia/Shanghai.")
@click.option("--declared-territory", help="Where the customer says it is, as SG.")
@click.option("--ownership", help="Territories of those who own more than half, as `CN` or `CN,SG`.")
@click.option("--contract", help="The kind of contract, in your own word.")
@click.option("--phone-territory", help="Of a phone number given at registration, as SG.")
@click.option("--contact", "contacts", multiple=True, metavar="ROLE=ADDRESS", help="May be given several times.")
@click.option("--data-may-go-to", multiple=True, metavar="TERRITORY", help="Where its data may be processed.")
@click.option("--rpm", "requests_per_minute", type=int, help="Requests a minute; 0: no limit.")
@click.option("--tpm", "tokens_per_minute", type=int, help="Tokens a minute; 0: no limit.")
@click.option("--budget", type=int, help="Tokens granted in all; -1: no budget.")
@click.option(
    "--keeps-responses/--keeps-no-responses", default=None, help="Whether `store` of Responses keeps anything."
)
@speaks("account.add")
def add(api: Api, out: Output, contacts: tuple[str, ...], data_may_go_to: tuple[str, ...], **stated: Any) -> None:
    """State an account: made if EXTERNAL_ID is new, changed otherwise; what is not given stays."""
    said = {name: value for name, value in stated.items() if value is not None}
    if contacts:
        said["contacts"] = dict(_contact(contact) for contact in contacts)
    if data_may_go_to:
        said["data_may_go_to"] = data_may_go_to
    done = api.post("/accounts", said)
    if done["accounts"]:
        found = done["accounts"][0]
        out.say(found, lambda: table([found], COLUMNS))
    else:
        found = api.get("/accounts", external_id=said["external_id"], organisation=said.get("organisation"))["items"][0]
        out.warn("nothing changed")
        out.say(found, lambda: table([found], COLUMNS))


@account.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--confirm", metavar="FILE", help="The file's name again: writes it.  Without: only says what would happen."
)
@speaks("account.import")
def import_(api: Api, out: Output, file: Path, confirm: str | None) -> None:
    """State a table of accounts (CSV with a header row; external_id is what they are known by), all or none."""
    given = confirmed(confirm, file.name, "import")
    done = api.post("/accounts/import", file.read_bytes(), dry_run=not given)
    if not given:
        out.warn(f"nothing was written; add --confirm {quote(file.name)} to do it")
    counts = {name: done[name] for name in ("created", "updated", "unchanged")}
    out.say(done, lambda: pairs(counts))


@account.command()
@click.argument("account")
@organisation
@click.option("--reason", default="", help="Why; it stands in the audit.  Needed to confirm.")
@click.option(
    "--confirm", metavar="ACCOUNT", help="The account again: suspends it.  Without: only says what would happen."
)
@speaks("account.suspend")
def suspend(api: Api, out: Output, account: str, organisation: str, reason: str, confirm: str | None) -> None:
    """Shut an account out: each request of each of its keys gets 403."""
    given = confirmed(confirm, account, "suspend")
    if given and not reason:
        raise click.UsageError("--reason is needed: whoever is shut out is owed one")
    if not given:
        out.warn(f"nothing was changed; add --reason and --confirm {quote(account)} to do it")
    _move(api, out, account_id(api, account, organisation), "suspended", reason or "rehearsal", rehearsal=not given)


@account.command()
@click.argument("account")
@organisation
@click.option("--reason", default="", help="Why; it stands in the audit.")
@speaks("account.warn")
def warn(api: Api, out: Output, account: str, organisation: str, reason: str) -> None:
    """Mark an account as warned: it is served, and its answers say so."""
    _move(api, out, account_id(api, account, organisation), "warned", reason)


@account.command()
@click.argument("account")
@organisation
@click.option("--reason", default="", help="Why; it stands in the audit.")
@speaks("account.reinstate")
def reinstate(api: Api, out: Output, account: str, organisation: str, reason: str) -> None:
    """Make a warned or suspended account active again."""
    _move(api, out, account_id(api, account, organisation), "active", reason)


@account.command()
@click.argument("account")
@organisation
@click.option("--rpm", "requests_per_minute", type=int, help="Requests a minute; 0: no limit.")
@click.option("--tpm", "tokens_per_minute", type=int, help="Tokens a minute; 0: no limit.")
@click.option("--budget", type=int, help="Tokens granted in all; -1: no budget.")
@click.option("--reason", default="", help="Why; it stands in the audit.")
@speaks("account.limit")
def limit(api: Api, out: Output, account: str, organisation: str, **limits: Any) -> None:
    """Set what an account may use; what is not given stays."""
    said = {name: value for name, value in limits.items() if value is not None}
    found = api.patch(f"/accounts/{account_id(api, account, organisation)}/limits", said)
    out.say(found, lambda: table([found], COLUMNS))


@account.command()
@click.argument("account")
@organisation
@click.option("--amount", type=click.IntRange(1), required=True, help="Tokens, at the most.")
@click.option("--reason", required=True, help="Why they are known to be unspent; it stands in the audit.")
@speaks("account.reconcile")
def reconcile(api: Api, out: Output, account: str, organisation: str, **said: Any) -> None:
    """Give back to a budget what was set aside when the power went out."""
    found = api.post(f"/accounts/{account_id(api, account, organisation)}/tokens/reconcile", said)
    out.say(found, lambda: pairs(found))


def confirmed(confirm: str | None, name: str, verb: str) -> bool:
    """Whether it is meant.  Another name than that of the thing is a mistake, not a no."""
    if confirm not in {None, name}:
        raise click.UsageError(f"--confirm {confirm} does not name what {verb} is about; it is {name}")
    return confirm is not None


def _move(api: Api, out: Output, account: str, status: str, reason: str, *, rehearsal: bool = False) -> None:
    done = api.post(f"/accounts/{account}/status", {"status": status, "reason": reason}, dry_run=rehearsal)
    told = {
        "account": account,
        "external_id": done["account"]["external_id"],
        "status": f"{done['before']} → {done['account']['status']}",
        "keys": [key["prefix"] + "…" for key in done["keys"]],
    }
    out.say(done, lambda: pairs(told))


def _contact(given: str) -> tuple[str, str]:
    role, separator, address = given.partition("=")
    if not (role and separator and address):
        raise click.UsageError(f"--contact {given}: write ROLE=ADDRESS, as billing=ap@example.com")
    return role, address
