"""Policy versions: documents as they were written, and what became of each.

A version is never changed or deleted, and its id is the hash of what was written; its states are rows that are only
added.  At most one version is `active`, and at most one is in `shadow`.

    proposed ⇄ shadow      proposed, shadow, retired → active → retired      retired ⇄ shadow
"""

import hashlib
from typing import Literal

import msgspec

from gapura.errors import NotFound
from gapura.store.base import Conflict, Connection, Shape, StoreFailed

Format = Literal["toml", "yaml"]
State = Literal["proposed", "shadow", "active", "retired"]

STEP_NAME = "0004-policy-versions"
"""The step of the schema that brought them: before it, a store has none."""

ID_LENGTH = 16
SHORTEST = 4


class Damaged(StoreFailed):
    """A version is not what was proposed; asking again will not help."""

    status = 500
    code = "policy_damaged"


class Version(msgspec.Struct, frozen=True):
    """A version without its text.  `actor` proposed it at `at` (UTC microseconds) for `reason`; it has been what
    `state` says since `since`."""

    id: str
    format: Format
    actor: str
    reason: str
    at: int
    state: State
    since: int


class Step(msgspec.Struct, frozen=True):
    """One state that a version came into.  `rulebook` is the version of the rulebook that it became a part of, as
    decisions name it; "" where it became none."""

    seq: int
    version: str
    state: State
    rulebook: str
    actor: str
    reason: str
    at: int


class Document(msgspec.Struct, frozen=True):
    """What was written."""

    version: str
    format: Format
    text: str

    @property
    def content(self) -> tuple[bytes, Format]:
        """As it is read."""
        return self.text.encode(), self.format


class By(msgspec.Struct, frozen=True):
    """Who does it, why, and when."""

    actor: str
    reason: str
    at: int


STEP = Shape(Step)
SELECT = """
    SELECT v.id, v.format, v.actor, v.reason, v.at, s.state, s.at FROM policy_version v
    JOIN policy_state s ON s.seq = (SELECT max(seq) FROM policy_state WHERE version = v.id)
"""


def digest(text: str, written_as: Format) -> str:
    """The hash of a document; its beginning is the version's id."""
    return hashlib.sha256(f"{written_as}\n{text}".encode()).hexdigest()


def propose(db: Connection, text: str, written_as: Format, by: By) -> Version:
    """Keeps a document.  The same text again is the same version, and nothing new."""
    found = digest(text, written_as)
    version = found[:ID_LENGTH]
    known = db.execute("SELECT digest FROM policy_version WHERE id = ?", (version,)).fetchone()
    if known is None:
        db.execute(
            "INSERT INTO policy_version VALUES (?, ?, ?, ?, ?, ?, ?)",
            (version, found, written_as, text, by.actor, by.reason, by.at),
        )
        _step(db, version, "proposed", "", by)
    elif known[0] != found:
        raise Conflict(f"another document has the id {version}; change a word of this one")
    return get(db, version)


def page(db: Connection, after: str = "", limit: int = 100) -> list[Version]:
    """Versions that were proposed before `after`, newest first."""
    before = " WHERE (?1 = '' OR v.rowid < (SELECT rowid FROM policy_version WHERE id = ?1)) ORDER BY v.rowid DESC"
    return [Version(*row) for row in db.execute(f"{SELECT}{before} LIMIT ?2", (after, limit))]


def get(db: Connection, name: str) -> Version:
    """By its id, by the beginning of it, or by the version of a rulebook that it was a part of.  Raises NotFound."""
    begins = " WHERE substr(v.id, 1, length(?1)) = ?1 LIMIT 2"
    found = [Version(*row) for row in db.execute(SELECT + begins, (name,))]
    if not found or len(name) < SHORTEST:
        part = " WHERE v.id = (SELECT version FROM policy_state WHERE rulebook = ? ORDER BY seq DESC)"
        found = [Version(*row) for row in db.execute(SELECT + part, (name,))] if name else []
    if len(found) > 1:
        raise NotFound(f"more than one policy version begins with {name}; give more of it", param="version")
    if not found:
        raise NotFound(f"there is no policy version {name}; `gapura policy list` names them", param="version")
    return found[0]


def history(db: Connection, version: str) -> list[Step]:
    """All that became of it, oldest first."""
    rows = db.execute(f"SELECT {STEP.columns} FROM policy_state WHERE version = ? ORDER BY seq", (version,))  # noqa: S608 - ours
    return [STEP.struct(row) for row in rows]


def document(db: Connection, version: str) -> Document:
    """What was written.  Raises Damaged where it is not that any more."""
    row = db.execute("SELECT digest, format, document FROM policy_version WHERE id = ?", (version,)).fetchone()
    if row is None:
        raise NotFound(f"there is no policy version {version}", param="version")
    if digest(row[2], row[1]) != row[0] or not row[0].startswith(version):
        raise Damaged(
            f"policy version {version} is damaged: its text is not what was proposed; restore a backup, "
            "put another version in force, or write [[policies]] into gapura.toml, which then decides"
        )
    return Document(version, row[1], row[2])


def now(db: Connection, state: Literal["active", "shadow"]) -> Version | None:
    """The version that is in this state; None where none is."""
    row = db.execute(f"{SELECT} WHERE s.state = ?", (state,)).fetchone()
    return Version(*row) if row else None


def in_state(db: Connection, state: Literal["active", "shadow"]) -> Document | None:
    """What was written in the version that is in this state.  Raises Damaged."""
    found = now(db, state)
    return document(db, found.id) if found else None


def activate(db: Connection, version: str, rulebook: str, by: By) -> Version:
    """Puts it in force in the place of the one that was.  Nothing happens to one that is in force already."""
    if get(db, version).state != "active":
        retire(db, by)
        _step(db, version, "active", rulebook, by)
    return get(db, version)


def retire(db: Connection, by: By) -> Version | None:
    """Takes the active version out of force; None where none is."""
    former = now(db, "active")
    if former is None:
        return None
    _step(db, former.id, "retired", "", by)
    return get(db, former.id)


def shadow(db: Connection, version: str, rulebook: str, by: By) -> Version:
    """Lets it run beside the active one, in the place of the one that did.  Raises Conflict for the active one."""
    found = get(db, version)
    if found.state == "active":
        raise Conflict(f"{version} is in force; a shadow is a version that is not", param="version")
    if found.state != "shadow":
        unshadow(db, by)
        _step(db, version, "shadow", rulebook, by)
    return get(db, version)


def unshadow(db: Connection, by: By) -> Version | None:
    """The version in shadow is what it was before; None where there is none."""
    found = now(db, "shadow")
    if found is None:
        return None
    before = [step.state for step in history(db, found.id) if step.state != "shadow"]
    _step(db, found.id, before[-1], "", by)
    return get(db, found.id)


def part_of(db: Connection, version: str, rulebook: str, by: By) -> None:
    """Notes that an active or shadow version has become a part of another rulebook, as when routes have changed."""
    row = db.execute(
        "SELECT state, rulebook FROM policy_state WHERE version = ? ORDER BY seq DESC LIMIT 1", (version,)
    ).fetchone()
    if row is not None and row[1] != rulebook:
        _step(db, version, row[0], rulebook, by)


def _step(db: Connection, version: str, state: State, rulebook: str, by: By) -> None:
    db.execute(
        "INSERT INTO policy_state (version, state, rulebook, actor, reason, at) VALUES (?, ?, ?, ?, ?, ?)",
        (version, state, rulebook, by.actor, by.reason, by.at),
    )
