"""Claims as they come in: a table of them (CSV), what each shares with others, and its former use measured.

CSV: UTF-8, a header with the names of COLUMNS in any order.  `evidence` names a file that is handed in with it.  What
would name a person, a card or a device leaves this stage as a keyed hash, an address as its network.
"""

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gapura.clock import SECOND, instant
from gapura.errors import BadRequest
from gapura.shapes import plainly, shaped
from gapura.store.accounts import DEFAULT_ORGANISATION
from gapura.store.retention import network
from gapura.terms.programme import Attribute, Filed, Measured, Offer
from gapura.wire import alike, usage_export
from gapura.wire.usage_export import BadExport

Digest = Callable[[str], str]
Short = Annotated[str, Meta(max_length=200)]

PUBLIC_MAIL = frozenset((files(__package__) / "data" / "public-mail.txt").read_text("utf-8").split())
"""Domains at which everybody has an address: they tie nobody together."""

DAY = 86_400 * SECOND


FILE = shaped(r"^([^/\\\x00-\x1f.][^/\\\x00-\x1f]*)?\Z", "the name of a file, without a folder", longest=200)


class Claimed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is said with a claim.  The account by external id and organisation ("": `default`).  `company` is its name
    or number in a register; `payment` and `device` any mark that tells one from another; `asn` a number, where known.
    `evidence`: the name of the file with the export; `made_at` "": now."""

    external_id: Annotated[str, Meta(min_length=1, max_length=200)]
    organisation: Short = ""
    way: Literal["", "code", "invitation", "export", "record"] = ""
    code: Short = ""
    company: Short = ""
    email: Annotated[str, shaped(r"^([^@\s]+@[^@\s]+)?\Z", "an address, as ap@example.com", longest=320)] = ""
    payment: Short = ""
    device: Short = ""
    address: Annotated[str, shaped(r"^[0-9A-Fa-f:.]*\Z", "an IP address", longest=50)] = ""
    asn: Annotated[str, shaped(r"^(AS)?[0-9]{0,10}\Z", "a network's number, as AS4134")] = ""
    evidence: Annotated[str, FILE] = ""
    made_at: Short = ""


COLUMNS = Claimed.__struct_fields__


def from_csv(data: bytes) -> list[tuple[str, Claimed]]:
    """The claims, each with its line.  Raises BadRequest naming line and column."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadRequest(f"line {line}: this is not UTF-8; save the table as UTF-8", param=f"line {line}") from error
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(lines, [])]
        _check_header(header)
        return [_row(header, cells, lines.line_num) for cells in lines if any(cells)]
    except csv.Error as error:
        raise BadRequest(f"line {lines.line_num}: {error}", param=f"line {lines.line_num}") from error


def made_at(claimed: Claimed, now: int) -> int:
    """UTC microseconds.  Raises BadRequest for what is no instant, or is to come."""
    if not claimed.made_at:
        return now
    try:
        at = instant(claimed.made_at)
    except ValueError as error:
        raise BadRequest(f"made_at: {error}", param="made_at") from None
    if at > now:
        raise BadRequest(f"made_at: {claimed.made_at} is to come", param="made_at")
    return at


def filed(  # noqa: PLR0913 - what a claim is made of
    offer: Offer,
    claimed: Claimed,
    account: str,
    evidence: bytes | None,
    own: Measured | None,
    *,
    now: int,
    digest: Digest,
) -> Filed:
    """The claim, measured.  `own`: the use on record, where the way is that; `digest`: a keyed hash, as text."""
    at = made_at(claimed, now)
    measured, unreadable = own, ""
    way = claimed.way or ("code" if claimed.code else "export" if evidence is not None else "invitation")
    if evidence is not None:
        try:
            measured = usage_export.read(evidence, *window(offer), now)
        except BadExport as error:
            unreadable = str(error)
    elif way == "export":
        unreadable = "no export was handed in"
    attributes = {*_said(claimed, digest), *_shown(evidence, measured)}
    return Filed(
        account=account,
        way=way,
        made_at=at,
        attributes=tuple(sorted(attributes)),
        measured=measured,
        unreadable=unreadable,
    )


def window(offer: Offer) -> tuple[int, int]:
    """From when until when former use counts: before the offer began, so that nobody uses more to get more."""
    return offer.starts - offer.eligibility.measured_days * DAY, offer.starts


def _said(claimed: Claimed, digest: Digest) -> Iterator[Attribute]:
    """What the claim itself says."""
    company = claimed.company or ("" if claimed.organisation == DEFAULT_ORGANISATION else claimed.organisation)
    domain = alike.domain(claimed.email.rpartition("@")[2])
    values = {
        "organisation": alike.company(company),
        "domain": "" if domain in PUBLIC_MAIL else domain,
        "mailbox": claimed.email and digest(f"mailbox:{alike.mailbox(claimed.email)}"),
        "payment": claimed.payment and digest(f"payment:{claimed.payment.strip()}"),
        "device": claimed.device and digest(f"device:{claimed.device.strip()}"),
        "prefix": claimed.address and network(claimed.address),
        "asn": claimed.asn.removeprefix("AS").lstrip("0"),
    }
    yield from (Attribute(kind, value) for kind, value in values.items() if value)


def _shown(evidence: bytes | None, measured: Measured | None) -> Iterator[Attribute]:
    """What its evidence says."""
    if evidence is not None:
        yield Attribute("evidence", hashlib.sha256(evidence).hexdigest())
    for name in measured.organisations if measured else ():
        yield Attribute("former_organisation", name)


def _check_header(header: list[str]) -> None:
    if "external_id" not in header:
        raise BadRequest(
            f"line 1: the column external_id is missing; there may be {', '.join(COLUMNS)}", param="line 1"
        )
    for name in header:
        if name not in COLUMNS or header.count(name) > 1:
            problem = "stands there twice" if name in COLUMNS else f"is none of {', '.join(COLUMNS)}"
            raise BadRequest(f"line 1: the column {name!r} {problem}", param="line 1")


def _row(header: list[str], cells: list[str], line: int) -> tuple[str, Claimed]:
    where = f"line {line}"
    if len(cells) != len(header):
        raise BadRequest(f"{where}: {len(cells)} cells under {len(header)} columns", param=where)
    return where, stated(dict(zip(header, (cell.strip() for cell in cells), strict=True)), where)


def stated(said: Mapping[str, str], where: str) -> Claimed:
    try:
        return msgspec.convert(dict(said), Claimed)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$.")
        raise BadRequest(
            f"{where}, column {path.rstrip('`')}: {plainly(problem)}", param=f"{where}, {path.rstrip('`')}"
        ) from None
