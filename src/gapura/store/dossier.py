"""Everything about one account that may have to be shown to a court: who it is, what was known, told, asked for and
done, by whom and why, and the proof that none of it was written later.

The audit entries stand there with the hash before each, so every one can be checked by itself; facts stand there with
the path to the root that such an entry names.  That the entries are of one chain shows in an export of the audit.
"""

from collections.abc import Iterable

import msgspec

from gapura.store import (
    accounts,
    answers,
    appeals,
    audit,
    chain,
    deliveries,
    exceptions,
    facts,
    grounds,
    keys,
    members,
    visits,
)
from gapura.store.answers import Answer
from gapura.store.appeals import Appeal, Moved, Texts
from gapura.store.base import Connection
from gapura.store.deliveries import Delivery
from gapura.store.exceptions import Exempt
from gapura.store.facts import Proven
from gapura.store.secrets import Secret
from gapura.store.visits import Found
from gapura.terms.caller import Account, Key
from gapura.terms.letter import Evidence
from gapura.terms.residence import Visit

FORMAT = "gapura.evidence/1"


class Heard(msgspec.Struct, frozen=True):
    """An objection, with what was said and what the account was written; `texts` null: retention has taken them."""

    appeal: Appeal
    texts: Texts | None
    moves: list[Moved]
    letters: list[Answer]


class Entry(msgspec.Struct, frozen=True):
    """An audit entry, and the hash of the one before it."""

    before: str
    line: chain.Line


class Dossier(msgspec.Struct, frozen=True, kw_only=True):
    """`people`: who acted, by id: the name and the role.  `text_key` is what the entries' commitments are made with.
    `seq`, `hash`: the audit's last entry when this was made, and `problem` what was wrong with the audit then ("":
    nothing).  `listed`: campaign → what the back-test that it went by says of the account."""

    format: str = FORMAT
    home: str
    made_at: int
    account: Account
    keys: list[Key]
    visits: list[Visit]
    residence: list[Found]
    notices: list[Delivery]
    facts: list[Proven]
    appeals: list[Heard]
    people: dict[str, str]
    exceptions: list[Exempt]
    entries: list[Entry]
    text_key: str
    seq: int
    hash: str
    problem: str
    listed: dict[str, Evidence] = {}


def dossier(db: Connection, secret: Secret, account: str, at: int) -> Dossier:
    """Raises NotFound."""
    about = accounts.get(db, None, account)
    its_keys = keys.page(db, None, account, limit=1_000)
    lifted, objections = exceptions.of_account(db, account), appeals.of_account(db, account)
    proven = facts.of_account(db, account)
    named: list[Key | Exempt | Appeal] = [*its_keys, *lifted, *objections]
    subjects = [account, *(one.id for one in named)]
    seals = {one.entry for one in proven if one.entry is not None}
    heard = [_heard(db, one) for one in objections]
    entries = [Entry(before.hex(), line) for before, line in audit.about(db, subjects, seals)]
    actors = {entry.line.actor for entry in entries} | {step.actor for one in heard for step in one.moves}
    end = audit.head(db)
    problem = audit.verify(db, secret) or facts.verify(db)
    return Dossier(
        home=secret.pepper_id,
        made_at=at,
        account=about,
        keys=its_keys,
        visits=visits.visits(db, account),
        residence=visits.known(db, account),
        notices=deliveries.of_account(db, account),
        facts=proven,
        appeals=heard,
        people=_people(db, {*actors, *(one.owner for one in lifted)}),
        exceptions=lifted,
        entries=entries,
        text_key=secret.derive(audit.TEXT).hex(),
        seq=end[0],
        hash=end[1].hex(),
        problem=f"entry {problem.seq} {problem.what}" if problem else "",
        listed={one.campaign: seen for one in members.of_account(db, account) if (seen := grounds.listed(db, one))},
    )


def _people(db: Connection, actors: Iterable[str]) -> dict[str, str]:
    found = {}
    for actor in sorted(actors):
        row = db.execute("SELECT role, name FROM principal WHERE id = ?", (actor,)).fetchone()
        if row is not None:
            found[actor] = f"{row[1]} ({row[0]})"
    return found


def _heard(db: Connection, one: Appeal) -> Heard:
    return Heard(one, appeals.texts(db, one.id), appeals.moves(db, one.id), answers.of_appeal(db, one.id))


def faults(found: Dossier, export: Iterable[bytes] | None = None) -> list[str]:
    """What in it is not as it was written; none: it is sound.  `export`: the lines of an audit that was exported, in
    which its entries have to stand.  Raises chain.Broken where that is not sound itself."""
    wrong = [f"the audit was not sound when this was made: {found.problem}"] if found.problem else []
    key = bytes.fromhex(found.text_key)
    wrong += [f"entry {entry.line.seq} {why}" for entry in found.entries if (why := _fault(entry, key))]
    named = {entry.line.seq: entry.line.subject for entry in found.entries if entry.line.action == facts.ACTION}
    for proven in found.facts:
        if proven.entry is None:
            wrong.append(f"fact {proven.fact.seq} is not sealed yet; make this again in a minute")
        elif not facts.is_sound(proven) or not named.get(proven.entry, "").endswith(f".{proven.root}"):
            wrong.append(f"fact {proven.fact.seq} is not among those that entry {proven.entry} covers")
    if export is not None:
        wrong += _missing(found, list(export))
    return wrong


def _fault(entry: Entry, key: bytes) -> str:
    line = entry.line
    told = bytes.fromhex(line.commitment)
    digest = chain.link(bytes.fromhex(entry.before), line.seq, line.at, line.actor, line.action, line.subject, told)
    if digest.hex() != line.hash:
        return "was altered"
    if line.salt is not None:
        said = chain.commitment(key, bytes.fromhex(line.salt), line.reason or "", line.detail or "")
        if said != told:
            return "has another text than was written"
    return ""


def _missing(found: Dossier, export: list[bytes]) -> list[str]:
    chain.verify(export)
    hashes = {line.seq: line.hash for line in map(chain.entry, export) if line is not None}
    return [
        f"entry {entry.line.seq} does not stand in the export; one that was made later has it"
        for entry in found.entries
        if hashes.get(entry.line.seq) != entry.line.hash
    ]
