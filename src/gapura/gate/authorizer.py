"""The same decision for other front ends: may whoever asks them use this product, from there?

nginx, Traefik, Caddy and Envoy ask before they hand a request on.  What they ask with is believed, so only a peer of a
named network that also has the secret is heard; anybody else learns nothing, and the operator's log says why.  The
client's address is taken from `X-Forwarded-For` or `Forwarded` alone: front ends write these by themselves, and hand on
every other header as the client sent it.  Nothing is metered or recorded; answers are counted.
"""

import hmac
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple
from urllib.parse import parse_qs, quote

import msgspec
import structlog

from gapura.atlas import packs
from gapura.atlas.proxies import Trust
from gapura.clock import SECOND
from gapura.errors import BadRequest, Forbidden, GapuraError, NotFound, RegionBlocked, Unready
from gapura.gate.metrics import sample
from gapura.request.accept import Exchange, Receive, Scope, Send
from gapura.request.locate import locate
from gapura.request.pipeline import Gate
from gapura.rulebook.compile import Rules
from gapura.terms import ids
from gapura.terms.caller import Account, Caller, Key
from gapura.terms.place import Certainty
from gapura.terms.rulebook import Effect
from gapura.wire import openai

log = structlog.get_logger()

PATH, ENVOY = "/authorize", "/ext_authz/"
"""Forward authentication asks at the one; Envoy appends the client's own path to the other."""

SECRET, PRODUCT, MODEL = b"gapura-authorizer-secret", b"gapura-product", b"gapura-model"
ACCOUNT, ORGANISATION = b"gapura-account", b"gapura-organisation"
NOTICE = b"gapura-notice"
STATED = frozenset({SECRET, PRODUCT, MODEL, ACCOUNT, ORGANISATION})

NOBODY = Key(id="", account_id="", prefix="")
DEFAULT_ORGANISATION = "default"

# Whoever asks in vain asks often: the log says it once in a while.
QUIET = 60 * SECOND

JSON = [(b"content-type", b"application/json")]
PRINTABLE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")

_ENCODER = msgspec.json.Encoder()


class Access(NamedTuple):
    """Who may ask, and what is meant where they do not say.  `proxies` are passed over on the way to the client: the
    peers, and the proxies in front of them."""

    secret: bytes
    peers: Trust
    proxies: Trust
    product: str = ""
    on_error: Literal["deny", "allow"] = "deny"


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an answer that lets the request pass.  `because` is a sentence; `notice` says when a block begins."""

    effect: Effect
    product: str = ""
    territory: str = ""
    certainty: Certainty = "unknown"
    policy: str = ""
    rule: str = ""
    because: str = ""
    notice: str = ""
    decision: str = ""
    rules: str = ""


class _Unheard(Exception):
    """A question that is not answered: `reason` for the metrics, the message for the operator's log."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Authorizer:
    """The ASGI application of the authorizer's listener.  `account` looks one up by organisation and external id."""

    def __init__(self, gate: Gate, access: Access, account: Callable[[str, str], Account | None]) -> None:
        self._gate, self._access, self._account = gate, access, account
        self._places = gate.places._replace(trust=access.proxies)
        self._answered: Counter[tuple[str, Effect, str]] = Counter()
        self._undecided = 0
        self._unheard: Counter[str] = Counter()
        self._quiet_until: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        at = self._gate.clock()
        exchange = Exchange(scope, receive, send, request_id=ids.new("req", at), at=at)
        exchange.notes.append((b"cache-control", b"no-store"))
        try:
            self._admit(exchange)
            await self._answer(exchange, scope["query_string"])
        except _Unheard as unheard:
            self._tell(unheard, exchange)
            await exchange.fail(Forbidden("This is not open to you.", code="not_authorized"))
        except NotFound as error:
            await exchange.fail(error)
        except Exception as error:  # a failure of ours has an answer, too: the one that the operator chose
            if not isinstance(error, Unready):
                log.exception("a decision met a bug", request=exchange.id)
            await self._undecidable(exchange, error)

    def samples(self) -> dict[str, float]:
        """The counters, by series."""
        found: dict[str, float] = {}
        for (product, effect, territory), count in self._answered.items():
            labels = {"product": product, "effect": effect, "territory": territory}
            found[sample("gapura_authorizer_decisions_total", labels)] = count
        for reason, count in self._unheard.items():
            found[sample("gapura_authorizer_unheard_total", {"reason": reason})] = count
        return found | {"gapura_authorizer_undecided_total": self._undecided}

    def _admit(self, exchange: Exchange) -> None:
        if not self._access.peers.trusts(exchange.peer):
            raise _Unheard("peer", "the peer is in none of GAPURA_AUTHORIZER_PEERS")
        given = [value for name, value in exchange.headers if name == SECRET]
        if len(given) != 1 or not hmac.compare_digest(given[0], self._access.secret):
            raise _Unheard("secret", f"{SECRET.decode()} is missing, wrong or sent twice")
        if exchange.path != PATH and not exchange.path.startswith(ENVOY):
            raise NotFound(f"There is nothing at {exchange.path}; ask {PATH}, or below {ENVOY} with Envoy.")

    async def _answer(self, exchange: Exchange, query: bytes) -> None:
        gate, rules, at = self._gate, self._gate.rules, exchange.at
        stated = _stated(exchange.headers)
        # Below Envoy's prefix path and query are the client's own.
        product = self._product(rules, stated, query if exchange.path == PATH else b"")
        account = self._known(stated)
        if at > gate.freshness.fresh_until and product in rules.products:
            raise Unready("The rules are older than GAPURA_SNAPSHOT_MAX_AGE: the keeper is away.", retry_after=1)
        forwarding = [header for header in exchange.headers if header[0] in self._access.proxies.headers]
        if not forwarding:
            raise _Unheard("address", "the front end does not say whose request it is: it must send X-Forwarded-For")
        if gate.places.atlas is not self._places.atlas:
            self._places = gate.places._replace(trust=self._access.proxies)
        try:
            origin = locate(forwarding, exchange.peer, Caller(NOBODY, account), self._places)
        except BadRequest as error:
            raise _Unheard("address", error.message) from None
        model = stated.get(MODEL, "")
        verdict = rules.judge_product(product, origin, account, at, model)
        self._answered[product, verdict.effect, origin.territory] += 1
        if gate.shadow is not None:
            gate.shadow.beside_product(verdict, product, origin, account, at, model)
        notice = ""
        if verdict.effect in {"warn", "review"} or (account.notices and verdict.effect == "allow"):
            told = gate.notices.of_product(rules, product, origin, account, at, model)
            notice = dict(told).get(NOTICE, b"").decode()
        said = Said(
            verdict.effect,
            product,
            origin.territory,
            origin.certainty,
            verdict.policy,
            verdict.rule,
            verdict.because,
            notice,
            ids.beside("dec", exchange.id),
            rules.book.version,
        )
        await _say(exchange, said)

    def _product(self, rules: Rules, stated: Mapping[bytes, str], query: bytes) -> str:
        """The product that is asked about: a misspelt one would be guarded by nothing, so it must be known."""
        asked = parse_qs(query.decode("latin-1")).get("product", []) if query else []
        named = {*asked, *filter(None, [stated.get(PRODUCT)])}
        if len(named) > 1:
            raise _Unheard("product", "the query and gapura-product name different products")
        product = next(iter(named), self._access.product)
        if not product:
            raise _Unheard("product", "no product is named: send gapura-product or set GAPURA_AUTHORIZER_PRODUCT")
        if product not in rules.products and product not in packs.names():
            raise _Unheard("product", f"no policy guards {product[:100]!r}, and no pack is called so")
        return product

    def _known(self, stated: Mapping[bytes, str]) -> Account:
        """The account as the directory knows it; one that it does not know is judged by its name and place alone."""
        external_id = stated.get(ACCOUNT, "")
        organisation = stated.get(ORGANISATION) or DEFAULT_ORGANISATION
        found = self._account(organisation, external_id) if external_id else None
        return found or Account(id="", external_id=external_id, organisation=organisation)

    async def _undecidable(self, exchange: Exchange, error: Exception) -> None:
        self._undecided += 1
        if self._access.on_error == "allow":
            await _say(exchange, Said("allow", because="not decided: GAPURA_AUTHORIZER_ON_ERROR is allow"))
        else:
            await exchange.fail(error if isinstance(error, GapuraError) else Unready("This cannot be decided now."))

    def _tell(self, unheard: _Unheard, exchange: Exchange) -> None:
        self._unheard[unheard.reason] += 1
        if exchange.at >= self._quiet_until.get(unheard.reason, 0):
            self._quiet_until[unheard.reason] = exchange.at + QUIET
            log.warning("a question to the authorizer was not heard", why=str(unheard), peer=exchange.peer)


async def _say(exchange: Exchange, said: Said) -> None:
    exchange.effect = said.effect
    # All of them each time, also those that are empty: some front ends replace only what they get, and what the client
    # wrote under the name would stay.
    headers = [
        (b"gapura-effect", said.effect.encode()),
        (b"gapura-territory", said.territory.encode()),
        (b"gapura-certainty", said.certainty.encode()),
        (b"gapura-policy", _header(said.policy)),
        (NOTICE, said.notice.encode()),
        (b"gapura-decision", f"{said.effect};id={said.decision}".encode() if said.decision else b""),
    ]
    if said.effect != "block":
        await exchange.answer(200, [*JSON, *headers], _ENCODER.encode(said))
        return
    suspended = Forbidden(f"Refused: {said.because}.", code="account_suspended")
    error = RegionBlocked() if said.policy else suspended
    # For front ends that do not hand a body on.
    headers.append((b"gapura-code", str(error.code).encode()))
    reply = openai.render(error)
    await exchange.answer(reply.status, [*reply.headers, *headers], reply.body)


def _header(value: str) -> bytes:
    """As it is, if it is printable ASCII; what is not, percent-encoded as UTF-8."""
    return quote(value, safe=PRINTABLE).encode()


def _stated(headers: Sequence[tuple[bytes, bytes]]) -> dict[bytes, str]:
    """What the front end says of the request, each thing once."""
    found: dict[bytes, str] = {}
    for name, value in headers:
        if name in STATED:
            if name in found:
                raise _Unheard("headers", f"{name.decode()} comes twice: the front end must replace the client's")
            try:
                found[name] = value.decode()
            except UnicodeDecodeError:
                raise _Unheard("headers", f"{name.decode()} is not UTF-8") from None
    return found
