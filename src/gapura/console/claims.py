"""Claims of a programme: filed, one or a whole table, listed and shown with all that speaks for or against them."""

import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from gapura.console.accounts import Trial
from gapura.console.decisions import by, publish
from gapura.console.operations import Call, Intent, Operation, Page, Upload
from gapura.errors import BadRequest, GapuraError, NotFound
from gapura.programme import claim as intake
from gapura.programme import pipeline
from gapura.programme.claim import Claimed
from gapura.programme.pipeline import Prepared
from gapura.store import accounts, claims, grants, programmes, sealed
from gapura.store.base import Connection
from gapura.store.claims import Claim, Kept, Move
from gapura.store.courtesy import in_turns
from gapura.store.grants import Held
from gapura.store.ledger import Books
from gapura.store.secrets import Secret
from gapura.terms.caller import Account
from gapura.terms.programme import Attribute, Found, Measured
from gapura.wire.usage_export import LARGEST

PIECE = 50
TABLE = "claims.csv"
MOST_PROBLEMS = 1000
"""So many are named; all are counted."""


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A claim, and the export of its former use (base64), where there is one."""

    claim: Claimed
    export: Annotated[bytes, Meta(max_length=LARGEST)] | None = None


class Filed(msgspec.Struct, frozen=True):
    """`granted`: whether its grants were made at once."""

    dry_run: bool
    claim: Claim
    granted: bool


class Problem(msgspec.Struct, frozen=True):
    """A line of the table whose claim was not taken, and why."""

    where: str
    problem: str


class Imported(msgspec.Struct, frozen=True):
    """`known`: those who had claimed before; `unreadable`: those whose evidence cannot be read, which are filed."""

    dry_run: bool
    filed: int
    known: int
    unreadable: int
    refused: int
    problems: list[Problem]


class Filter(Page, forbid_unknown_fields=True):
    """`state`: only these."""

    state: str = ""


class Claims(msgspec.Struct, frozen=True):
    """`next` "": this is the last page."""

    items: list[Claim]
    next: str


class Shown(msgspec.Struct, frozen=True):
    """`tied`: the claims of its group; `evidence`: what was handed in, `measured`: what was read from it."""

    claim: Claim
    account: Account
    measured: Measured | None
    signals: list[Found]
    tied: list[Claim]
    attributes: list[Attribute]
    evidence: Kept | None
    grants: list[Held]
    history: list[Move]


async def list_(call: Call, programme: str, query: Filter) -> Claims:
    """Claims, oldest first, a page at a time."""

    def found(db: Connection) -> list[Claim]:
        programmes.get(db, programme)
        return claims.page(db, programme, query.state, query.after, query.limit)

    items = await call.read(found)
    return Claims(items, items[-1].id if len(items) == query.limit else "")


async def show(call: Call, claim: str) -> Shown:
    """A claim, and everything that is known of it."""

    def found(db: Connection, books: Books) -> Shown:
        one = claims.get(db, None, claim)
        kept = claims.evidence(db, claim)
        made, its = (
            grants.of_account(books, one.account, call.context.store.clock(), ended=True),
            claims.granted(db, claim),
        )
        return Shown(
            one,
            accounts.get(db, None, one.account),
            claims.measured(db, claim),
            claims.signals(db, claim),
            claims.group(db, one),
            list(claims.attributes(db, one.programme, [claim]).get(claim, ())),
            kept[0] if kept else None,
            [held for held in made if held.terms.id in its],
            claims.history(db, claim),
        )

    return await call.read_both(found)


async def evidence(call: Call, claim: str) -> Response:
    """What was handed in with a claim, to the letter, while it is kept."""
    kept = await call.read(lambda db: claims.evidence(db, claim))
    if kept is None or kept[1] is None:
        raise NotFound(f"there is no evidence of {claim}, or it is no longer kept")
    data = sealed.unseal(call.context.store.secret, pipeline.LABEL, claim, kept[1])
    headers = {"content-disposition": f'attachment; filename="{claim}"', "x-content-type-options": "nosniff"}
    return Response(data, 200, headers, "application/octet-stream")


async def file(call: Call, programme: str, query: Trial, body: Wanted) -> Filed:
    """Files a claim; one by code or invitation is granted at once where the offer says so and nothing is against it."""
    store, who = call.context.store, by(call, "vetted when it was filed")
    secret, scope = store.secret, call.who.scope
    ready = await call.read(lambda db: pipeline.prepare(db, secret, scope, programme, body.claim, body.export, who.at))
    changed: list[str] = []

    def work(db: Connection) -> Claim:
        made = pipeline.file(db, secret, ready, who.at)
        pipeline.apply(db, pipeline.judge(db, programme, made.id).items(), who)
        if pipeline.automatic(db, programme, [made.id], who):
            changed.extend(pipeline.make(db, who))
        return claims.get(db, scope, made.id)

    # Without the body: the audit keeps that there was a claim, and the claim is where its evidence is.
    quiet = call._replace(detail=f"{len(call.detail)} bytes")
    done = await quiet.change(Intent("claim.file", programme, rehearsal=query.dry_run), work, Claim)
    if not query.dry_run:
        await publish(call, changed)
    return Filed(query.dry_run, done, done.state == "granted")


async def import_(call: Call, programme: str, query: Trial, body: Upload) -> Imported:
    """Files a table of claims: CSV, or a tar of `claims.csv` and the files that it names as evidence.

    A table that cannot be read is refused whole; a claim that cannot be taken is named, and the others are filed.
    """
    store, at = call.context.store, call.context.store.clock()
    with _handed(body.path) as (rows, files):
        done = _Done()
        for piece in in_turns(rows, PIECE):
            ready = await call.read(partial(_prepared, call, programme, piece, files, done))
            if query.dry_run:
                done.filed += len(ready)
                continue
            intent = Intent("claim.import", programme, f"{piece[0][0]} to {piece[-1][0]}")
            work = partial(_file, secret=store.secret, ready=ready, at=at)
            taken = await call._replace(idempotency_key="").change(intent, work, list[tuple[str, str]])
            done.filed += len(ready) - len(taken)
            for where, problem in taken:
                done.refuse(where, problem)
    return Imported(query.dry_run, done.filed, done.known, done.unreadable, done.refused, done.problems)


class _Done:
    def __init__(self) -> None:
        self.filed = self.known = self.unreadable = self.refused = 0
        self.problems: list[Problem] = []

    def refuse(self, where: str, problem: str) -> None:
        self.refused += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(where, problem))


def _prepared(
    call: Call, programme: str, rows: Iterable[tuple[str, Claimed]], files: "_Files", done: _Done, db: Connection
) -> list[tuple[str, Prepared]]:
    found = []
    store, at = call.context.store, call.context.store.clock()
    programmes.get(db, programme)
    for where, claimed in rows:
        try:
            export = files.read(claimed.evidence) if claimed.evidence else None
            place = int(where.removeprefix("line "))
            ready = pipeline.prepare(db, store.secret, call.who.scope, programme, claimed, export, at, place)
        except claims.Claimed:
            done.known += 1
        except GapuraError as error:
            done.refuse(where, error.message)
        else:
            done.unreadable += bool(ready.filed.unreadable)
            found.append((where, ready))
    return found


def _file(db: Connection, secret: Secret, ready: list[tuple[str, Prepared]], at: int) -> list[tuple[str, str]]:
    """Those that cannot be taken, and why."""
    problems = []
    for where, one in ready:
        db.execute("SAVEPOINT claim")
        try:
            pipeline.file(db, secret, one, at)
        except GapuraError as error:
            db.execute("ROLLBACK TO claim")
            problems.append((where, error.message))
        db.execute("RELEASE claim")
    return problems


class _Files:
    """The files of an archive, by name; none where a table came alone."""

    def __init__(self, archive: tarfile.TarFile | None = None) -> None:
        self._archive = archive
        members = archive.getmembers() if archive else []
        self._members = {Path(member.name).name: member for member in members if member.isfile()}

    def read(self, name: str) -> bytes:
        member = self._members.get(name)
        if member is None or self._archive is None:
            raise BadRequest(f"evidence: there is no file {name} beside the table", param="evidence")
        if member.size > LARGEST:
            raise BadRequest(f"evidence: {name} has more than {LARGEST >> 20} MiB", param="evidence")
        file = self._archive.extractfile(member)
        return file.read() if file else b""


@contextmanager
def _handed(path: Path) -> Iterator[tuple[list[tuple[str, Claimed]], _Files]]:
    """The table's rows, and the files beside it.  Raises BadRequest."""
    try:
        with tarfile.open(path, "r:") as archive:
            files = _Files(archive)
            yield intake.from_csv(files.read(TABLE)), files
            return
    except tarfile.ReadError:
        pass
    yield intake.from_csv(path.read_bytes()), _Files()


OPERATIONS = (
    Operation("GET", "/programmes/{programme}/claims", ("programme.read",), list_),
    Operation("POST", "/programmes/{programme}/claims", ("programme.claim",), file, status=201),
    Operation(
        "POST", "/programmes/{programme}/claims/import", ("programme.vet",), import_, takes="application/octet-stream"
    ),
    Operation("GET", "/claims/{claim}", ("programme.read",), show),
    Operation("GET", "/claims/{claim}/evidence", ("programme.read",), evidence, media="application/octet-stream"),
)
