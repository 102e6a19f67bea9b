"""Who did what, when, to what, and why; and whether anybody changed that."""

import msgspec

from gapura.console.operations import Call, Operation
from gapura.store import audit
from gapura.store.audit import Entry, Problem


class Pages(msgspec.Struct, forbid_unknown_fields=True):
    """Entries behind number `after`."""

    after: int = 0
    limit: int = 100


class Entries(msgspec.Struct, frozen=True):
    """`next` 0: this is the last page."""

    items: list[Entry]
    next: int


class Verified(msgspec.Struct, frozen=True):
    """`problem` None: every entry is as it was written."""

    sound: bool
    problem: Problem | None


async def list_(call: Call, query: Pages) -> Entries:
    """Audit entries, oldest first."""
    limit = max(1, min(query.limit, 1000))
    found = await call.read(lambda db: audit.entries(db, query.after, limit))
    return Entries(found, found[-1].seq if len(found) == limit else 0)


async def verify(call: Call) -> Verified:
    """Reads the whole chain of hashes, and says where it is broken."""
    problem = await call.read(lambda db: audit.verify(db, call.context.store.secret))
    return Verified(problem is None, problem)


OPERATIONS = (
    Operation("GET", "/audit", ("audit.read",), list_),
    Operation("GET", "/audit/verify", ("audit.read",), verify),
)
