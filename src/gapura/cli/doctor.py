"""Looks for what would keep this gateway from working.  Changes nothing, and needs nothing to be sound."""

import os
import shutil
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Literal, NamedTuple

import apsw
import click

from gapura import letters, post, runtime
from gapura.app import rules
from gapura.atlas import inventory, packs, sources
from gapura.cli import ending, offline
from gapura.cli.egress import egress
from gapura.cli.output import Output, table
from gapura.clock import SECOND, instant, system_clock
from gapura.errors import GapuraError
from gapura.post import maildir
from gapura.providers import catalogue
from gapura.rulebook import papers
from gapura.rulebook.compile import Rules
from gapura.rulebook.documents import BadDocument
from gapura.rulebook.lints import standing
from gapura.rulebook.problems import problems
from gapura.settings import PROVIDER_VARIABLES, BadSetting, Settings
from gapura.store import audit, campaigns, jobs, ledger, records, rulebooks, secrets, sqlite, steps
from gapura.store.base import Connection
from gapura.store.ledger import chain

OLDEST_PYTHON = (3, 11)
SOUND: dict[str, Literal["ok", "note", "wrong"]] = {"ok": "ok", "stale": "note", "damaged": "wrong"}
LEAST_FREE = 1 << 30
DAY = 86_400 * SECOND
# Vendors give notice of about three months.
STALE_DAYS = 90
PRIVATE = 0o077

# What a damaged, foreign or forbidden file may raise on the way to an answer.
TROUBLE = (GapuraError, BadDocument, OSError, ValueError, ImportError, apsw.Error)


class Finding(NamedTuple):
    """`state`: wrong is what will not work, note what a person should know."""

    check: str
    state: Literal["ok", "note", "wrong"]
    found: str


@click.group(invoke_without_command=True, short_help="Look for what would keep this gateway from working.")
@click.option("--home", type=click.Path(path_type=Path), help="Folder of the state, instead of GAPURA_HOME.")
@click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document.")
@click.pass_context
def doctor(context: click.Context, home: Path | None, as_json: bool) -> int:  # noqa: FBT001 - an option
    """Look at versions, settings, home, store, ports, place data, providers and policies.

    Exit code 3 where something is wrong.
    """
    if context.invoked_subcommand:
        return ending.OK
    found = list(examine(home, os.environ))
    rows: list[dict[str, Any]] = [finding._asdict() for finding in found]
    Output("doctor", as_json=as_json).say(rows, lambda: table(rows, Finding._fields))
    return ending.NO if any(finding.state == "wrong" for finding in found) else ending.OK


def examine(home: Path | None, environ: Any) -> Iterator[Finding]:
    yield from _versions()
    try:
        settings = Settings.load(environ, flags={"home": home})
    except BadSetting as error:
        yield Finding("settings", "wrong", str(error))
        return
    for name, check in CHECKS.items():
        try:
            yield from check(settings)
        except TROUBLE as error:
            yield Finding(name, "wrong", str(error))


def _versions() -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", "ok" if sys.version_info >= OLDEST_PYTHON else "wrong", python)
    try:
        sqlite.refuse_old_sqlite(apsw.sqlite_lib_version())
        yield Finding("sqlite", "ok", apsw.sqlite_lib_version())
    except GapuraError as error:
        yield Finding("sqlite", "wrong", str(error))


def _home(settings: Settings) -> Iterator[Finding]:
    home = settings.home
    if not home.exists():
        yield Finding("home", "note", f"{home} is not there; the first start makes it")
        return
    mode = stat.S_IMODE(home.stat().st_mode)
    if mode & PRIVATE:
        yield Finding("home", "wrong", f"{home} can be entered by others; run: chmod 700 {home}")
    elif not os.access(home, os.W_OK):
        yield Finding("home", "wrong", f"{home} cannot be written to by this user")
    else:
        yield Finding("home", "ok", f"{home}, {'in use by a gateway' if runtime.is_held(home) else 'not in use'}")
    free = shutil.disk_usage(home).free
    yield Finding("disk", "ok" if free >= LEAST_FREE else "note", f"{free >> 20} MiB free")


def _secret(settings: Settings) -> Iterator[Finding]:
    path = settings.home / "secret"
    if settings.secret:
        yield Finding("secret", "ok", "GAPURA_SECRET")
    elif path.exists():
        secrets.load(settings.home)
        yield Finding("secret", "ok", f"{path}, closed to others; it is in no backup: keep a copy elsewhere")
    else:
        yield Finding("secret", "note", f"{path} is not there; the first start makes it")


def _store(settings: Settings) -> Iterator[Finding]:
    path = settings.database_path
    if not path.exists():
        yield Finding("store", "note", f"{path} is not there; the first start makes it")
        return
    secret = secrets.load(settings.home, settings.secret)
    with sqlite.border(path), closing(_opened(path)) as db:
        steps.refuse_newer(db)
        damage = db.pragma("quick_check")
        yield Finding("store", "ok" if damage == "ok" else "wrong", f"{path}: {damage}")
        astray = [*ledger.verify(db), *ledger.closings(db, secret)]
        if fault := chain.verify(db, secret):
            astray.append(f"block {fault.block} of the ledger's chain {fault.what}")
        yield Finding("ledger", "wrong" if astray else "ok", "; ".join(astray) or "adds up")
        missing, strange = records.alarms(db)
        told = f"{missing} entries are missing, {strange} contradict others" if missing or strange else "without gaps"
        yield Finding("journals", "wrong" if missing or strange else "ok", told)
        problem = audit.verify(db, secret)
        told = f"entry {problem.seq} {problem.what}" if problem else "every entry is as it was written"
        yield Finding("audit", "wrong" if problem else "ok", told)


def _opened(path: Path) -> Connection:
    return sqlite.connect(path, apsw.SQLITE_OPEN_READONLY)


def _ports(settings: Settings) -> Iterator[Finding]:
    serving = runtime.is_held(settings.home)
    ports = [("port", settings.host, settings.port), ("admin port", settings.admin_host, settings.admin_port)]
    if settings.authorizes:
        ports.append(("authorizer port", settings.authorizer_host, settings.authorizer_port))
    for name, host, port in ports:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            family, kind, _, _, address = found[0]
            with socket.socket(family, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
            yield Finding(name, "ok", f"{host}:{port} is free")
        except OSError as error:
            state: Literal["ok", "wrong"] = "ok" if serving else "wrong"
            told = "in use, and a gateway runs on this home" if serving else error.strerror
            yield Finding(name, state, f"{host}:{port}: {told}")


def _atlas(settings: Settings) -> Iterator[Finding]:
    for found in inventory.verify(settings.home, settings.documents, system_clock()):
        yield Finding("atlas", SOUND[found.state], f"{found.what}: {found.found}")
    sources.load(settings.home, settings.documents)


def _rules(settings: Settings) -> Iterator[Finding]:
    simulated, active = {}, None
    if settings.database_path.exists():
        with sqlite.border(settings.database_path), closing(_opened(settings.database_path)) as db:
            simulated = offline.simulators(db)
            if rulebooks.STEP_NAME in steps.applied(db) and not papers.decides(settings.documents):
                active = offline.active(db)
    if simulated:
        yield Finding("providers", "note", "this home is a sandbox: every provider is simulated")
    elif settings.provider_keys:
        yield Finding("providers", "ok", ", ".join(settings.provider_keys))
    else:
        names = ", ".join(f"{stem}_API_KEY" for stem in PROVIDER_VARIABLES.values())
        yield Finding("providers", "note", f"none is set up (set {names}); a new home starts with the sandbox")
    book, paper = rules.in_force(settings, simulated, lambda: active)
    policies = ", ".join(f"{policy.name} ({policy.pack.as_of})" for policy in book.policies)
    yield Finding("policies", "ok", policies or "none")
    stated = ", ".join(dict.fromkeys(one for endpoint in book.endpoints for one in endpoint.egress))
    told = f"{stated}; `gapura doctor egress` judges it" if stated else "not stated"
    yield Finding("egress", "ok" if stated else "note", told)
    at = system_clock()
    for problem in (*problems(book, at), *standing(book.policies, paper.limits, at)):
        yield Finding("rules", "note", problem)
    if settings.authorizes:
        yield _authorizer(settings, Rules(book).products)


def _models(_: Settings) -> Iterator[Finding]:
    known = catalogue.catalogue()
    days = (system_clock() - instant(f"{known.as_of}T00:00:00+00:00")) // DAY
    told = f"facts of {known.as_of}, {sum(len(vendor.models) for vendor in known.vendors.values())} models"
    if days > STALE_DAYS:
        yield Finding("models", "note", f"{told}; they are {days} days old, and models may have come or ended since")
    else:
        yield Finding("models", "ok", told)


def _mail(settings: Settings) -> Iterator[Finding]:
    here = Path.cwd()
    found, relay = letters.read(settings.documents, here), post.read(settings.documents, settings.smtp_url, here)
    if found is None:
        yield Finding("mail", "note", "there is no table [mail]: no letter is sent")
        return
    sender, texts = found
    yield Finding("mail", "ok", f"{sender.address}, in {texts.told}")
    told = f"{relay.host}:{relay.port}, TLS {relay.tls}" if relay else "set GAPURA_SMTP_URL; nothing is sent without it"
    yield Finding("relay", "ok" if relay else "note", told)
    for signer in sender.signers:
        yield Finding("dkim", "ok", "{} TXT {}".format(*signer.record))
    if place := maildir.folder(settings.documents, here):
        yield Finding("returned mail", "ok", str(place))


def _authorizer(settings: Settings, guarded: frozenset[str]) -> Finding:
    product = settings.authorizer_product
    if product and product not in guarded:
        known = product in packs.names()
        told = f"no policy guards {product}" + ("; everybody is let in" if known else "; every question is refused")
        return Finding("authorizer", "note" if known else "wrong", told)
    return Finding("authorizer", "ok", f"{product or 'asked by product'}, for {', '.join(settings.authorizer_peers)}")


doctor.add_command(egress)


def _campaigns(settings: Settings) -> Iterator[Finding]:
    """Of those that run: whether anybody can be written to, and what does not go on."""
    if not settings.database_path.exists():
        return
    db = sqlite.connect(settings.database_path, flags=apsw.SQLITE_OPEN_READONLY)
    try:
        if "0020-campaigns" not in steps.applied(db):
            return
        for kept in campaigns.under_way(db):
            yield Finding("campaign", "ok", f"{kept.name} is {kept.state}; {kept.spec.policy}")
            if "mail" in kept.spec.channels and not settings.smtp_url:
                yield Finding("campaign", "wrong", f"{kept.name} writes letters, and GAPURA_SMTP_URL is not set")
            if kept.state == "running" and not kept.armed:
                job = jobs.find(db, "campaign.day", kept.id)
                why = job.error if job and job.error else "the keeper has not come to it yet"
                yield Finding("campaign", "note", f"{kept.name}: its dates are not in force: {why}")
    finally:
        db.close()


CHECKS: dict[str, Callable[[Settings], Iterator[Finding]]] = {
    "home": _home,
    "secret": _secret,
    "store": _store,
    "ports": _ports,
    "atlas": _atlas,
    "policies": _rules,
    "models": _models,
    "mail": _mail,
    "campaigns": _campaigns,
}
