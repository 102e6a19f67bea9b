"""The operator's customers.  They come from the operator's own directory, as JSON or as CSV, and are known by
(organisation, external_id); the id is ours.

CSV: UTF-8 (a byte order mark is fine), comma separated, a header row with the names of COLUMNS in any order and
`contact_<role>` for contacts.  `data_may_go_to` is separated by blanks.  An empty cell leaves a value as it is.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gapura.errors import BadRequest, Forbidden, NotFound
from gapura.shapes import LANGUAGE_OR_NONE, TERRITORY, TERRITORY_OR_NONE, plainly, shaped
from gapura.store.base import Conflict, Connection, Scope, Shape
from gapura.terms import ids
from gapura.terms.caller import Account, Status

SHAPE = Shape(Account)
SELECT = f"SELECT {SHAPE.columns} FROM account"  # noqa: S608 - column names of ours
DEFAULT_ORGANISATION = "default"

MOVES: dict[Status, frozenset[Status]] = {
    "active": frozenset({"warned", "suspended"}),
    "warned": frozenset({"active", "suspended"}),
    "suspended": frozenset({"warned", "active"}),
}
"""A campaign warns before it suspends; a person may suspend at once, with a reason that stays in the audit log."""

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=500)] | UnsetType
Territory = Annotated[str, TERRITORY_OR_NONE]
Known = Annotated[str, shaped(r"^[^\x00-\x1f\x7f]{1,200}\Z", "1 to 200 characters on one line")]
Address = Annotated[str, shaped(r"^[^@\s]+@[^@\s]+\Z", "an e-mail address, as ap@example.com", longest=320)]
Limit = Annotated[int, Meta(ge=0, le=2**62)] | UnsetType


class Stated(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may be said of an account from outside; what is unset stays.  `organisation`: the caller's own, or
    DEFAULT_ORGANISATION."""

    external_id: Known
    organisation: Name | UnsetType = UNSET
    name: Text = UNSET
    language: Annotated[str, LANGUAGE_OR_NONE] | UnsetType = UNSET
    zone: Text = UNSET
    declared_territory: Territory | UnsetType = UNSET
    ownership: Text = UNSET
    contract: Text = UNSET
    phone_territory: Territory | UnsetType = UNSET
    contacts: dict[Name, Address] | UnsetType = UNSET
    requests_per_minute: Limit = UNSET
    tokens_per_minute: Limit = UNSET
    budget: Annotated[int, Meta(ge=-1, le=2**62)] | UnsetType = UNSET
    data_may_go_to: tuple[Annotated[str, TERRITORY], ...] | UnsetType = UNSET
    keeps_responses: bool | UnsetType = UNSET


COLUMNS = tuple(field for field in Stated.__struct_fields__ if field != "contacts")


class Row(NamedTuple):
    """`where` it stands, for messages, and what it states."""

    where: str
    stated: Stated


class Plan(msgspec.Struct, frozen=True):
    """What an upsert does, or would do: the accounts as they are afterwards."""

    created: tuple[Account, ...]
    updated: tuple[Account, ...]
    unchanged: int

    def counts(self) -> dict[str, int]:
        return {"created": len(self.created), "updated": len(self.updated), "unchanged": self.unchanged}


def from_dicts(items: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Raises BadRequest naming the item and its field."""
    return [_row(f"accounts[{n}]", "", dict(item), strict=True) for n, item in enumerate(items)]


def from_csv(data: bytes) -> list[Row]:
    """Raises BadRequest naming line and column."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadRequest(f"line {line}: this is not UTF-8; save the table as UTF-8", param=f"line {line}") from error
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = _header(next(lines, []))
        return [
            _row(f"line {lines.line_num}", "column ", _cells(header, cells, lines.line_num), strict=False)
            for cells in lines
            if any(cells)
        ]
    except csv.Error as error:
        raise BadRequest(f"line {lines.line_num}: {error}", param=f"line {lines.line_num}") from error


def plan(connection: Connection, scope: Scope, rows: Sequence[Row], at: int) -> Plan:
    """What `upsert` would do.  Raises Forbidden for another organisation, BadRequest where an account comes twice."""
    created, updated, unchanged = [], [], 0
    seen: set[tuple[str, str]] = set()
    for where, stated in rows:
        organisation = stated.organisation or scope or DEFAULT_ORGANISATION
        if scope not in {None, organisation}:
            raise Forbidden(f"{where}: organisation {organisation} is not yours", param="organisation")
        name = (organisation, stated.external_id)
        if name in seen:
            raise BadRequest(f"{where}: {stated.external_id} of {organisation} comes twice", param="external_id")
        seen.add(name)
        found = connection.execute(f"{SELECT} WHERE organisation = ? AND external_id = ?", name).fetchone()
        before = SHAPE.struct(found) if found else Account(ids.new("acc", at), name[1], name[0], created_at=at)
        after = msgspec.structs.replace(before, **_said(stated))
        if not found:
            created.append(after)
        elif after != before:
            updated.append(after)
        else:
            unchanged += 1
    return Plan(tuple(created), tuple(updated), unchanged)


def upsert(connection: Connection, scope: Scope, rows: Sequence[Row], at: int) -> Plan:
    """All rows, or none: every check is made before the first is written."""
    done = plan(connection, scope, rows, at)
    connection.executemany(
        f"INSERT INTO account ({SHAPE.columns}) VALUES ({SHAPE.marks})",  # noqa: S608 - names of ours
        [SHAPE.row(account) for account in done.created],
    )
    for account in done.updated:
        _save(connection, account)
    return done


def get(connection: Connection, scope: Scope, account: str) -> Account:
    """By our id.  Raises NotFound, also for one of another organisation: the answer is the same."""
    row = connection.execute(f"{SELECT} WHERE id = ?1 AND (?2 IS NULL OR organisation = ?2)", (account, scope))
    return _one(row.fetchone(), account)


def by_external_id(connection: Connection, scope: Scope, organisation: str, external_id: str) -> Account:
    """By the operator's own id.  Raises NotFound."""
    row = connection.execute(
        f"{SELECT} WHERE organisation = ?1 AND external_id = ?2 AND (?3 IS NULL OR organisation = ?3)",
        (organisation, external_id, scope),
    )
    return _one(row.fetchone(), external_id)


def page(connection: Connection, scope: Scope, after: str = "", limit: int = 100) -> list[Account]:
    """Accounts behind the id `after`, oldest first."""
    rows = connection.execute(
        f"{SELECT} WHERE id > ?1 AND (?2 IS NULL OR organisation = ?2) ORDER BY id LIMIT ?3", (after, scope, limit)
    )
    return [SHAPE.struct(row) for row in rows]


def every(connection: Connection) -> Iterator[Account]:
    """All of them, for the directory."""
    return map(SHAPE.struct, connection.execute(SELECT))


def set_status(connection: Connection, scope: Scope, account: str, status: Status) -> Account:
    """Raises Conflict where MOVES has no such step."""
    before = get(connection, scope, account)
    if status not in MOVES[before.status]:
        ways = " or ".join(sorted(MOVES[before.status]))
        raise Conflict(f"an account that is {before.status} can become {ways}, not {status}", param="status")
    return _save(connection, msgspec.structs.replace(before, status=status))


def set_limits(
    connection: Connection,
    scope: Scope,
    account: str,
    *,
    requests_per_minute: int | None = None,
    tokens_per_minute: int | None = None,
    budget: int | None = None,
) -> Account:
    """None: as it was.  0 (limits) and -1 (budget): none.  Raises BadRequest for what is out of range."""
    before = get(connection, scope, account)
    wanted = {"requests_per_minute": requests_per_minute, "tokens_per_minute": tokens_per_minute, "budget": budget}
    said = {"external_id": before.external_id} | {name: value for name, value in wanted.items() if value is not None}
    return _save(connection, msgspec.structs.replace(before, **_said(_row("limits", "", said, strict=True).stated)))


def _save(connection: Connection, account: Account) -> Account:
    connection.execute(
        f"UPDATE account SET ({SHAPE.columns}) = ({SHAPE.marks}) WHERE id = ?",  # noqa: S608 - names of ours
        (*SHAPE.row(account), account.id),
    )
    return account


def _one(row: tuple[Any, ...] | None, name: str) -> Account:
    if row is None:
        raise NotFound(f"there is no account {name}")
    return SHAPE.struct(row)


def _said(stated: Stated) -> dict[str, Any]:
    said = {name: getattr(stated, name) for name in Stated.__struct_fields__ if name != "organisation"}
    return {name: value for name, value in said.items() if value is not UNSET}


def _row(where: str, field: str, values: dict[str, Any], *, strict: bool) -> Row:
    try:
        return Row(where, msgspec.convert(values, Stated, strict=strict))
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        name = path.strip(".`").partition("[")[0]
        missing = re.search(r"required field `(\w+)`|unknown field `(\w+)`", what)
        name = name or (missing and (missing[1] or missing[2])) or ""
        raise BadRequest(f"{where}, {field}{name}: {plainly(what)}", param=f"{where}.{name}") from error


def _header(names: list[str]) -> list[str]:
    names = [name.strip() for name in names]
    if len(names) == 1 and (sign := re.search(r"[;\t]", names[0])):
        raise BadRequest(f"line 1: the columns are separated by {sign[0]!r}; save the table with commas")
    for number, name in enumerate(names):
        if name not in COLUMNS and not re.fullmatch(r"contact_\w+", name):
            raise BadRequest(f"line 1, column {name!r}: unknown; known are {', '.join(COLUMNS)}, contact_<role>")
        if name in names[:number]:
            raise BadRequest(f"line 1, column {name}: comes twice")
    if "external_id" not in names:
        raise BadRequest("line 1, column external_id: missing; it is what an account is known by")
    return names


def _cells(header: list[str], cells: list[str], line: int) -> dict[str, Any]:
    if len(cells) != len(header):
        raise BadRequest(f"line {line}: {len(cells)} cells, the header has {len(header)}", param=f"line {line}")
    said: dict[str, Any] = {name: cell.strip() for name, cell in zip(header, cells, strict=True) if cell.strip()}
    contacts = {name.removeprefix("contact_"): said.pop(name) for name in list(said) if name.startswith("contact_")}
    if contacts:
        said["contacts"] = contacts
    if "data_may_go_to" in said:
        said["data_may_go_to"] = said["data_may_go_to"].split()
    return said
