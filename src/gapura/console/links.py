"""Links to an account's own pages, for an operator who hands them over by another way than a letter."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gapura.clock import text
from gapura.console.keys import check_reason
from gapura.console.operations import Call, Intent, Operation
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


async def make(call: Call, account: str, body: Wanted) -> Link:
    """A link by which an account reaches its own pages, without a key."""
    check_reason(body.reason)
    public, secret = call.context.settings.public_url, call.context.store.secret
    if not public:
        raise Conflict("accounts have no pages here; set GAPURA_PUBLIC_URL")
    ends = call.context.store.clock() + body.days * links.DAY

    def work(db: Connection) -> str:
        return accounts.get(db, call.who.scope, account).id

    name = await call.change(Intent("account.link", account, body.reason), work, str)
    url = f"{public}/enter/{links.sign(secret, name, body.scope, ends)}"
    return Link(name, url, text(ends // 1_000_000 * 1_000_000), body.scope)


OPERATIONS = (Operation("POST", "/accounts/{account}/link", ("appeal.decide",), make),)
