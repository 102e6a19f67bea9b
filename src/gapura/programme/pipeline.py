"""Walks the river over the store: offer → claim → vet → grant.

Each function works on a connection, in the transaction that is open.  What concerns thousands of claims is planned on a
reader and done in pieces, so that a gate that asks for tokens waits for a piece and not for the whole.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from gapura.clock import SECOND
from gapura.errors import BadRequest
from gapura.programme import claim as intake
from gapura.programme import grant, offer, vet
from gapura.programme import watch as watched
from gapura.programme.claim import Claimed
from gapura.programme.vet import Candidate, Verdict
from gapura.store import accounts, budgets, claims, codes, grants, ledger, outbox, programmes, sealed, uses
from gapura.store.base import Conflict, Connection, Scope
from gapura.store.claims import Claim, Evidence
from gapura.store.grants import Alert, Held
from gapura.store.programmes import Programme
from gapura.store.rulebooks import By
from gapura.store.secrets import Secret
from gapura.terms import ids
from gapura.terms.programme import UNDECIDED, Filed, Offer, State

DAY = 86_400 * SECOND
MILLISECOND = 1000  # what ids are in the order of
PIECE = 25
LABEL = "evidence"
JOB = "programme.grant"
"""Whoever is killed between an approval and its grants leaves them to this job."""


class Plan(msgspec.Struct, frozen=True):
    """Claims that would be approved and what each comes to, oldest first.  `left`: what is in the wallet and was not
    promised to claims that are approved already."""

    programme: str
    claims: tuple[tuple[str, int], ...]
    amount: int
    left: int
    unit: str


class Prepared(msgspec.Struct, frozen=True):
    """A claim that is ready to be taken in."""

    id: str
    programme: str
    filed: Filed
    code: str
    evidence: Evidence | None


# Offer ----------------------------------------------------------------------------------------------------------------


def propose(db: Connection, text: str, by: By) -> Programme:
    """Keeps a version of an offer; of one that is open it is in force at once, and its wallet follows.

    Raises BadDocument, Conflict.
    """
    read = offer.read(text)
    kept = programmes.put(db, read.id, read.unit, text, by.actor, by.at)
    return programmes.fund(db, kept.id, read.wallet, by.at) if kept.state == "open" else kept


def open_(db: Connection, programme: str, at: int) -> Programme:
    """Claims are taken from now on, within the offer's window; the wallet is filled.  Raises NotFound, Conflict."""
    programmes.move(db, programme, "open", at)
    return programmes.fund(db, programme, in_force(db, programme).wallet, at)


def in_force(db: Connection, programme: str, version: int = 0) -> Offer:
    """Raises NotFound."""
    return offer.read(programmes.version(db, programme, version).text)


# Claim ----------------------------------------------------------------------------------------------------------------


def prepare(  # noqa: PLR0913, PLR0917 - what a claim is made of
    db: Connection,
    secret: Secret,
    scope: Scope,
    programme: str,
    claimed: Claimed,
    evidence: bytes | None,
    at: int,
    place: int = 0,
) -> Prepared:
    """Everything that takes long: the claim measured, its evidence sealed.  Changes nothing.  `place`: of those that
    come at one time the one with the lower is the earlier.

    Raises NotFound, BadRequest, and Conflict where the programme takes no claims, or the account has claimed before.
    """
    known, terms = programmes.get(db, programme), in_force(db, programme)
    organisation = claimed.organisation or scope or accounts.DEFAULT_ORGANISATION
    account = accounts.by_external_id(db, scope, organisation, claimed.external_id).id
    _takes(known, terms, intake.made_at(claimed, at))
    claims.first(db, programme, account)
    own = None
    if claimed.way == "record":
        own = uses.of_account(db, account, terms.eligibility.former_provider, *intake.window(terms))
    filed = intake.filed(terms, claimed, account, evidence, own, now=at, digest=lambda word: secret.digest(word).hex())
    name, shut = ids.new("clm", at + place * MILLISECOND), None
    if evidence is not None:
        said = claimed.evidence or "export", hashlib.sha256(evidence).hexdigest(), len(evidence)
        shut = Evidence(*said, at + terms.evidence_days * DAY, sealed.seal(secret, LABEL, name, evidence))
    return Prepared(name, programme, filed, claimed.code, shut)


def file(db: Connection, secret: Secret, ready: Prepared, at: int) -> Claim:
    """Takes a claim in, and redeems its code or invitation: all or nothing.  Raises as `prepare`."""
    known = programmes.get(db, ready.programme)
    _takes(known, in_force(db, ready.programme), ready.filed.made_at)
    made = claims.file(db, ready.id, ready.programme, known.version, ready.filed, at)
    _redeem(db, secret, ready.code, made, at)
    if ready.evidence is not None:
        claims.keep(db, made.id, ready.evidence)
    body = {"claim": made.id, "programme": made.programme, "way": made.way, "tokens": made.tokens}
    outbox.put(db, "claim.filed", made.account, body, at)
    return made


def _takes(known: Programme, terms: Offer, made_at: int) -> None:
    if known.state != "open":
        raise Conflict(f"{known.id} is {known.state}: no claims are taken")
    if not terms.starts <= made_at < terms.ends:
        raise Conflict(f"{known.id} takes no claims at that time")


def _redeem(db: Connection, secret: Secret, code: str, made: Claim, at: int) -> None:
    if made.way == "code":
        codes.redeem(db, made.programme, code, made.account, made.id, secret, at)
    elif made.way == "invitation" and not codes.invited(db, made.programme, made.account, made.id, at):
        raise BadRequest("the account has no invitation that holds, and no code or export was given", param="way")


# Vet ------------------------------------------------------------------------------------------------------------------


def judge(db: Connection, programme: str, near: str = "") -> dict[str, Verdict]:
    """What speaks against each claim of a programme; with `near` of those that this claim is tied to alone."""
    terms = in_force(db, programme)
    if near:
        among = [claims.get(db, None, name) for name in claims.tied(db, near, terms.vetting.velocity_minutes)]
        shared = claims.attributes(db, programme, [one.id for one in among])
    else:
        among, shared = list(_every(db, programme)), claims.attributes(db, programme)
    found = [_candidate(db, terms, one, shared.get(one.id, ())) for one in among]
    return vet.vet(terms.vetting, [one for one in found if one is not None])


def apply(db: Connection, verdicts: Iterable[tuple[str, Verdict]], by: By) -> dict[State, int]:
    """Notes what was found, and moves the claims that nobody has decided; how many into which state."""
    moved: dict[State, int] = {}
    for name, verdict in verdicts:
        claims.find(db, name, verdict.found, verdict.group)
        now = claims.get(db, None, name)
        if now.by_hand or now.state not in UNDECIDED or now.state == verdict.state:
            continue
        why = "; ".join(f"{one.signal}: {one.detail}" for one in verdict.found if one.effect in {"review", "refuse"})
        claims.move(db, [name], verdict.state, by.actor, why or by.reason, by.at)
        if verdict.state == "refused":
            _tell(db, "claim.refused", now, by.at, reason=why)
        moved[verdict.state] = moved.get(verdict.state, 0) + 1
    return moved


def _candidate(db: Connection, terms: Offer, one: Claim, attributes: Any) -> Candidate | None:
    if one.state == "withdrawn":
        return None
    measured = claims.measured(db, one.id)
    filed = Filed(account=one.account, way=one.way, made_at=one.made_at, measured=measured, unreadable=one.unreadable)
    against = list(vet.ineligible(terms.eligibility, accounts.get(db, None, one.account), filed))
    if not against and not one.unreadable and not any(grant.amounts(terms, one.tokens)):
        against.append("the offer gives nothing for so little use")
    strange = measured.strange if measured else ()
    return Candidate(one.id, one.made_at, attributes, strange, one.unreadable, tuple(against))


def _every(db: Connection, programme: str) -> Iterator[Claim]:
    after = ""
    while page := claims.page(db, programme, after=after, limit=1000):
        yield from page
        after = page[-1].id


# Decide and grant -----------------------------------------------------------------------------------------------------


def decide(db: Connection, wanted: Sequence[str], state: State, by: By) -> int:
    """A person's word on claims: clear, review, refused, withdrawn.  Raises Conflict, NotFound."""
    claims.move(db, wanted, state, by.actor, by.reason, by.at)
    claims.decided(db, wanted)
    for name in wanted if state == "refused" else ():
        _tell(db, "claim.refused", claims.get(db, None, name), by.at, reason=by.reason)
    return len(wanted)


def plan(db: Connection, programme: str, wanted: Sequence[str] = (), limit: int = 0) -> Plan:
    """What an approval of these claims (none named: of all that are clear, the oldest `limit`) would grant."""
    known = programmes.get(db, programme)
    chosen = [claims.get(db, None, name) for name in wanted]
    if not wanted:
        chosen = [one for one in _every(db, programme) if one.state == "clear"][: limit or None]
    offers: dict[int, Offer] = {}
    rows = []
    for one in chosen:
        if one.programme != programme:
            raise BadRequest(f"{one.id} is of {one.programme}", param="claims")
        terms = offers.get(one.version) or offers.setdefault(one.version, in_force(db, programme, one.version))
        rows.append((one.id, sum(grant.amounts(terms, one.tokens))))
    left = _left(db, programme, known.unit)
    return Plan(programme, tuple(rows), sum(amount for _, amount in rows), left, known.unit)


def check(of: Plan) -> None:
    """Raises Conflict where the wallet does not have it, or the offer gives a claim nothing."""
    if of.amount > of.left:
        raise Conflict(
            f"{len(of.claims)} claims come to {of.amount} {of.unit}, and the wallet of {of.programme} has {of.left};"
            " approve fewer (limit), or raise programme.wallet",
            param="claims",
        )
    for name, amount in of.claims:
        if not amount:
            raise Conflict(f"the offer gives {name} nothing; refuse it, or change the offer", param="claims")


def approve(db: Connection, programme: str, rows: Sequence[tuple[str, int]], approval: str, by: By) -> int:
    """Promises claims what they come to; `make` makes the grants.  How many.

    Raises Conflict where the wallet does not have it, or a claim can no longer be approved.
    """
    unit = programmes.get(db, programme).unit
    check(Plan(programme, tuple(rows), sum(amount for _, amount in rows), _left(db, programme, unit), unit))
    claims.move(db, [name for name, _ in rows], "approved", by.actor, by.reason, by.at)
    claims.approve(db, rows, approval)
    return len(rows)


def _left(db: Connection, programme: str, unit: str) -> int:
    return ledger.balance(db, grants.wallet(programme, unit)) - claims.promised(db, programme)


def make(db: Connection, by: By, limit: int = PIECE) -> list[str]:
    """Makes the grants of so many claims that are approved, each once.  The accounts that gates have to be told of."""
    due = claims.approved(db, limit)
    for one in due:
        terms = in_force(db, one.programme, one.version)
        named = tuple(ids.new("grt", by.at) for _ in terms.grants)
        made = []
        for part, wanted in grant.terms(terms, one.account, one.tokens, named, by.at):
            kept = grants.create(db, wanted, wanted.amount, f"claim:{one.id}:{part}", by.at)
            claims.note_grant(db, one.id, part, kept.id)
            made.append({"grant": kept.id, "amount": kept.amount, "unit": kept.unit, "expires": kept.expires})
        claims.move(db, [one.id], "granted", by.actor, by.reason, by.at)
        _tell(db, "claim.granted", one, by.at, grants=made)
    changed = [one.account for one in due]
    budgets.tell(db, changed)
    return changed


def revoke(db: Connection, name: str, by: By) -> Claim:
    """Takes back what was got by fraud, as far as it is not spent; what gates hold of it comes back as they return it.

    Raises NotFound, and Conflict where nothing was granted.
    """
    claims.move(db, [name], "revoked", by.actor, by.reason, by.at)
    claims.decided(db, [name])
    taken = 0
    for held in claims.granted(db, name):
        if grants.get(db, held).state in {"pending", "active", "exhausted"}:
            before = grants.get(db, held).standing.left
            grants.claw_back(db, held, f"revoke:{held}", by.at)
            taken += before
    now = claims.get(db, None, name)
    budgets.tell(db, [now.account])
    _tell(db, "claim.revoked", now, by.at, reason=by.reason, taken_back=taken)
    return now


class Seen(msgspec.Struct, frozen=True):
    """Grants of which nothing is to be had any more: their `accounts` and `purses`; `more`: there is more to see."""

    accounts: list[str]
    purses: list[str]
    more: bool


def watch(db: Connection, at: int) -> Seen:
    """One piece of what time and use have brought: each is told once.  Where the ledger is shared, what is to be told
    is claimed there, and handed on once it is known who does."""
    over, alerts = grants.due(db, at, PIECE)
    alerts += grants.spent(db, at)
    for alert in alerts:
        _hand_on(db, alert, grants.get(db, alert.grant), at)
    ended = [alert.grant for alert in alerts if watched.ends(alert)]
    found = [grants.get(db, name).terms for name in dict.fromkeys([*over, *ended])]
    seen = Seen([one.account for one in found], [one.purse for one in found], bool(over or alerts) or grants.behind(db))
    budgets.tell(db, seen.accounts)
    return seen


def hand_on(db: Connection, alert: Alert, held: Held, teller: str, at: int) -> None:
    """Tells what this gateway has claimed before all others, once.  `held`: as the shared ledger knows it."""
    if grants.settle(db, alert) and teller == grants.teller(db):
        _hand_on(db, alert, held, at)


def _hand_on(db: Connection, alert: Alert, held: Held, at: int) -> None:
    topic, body = watched.event(alert, held)
    outbox.put(db, topic, alert.account, body, at)


def automatic(db: Connection, programme: str, wanted: Sequence[str], by: By) -> list[str]:
    """Of these claims those that the offer approves by itself; they are approved as far as the wallet goes."""
    ways = in_force(db, programme).vetting.automatic
    ready = [
        one.id for one in (claims.get(db, None, name) for name in wanted) if one.state == "clear" and one.way in ways
    ]
    of = plan(db, programme, ready) if ready else None
    if of is None or of.amount > of.left or not all(amount for _, amount in of.claims):
        return []
    approve(db, programme, of.claims, ids.new("apr", by.at), by)
    return ready


def _tell(db: Connection, topic: str, one: Claim, at: int, **more: Any) -> None:
    outbox.put(db, topic, one.account, {"claim": one.id, "programme": one.programme, **more}, at)
