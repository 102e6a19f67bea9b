"""Corrections of place data: what the operator knows better, of which network, on whose word, and until when.

They are kept here, by prefix; gates read them from a file that is made of this table (`atlas.corrections`).
"""

from ipaddress import ip_network
from typing import Annotated

import msgspec
from msgspec import Meta

from gapura.clock import text
from gapura.errors import BadRequest, NotFound
from gapura.shapes import TERRITORY, shaped
from gapura.store.base import Connection, Shape

# A wider network than these is no network of anybody: the correction would move a part of the world.
WIDEST = {4: 8, 6: 16}

Words = Annotated[str, Meta(min_length=1, max_length=500)]


class Correction(msgspec.Struct, frozen=True):
    """`prefix` is in `territory` (a code), or in that `subdivision` of it (ISO 3166-2), until `ends`."""

    prefix: str
    territory: str
    reason: str
    owner: str
    ends: int
    subdivision: str = ""
    made_at: int = 0


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A correction that somebody asks for; `territory` by code, `ends` in UTC microseconds."""

    prefix: str
    territory: Annotated[str, TERRITORY]
    reason: Words
    owner: Words
    ends: int
    subdivision: Annotated[str, shaped(r"^([A-Z]{2}-[A-Z0-9]{1,3})?\Z", "a subdivision, as UA-43")] = ""


SHAPE = Shape(Correction)
SELECT = f"SELECT {SHAPE.columns} FROM correction"  # noqa: S608 - column names of ours


def correct(connection: Connection, wanted: Wanted, at: int) -> Correction:
    """Makes it, in place of one for the same prefix.  Raises BadRequest where it cannot be meant."""
    made = correction(wanted, at)
    connection.execute(
        f"INSERT OR REPLACE INTO correction ({SHAPE.columns}) VALUES ({SHAPE.marks})",  # noqa: S608 - ours
        SHAPE.row(made),
    )
    return made


def correction(wanted: Wanted, at: int) -> Correction:
    """What `correct` would make of it."""
    if wanted.ends <= at:
        raise BadRequest(f"the correction would be over already, at {text(wanted.ends)}", param="ends")
    if wanted.subdivision and wanted.subdivision[:2] != wanted.territory:
        raise BadRequest(f"{wanted.subdivision} is no part of {wanted.territory}", param="subdivision")
    said = msgspec.structs.asdict(wanted) | {"prefix": network(wanted.prefix)}
    return Correction(**said, made_at=at)


def remove(connection: Connection, prefix: str) -> Correction:
    """Raises NotFound, and BadRequest for what is no prefix."""
    named = network(prefix)
    row = connection.execute(f"{SELECT} WHERE prefix = ?", (named,)).fetchone()
    if row is None:
        raise NotFound(f"there is no correction of {named}")
    connection.execute("DELETE FROM correction WHERE prefix = ?", (named,))
    return SHAPE.struct(row)


def every(connection: Connection) -> list[Correction]:
    """All of them, in the order in which they were made, those that are over too."""
    return [SHAPE.struct(row) for row in connection.execute(f"{SELECT} ORDER BY made_at, prefix")]


def in_force(connection: Connection, at: int) -> list[Correction]:
    return [one for one in every(connection) if at < one.ends]


def network(prefix: str) -> str:
    """The prefix in its shortest form; one address stands for itself.

    >>> network("2001:db8:0::/48"), network("192.0.2.7")
    ('2001:db8::/48', '192.0.2.7/32')
    """
    try:
        found = ip_network(prefix.strip())
    except ValueError as error:
        raise BadRequest(f"prefix: {error}; write e.g. 192.0.2.0/24", param="prefix") from None
    if found.prefixlen < WIDEST[found.version]:
        raise BadRequest(
            f"prefix: {found} is wider than /{WIDEST[found.version]}; correct the networks that you know",
            param="prefix",
        )
    return str(found)
