"""Links to an account's own pages, for an operator who hands them over by another way than a letter."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gapura.clock import text
from gapura.console.keys import check_reason
from gapura.console.operations import Call, Intent, Operation
from gapura.console.problems import Invalid
from gapura.store import accounts, links
from gapura.store.base import Conflict, Connection


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`scope`: `see` to read, `object` to object as well.  `reason` stands in the audit; the link does not."""

    reason: str
    scope: links.Scope = "object"
    days: Annotated[int, Meta(ge=1, le=365)] = 30


class Link(msgspec.Struct, frozen=True):
    """`url` is told this once, and good for that account until `ends`."""

    account: str
    url: str
    ends: str
    kind: Literal["see", "object"]


class Void(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`link`: the address, or its last part; or `all` that the account had until now."""

    reason: str
    link: Annotated[str, Meta(max_length=2000)] = ""
    all: bool = False


class Revoked(msgspec.Struct, frozen=True):
    account: str
    all: bool


async def make(call: Call, account: str, body: Wanted) -> Link:
    """A link by which an account reaches its own pages, without a key."""
    check_reason(body.reason)
    public, secret = call.context.settings.public_url, call.context.store.secret
    if not public:
        raise Conflict("accounts have no pages here; set GAPURA_PUBLIC_URL")
    at = call.context.store.clock()
    ends = at + body.days * links.DAY

    def work(db: Connection) -> str:
        return accounts.get(db, call.who.scope, account).id

    name = await call.change(Intent("account.link", account, body.reason), work, str)
    url = f"{public}/enter/{links.sign(secret, links.Pass(name, body.scope, ends, at))}"
    return Link(name, url, text(ends // 1_000_000 * 1_000_000), body.scope)


async def revoke(call: Call, account: str, body: Void) -> Revoked:
    """Links open nothing any more, nor what somebody came in with by them; the reader is told so."""
    check_reason(body.reason)
    if bool(body.link) == body.all:
        raise Invalid("say which link it is, or all of them", param="link")
    at, secret = call.context.store.clock(), call.context.store.secret
    found = links.opened(secret, _token(body.link), 0) if body.link else None
    if body.link and (found is None or found.account != account):
        raise Invalid("this is no link of this account", param="link")

    def work(db: Connection) -> str:
        name = accounts.get(db, call.who.scope, account).id
        if found is None:
            links.revoke_all(db, name, at)
        else:
            links.revoke(db, found, at)
        return name

    return Revoked(await call.change(Intent("account.revoke_link", account, body.reason), work, str), body.all)


def _token(link: str) -> str:
    """Of a whole address, or of its last part."""
    return link.strip().removesuffix("/object").rstrip("/").rpartition("/")[2]


OPERATIONS = (
    Operation("POST", "/accounts/{account}/link", ("appeal.decide",), make),
    Operation("POST", "/accounts/{account}/link/revoke", ("appeal.decide",), revoke),
)
