"""What a person asks about: a place, an account, an instant → what the request river would have been given."""

import msgspec

from gapura.atlas import territories
from gapura.atlas.proxies import Trust
from gapura.clock import instant
from gapura.console.operations import Call
from gapura.console.problems import Invalid
from gapura.errors import NotFound
from gapura.request.locate import ADDRESS, TERRITORY, Places, locate
from gapura.store import accounts
from gapura.store.base import Connection
from gapura.terms.caller import Account, Caller, Key
from gapura.terms.place import Origin

# Nobody in particular: known to no policy by name, in good standing, without limits.
ANYBODY = Account("", "", "")


class Question(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`place`: an address, or a territory or a part of one, by code or name.  `account`: an id, or an external id
    within `organisation`; "": nobody in particular.  `at`: RFC 3339 with offset; "": now."""

    place: str
    account: str = ""
    organisation: str = ""
    at: str = ""


async def caller(call: Call, question: Question) -> Caller:
    """Raises NotFound."""

    def work(db: Connection) -> Account:
        if question.account.startswith("acc_"):
            return accounts.get(db, call.who.scope, question.account)
        organisation = question.organisation or accounts.DEFAULT_ORGANISATION
        return accounts.by_external_id(db, call.who.scope, organisation, question.account)

    account = await call.read(work) if question.account else ANYBODY
    return Caller(Key("", account.id, "", may_assert_origin=True), account)


def origin(call: Call, question: Question, who: Caller) -> Origin:
    """As a request gets it whose key asserts this place.  Raises Invalid for what is neither address nor territory."""
    atlas, place = call.context.atlas(), question.place.strip()
    name = ADDRESS
    if atlas.locate(place).kind == "malformed":
        try:
            place, name = territories.resolve_part(place), TERRITORY
        except ValueError as error:
            raise Invalid(f"place: {error}", param="place") from error
    site = call.context.rules().book.site_territory
    return locate([(name, place.encode())], "", who, Places(atlas, Trust(), site))


def moment(call: Call, question: Question) -> int:
    """UTC microseconds.  Raises Invalid."""
    try:
        return instant(question.at) if question.at else call.context.store.clock()
    except ValueError as error:
        raise Invalid(f"at: {error}", param="at") from error


def no_such_model(model: str) -> NotFound:
    return NotFound(f"no route is called {model}, and it is no provider/model", param="model")
