"""What was consumed."""

import msgspec

from gapura.clock import instant
from gapura.console.operations import Call, Operation
from gapura.console.problems import Invalid
from gapura.store import records, uses

FOREVER = 2**62


class Asked(msgspec.Struct, forbid_unknown_fields=True, rename={"since": "from", "until": "to"}):
    """`from` ≤ begun < `to`, each RFC 3339 with offset or "" for no limit; `account` and `key` by id."""

    account: str = ""
    key: str = ""
    since: str = ""
    until: str = ""


class Row(msgspec.Struct, frozen=True):
    """`requests` that were answered, whole or in part; `estimated`: for how many the provider gave no usage."""

    account: str
    key: str
    model: str
    provider: str
    requests: int
    input_tokens: int
    output_tokens: int
    estimated: int
    images: int
    seconds: int
    characters: int


class Rows(msgspec.Struct, frozen=True):
    items: list[Row]


class Grouping(Asked, forbid_unknown_fields=True, kw_only=True):
    """`by`: some of day, account, key, model, provider, place, with commas between."""

    by: str = "day,model"


class Group(msgspec.Struct, frozen=True):
    """Answered requests that are alike in `of`."""

    of: dict[str, str]
    requests: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    estimated: int
    images: int
    seconds: int
    characters: int


class Groups(msgspec.Struct, frozen=True):
    items: list[Group]


async def grouped(call: Call, query: Grouping) -> Groups:
    """By whatever is asked for: one row a day and model, a key and place."""
    since, until = period(query.since, query.until)
    by = tuple(dict.fromkeys(query.by.split(",")))
    for name in by:
        if name not in uses.GROUPS:
            raise Invalid(f"by: {name!r} is none of {', '.join(uses.GROUPS)}", param="by")
    if query.key:
        raise Invalid("key: rows are of all keys here; group by key", param="key")
    found = await call.read(lambda db: uses.grouped(db, by, call.who.scope, query.account, since, until))
    return Groups([Group(*row) for row in found])


async def rows(call: Call, query: Asked) -> Rows:
    """One row an account, key, model and provider."""
    since, until = period(query.since, query.until)
    found = await call.read(lambda db: records.usage_rows(db, call.who.scope, since=since, until=until))
    wanted = [row for row in found if query.account in {"", row["account"]} and query.key in {"", row["key"]}]
    return Rows(msgspec.convert(wanted, list[Row]))


def period(since: str, until: str) -> tuple[int, int]:
    """UTC microseconds.  Raises Invalid naming the field."""
    limits = []
    for name, stamp, default in (("from", since, 0), ("to", until, FOREVER)):
        try:
            limits.append(instant(stamp) if stamp else default)
        except ValueError as error:
            raise Invalid(f"{name}: {error}", param=name) from error
    return limits[0], limits[1]


OPERATIONS = (
    Operation("GET", "/usage", ("usage.read",), rows),
    Operation("GET", "/usage/by", ("usage.read",), grouped),
)
