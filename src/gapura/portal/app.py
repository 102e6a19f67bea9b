"""The pages' paths.  Each answer has the same strict headers, and each failure is said in the reader's language.

GET  /  ·  POST /enter, /leave          GET /enter/{link}, /enter/{link}/object
GET  /account (.json)                   GET, POST /object  ·  POST /objections.json
GET  /objections/{id} (.json)           POST /objections/{id}/withdraw (.json)
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlencode

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from gapura.errors import BadRequest, Forbidden, GapuraError, NotFound, TooLarge
from gapura.letters.voice import Voice
from gapura.portal import limits
from gapura.portal.cases import LONGEST_REASON, Case, Objection, Overview, overview
from gapura.portal.entry import Door
from gapura.portal.hearing import Hearing
from gapura.portal.pages import STYLE, Pages
from gapura.store import accounts, links
from gapura.store.base import Connection
from gapura.store.links import Pass
from gapura.terms.caller import Account

Handler = Callable[[Request], Awaitable[Response]]

BODY_LIMIT = 64 * 1024
FIELDS = 10
HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-robots-tag", b"noindex"),
]
TROUBLES = {400: "bad", 403: "forbidden", 404: "missing", 405: "missing", 409: "conflict", 413: "large", 429: "often"}
FORM, DATA = b"application/x-www-form-urlencoded", b"application/json"


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An objection, as a program sends it."""

    policy: str
    reason: str


class Seen:
    """Whoever is let in: the account, what it is shown, and in which language."""

    def __init__(self, account: Account, shown: Overview, voice: Voice) -> None:
        self.account, self.shown, self.voice = account, shown, voice
        self.zone = account.zone or "UTC"

    def case(self, policy: str) -> Case:
        """That of the policy, or the first one that can be objected to.  Raises NotFound."""
        found = [one for one in self.shown.cases if one.may_object and policy in {"", one.policy}]
        if not found:
            raise NotFound("there is nothing to object to under this name", param="policy")
        return found[0]

    def objection(self, name: str) -> Objection:
        found = next((one for one in self.shown.objections if one.id == name), None)
        if found is None:
            raise NotFound(f"there is no objection {name} of this account")
        return found


class Portal:
    """An ASGI application.  `hearing` reads and changes; `door` knows who is there."""

    def __init__(self, hearing: Hearing, door: Door) -> None:
        self._hearing, self._door = hearing, door
        self._clock = hearing.store.clock
        self._pages, self._counts = Pages(), limits.Counts(self._clock)
        page, data = self._page, self._data
        self._app = Starlette(
            routes=[
                Route("/", page(self._front)),
                Route("/style.css", page(self._style)),
                Route("/enter", page(self._enter), methods=["POST"]),
                Route("/enter/{link}", page(self._by_link)),
                Route("/enter/{link}/object", page(self._by_link)),
                Route("/leave", page(self._leave), methods=["POST"]),
                Route("/account", page(self._account)),
                Route("/account.json", data(self._account_data)),
                Route("/object", page(self._object), methods=["GET", "POST"]),
                Route("/objections.json", data(self._object_data), methods=["POST"]),
                Route("/objections/{id}.json", data(self._objection_data)),
                Route("/objections/{id}/withdraw.json", data(self._withdraw_data), methods=["POST"]),
                Route("/objections/{id}", page(self._objection)),
                Route("/objections/{id}/withdraw", page(self._withdraw), methods=["POST"]),
            ],
            exception_handlers={HTTPException: page(self._nowhere), Exception: self._broken},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
                if not any(name == b"cache-control" for name, _ in message["headers"]):
                    message["headers"].append((b"cache-control", b"no-store"))
            await send(message)

        await self._app(scope, receive, guarded)

    def _page(self, inner: Handler) -> Callable[..., Awaitable[Response]]:
        async def endpoint(request: Request, *_: Exception) -> Response:
            try:
                self._counts.take(limits.PAGES, limits.neighbour(self._door.address(request)))
                return await inner(request)
            except GapuraError as error:
                return self._failed(request, error)

        return endpoint

    def _data(self, inner: Callable[[Request, Pass], Awaitable[Any]]) -> Handler:
        async def endpoint(request: Request) -> Response:
            try:
                address = limits.neighbour(self._door.address(request))
                self._counts.take(limits.PAGES, address)
                return _json(await inner(request, await self._program(request, address)))
            except GapuraError as error:
                said = {"code": error.code or "invalid_request", "message": error.message, "field": error.param or ""}
                return _json({"error": said}, error.status, error.retry_after)

        return endpoint

    async def _program(self, request: Request, address: str) -> Pass:
        """Only a program's own header: what a browser sends by itself is no leave to do anything."""
        at = self._clock()
        try:
            return await self._hearing.read(lambda db: self._door.program(db, request, at))
        except GapuraError:
            self._counts.take(limits.KEYS, address)
            raise

    async def _who(self, request: Request) -> Pass | None:
        found = self._door.browser(request, self._clock())
        return found if await self._valid(found) else None

    async def _valid(self, found: Pass | None) -> bool:
        return found is not None and not await self._hearing.read(lambda db: links.is_revoked(db, found))

    async def _front(self, request: Request) -> Response:
        found = self._door.browser(request, self._clock())
        if await self._valid(found):
            return _to("/account", request)
        return self._entrance(request, "revoked" if found else "")

    async def _style(self, _: Request) -> Response:
        return Response(STYLE, media_type="text/css", headers={"cache-control": "max-age=3600"})

    async def _enter(self, request: Request) -> Response:
        self._door.check_site(request)
        fields, at, address = await _form(request), self._clock(), self._door.address(request)
        self._counts.take(limits.KEYS, limits.neighbour(address))
        key = fields.get("key", "").strip()
        found = await self._hearing.read(lambda db: self._door.by_key(db, key, address, at))
        if found is None:
            return self._entrance(request, "wrong", 401)
        answer = _to("/account", request)
        self._door.let_in(answer, found, at)
        return answer

    async def _by_link(self, request: Request) -> Response:
        """Mail programs look at links before people do, so this changes nothing but who is let in."""
        at = self._clock()
        found = self._door.by_link(request.path_params["link"], at)
        if found is None:
            return self._entrance(request, "over", 401)
        if not await self._valid(found):
            return self._entrance(request, "revoked", 401)
        answer = _to("/object" if request.url.path.endswith("/object") else "/account", request)
        self._door.let_in(answer, found, at)
        return answer

    async def _leave(self, request: Request) -> Response:
        self._door.check_form(request, (await _form(request)).get("form", ""))
        answer = _to("/", request)
        self._door.let_out(answer)
        return answer

    async def _account(self, request: Request) -> Response:
        if (who := await self._who(request)) is None:
            return _to("/", request)
        seen = await self._seen(request, who)
        title = seen.voice.say("account.title", account=seen.account.external_id)
        return self._shown(request, seen, "account", title, **self._pages.account(seen.voice, seen.zone, seen.shown))

    async def _account_data(self, request: Request, who: Pass) -> Overview:
        return (await self._seen(request, who)).shown

    async def _object(self, request: Request) -> Response:
        who = await self._who(request)
        if who is None:
            return _to("/", request)
        seen = await self._seen(request, who)
        if request.method == "GET":
            policy = request.query_params.get("policy", "")
            if not policy and not any(one.may_object for one in seen.shown.cases):
                return _to("/account", request)
            return self._asked(request, seen, seen.case(policy))
        fields = await _form(request)
        self._door.check_form(request, fields.get("form", ""))
        case, reason = seen.case(fields.get("policy", "")), fields.get("reason", "").strip()
        if not reason:
            return self._asked(request, seen, case, "empty", 422)
        made = await self._file(who, case.policy, reason, seen.voice.language)
        return _to(f"/objections/{made}", request)

    async def _object_data(self, request: Request, who: Pass) -> Objection:
        try:
            wanted = msgspec.json.decode(await _body(request, DATA), type=Wanted)
        except msgspec.MsgspecError as error:
            raise BadRequest(f"the body is no objection: {error}") from error
        if not wanted.reason.strip():
            raise BadRequest("reason is missing", param="reason")
        made = await self._file(who, wanted.policy, wanted.reason.strip(), "")
        return (await self._seen(request, who)).objection(made)

    async def _objection(self, request: Request) -> Response:
        if (who := await self._who(request)) is None:
            return _to("/", request)
        seen = await self._seen(request, who)
        shown = self._pages.objection(seen.voice, seen.zone, seen.objection(request.path_params["id"]))
        title = seen.voice.say("appeal.title")
        return self._shown(request, seen, "objection", title, appeal=shown, may_object=who.scope == "object")

    async def _objection_data(self, request: Request, who: Pass) -> Objection:
        return (await self._seen(request, who)).objection(request.path_params["id"])

    async def _withdraw(self, request: Request) -> Response:
        who = await self._who(request)
        if who is None:
            return _to("/", request)
        self._door.check_form(request, (await _form(request)).get("form", ""))
        await self._take_back(request, who)
        return _to(f"/objections/{request.path_params['id']}", request)

    async def _withdraw_data(self, request: Request, who: Pass) -> Objection:
        await self._take_back(request, who)
        return (await self._seen(request, who)).objection(request.path_params["id"])

    async def _nowhere(self, _: Request) -> Response:
        raise NotFound("there is no such page")

    async def _broken(self, request: Request, _: Exception) -> Response:
        """A mistake of ours: said as others are, and raised further for the log."""
        return self._failed(request, GapuraError("this is a mistake of ours"))

    async def _file(self, who: Pass, policy: str, reason: str, language: str) -> str:
        _require_object(who)
        if len(reason) > LONGEST_REASON:
            raise TooLarge(f"reason has more than {LONGEST_REASON} characters", param="reason")
        self._counts.take(limits.OBJECTIONS, who.account)
        return await self._hearing.file(who.account, policy, reason, language)

    async def _take_back(self, request: Request, who: Pass) -> None:
        _require_object(who)
        (await self._seen(request, who)).objection(request.path_params["id"])
        await self._hearing.withdraw(who.account, request.path_params["id"])

    async def _seen(self, request: Request, who: Pass) -> Seen:
        at, policies = self._clock(), self._hearing.policies()

        def work(db: Connection) -> tuple[Account, Overview]:
            return accounts.get(db, None, who.account), overview(db, policies, self._hearing.ways, who.account, at)

        account, shown = await self._hearing.read(work)
        voice = self._voice(request, account.language)
        if who.scope != "object":
            cases = tuple(msgspec.structs.replace(one, may_object=False) for one in shown.cases)
            shown = msgspec.structs.replace(shown, cases=cases)
        return Seen(account, shown, voice)

    def _voice(self, request: Request, language: str = "") -> Voice:
        asked = request.query_params.get("lang", "")[:35]
        return self._pages.voice(asked, language, request.headers.get("accept-language", ""))

    def _asked(self, request: Request, seen: Seen, case: Case, trouble: str = "", status: int = 200) -> Response:
        title = seen.voice.say("object.title")
        shown = self._pages.case(seen.voice, seen.zone, case)
        here = f"/object?{urlencode({'policy': case.policy})}&"
        return self._shown(request, seen, "object", title, case=shown, trouble=trouble, here=here, status=status)

    def _shown(
        self, request: Request, seen: Seen, view: str, title: str, *, here: str = "", status: int = 200, **values: Any
    ) -> Response:
        seal = self._door.seal(request)
        text = self._pages.render(seen.voice, view, title, here or f"{request.url.path}?", form=seal, **values)
        return HTMLResponse(text, status)

    def _entrance(self, request: Request, trouble: str = "", status: int = 200) -> Response:
        voice = self._voice(request)
        return HTMLResponse(self._pages.render(voice, "enter", voice.say("enter.title"), "/?", trouble=trouble), status)

    def _failed(self, request: Request, error: GapuraError) -> Response:
        voice, trouble = self._voice(request), TROUBLES.get(error.status, "broken")
        headers = {"retry-after": str(round(error.retry_after))} if error.retry_after else None
        text = self._pages.render(voice, "error", voice.say("error.title"), "/account?", trouble=trouble)
        return HTMLResponse(text, error.status, headers)


def _require_object(who: Pass) -> None:
    if who.scope != "object":
        raise Forbidden("this link is to read only")


def _to(path: str, request: Request) -> Response:
    """303, so that a form is not sent twice; the language goes along."""
    language = request.query_params.get("lang", "")
    return RedirectResponse(f"{path}?{urlencode({'lang': language})}" if language else path, 303)


def _json(value: Any, status: int = 200, retry_after: float | None = None) -> Response:
    headers = {"retry-after": str(round(retry_after))} if retry_after else None
    return Response(msgspec.json.encode(value), status, headers, "application/json")


async def _form(request: Request) -> dict[str, str]:
    """Of a field that comes twice the last counts."""
    raw = await _body(request, FORM)
    try:
        fields = parse_qs(raw.decode(), keep_blank_values=True, max_num_fields=FIELDS)
    except ValueError as error:
        raise BadRequest(f"the form cannot be read: {error}") from error
    return {name: values[-1] for name, values in fields.items()}


async def _body(request: Request, kind: bytes) -> bytes:
    """Raises BadRequest for another kind than is expected, TooLarge beyond BODY_LIMIT."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != kind.decode():
        raise BadRequest(f"the body has to be {kind.decode()}", param="content-type")
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_LIMIT:
            raise TooLarge(f"the body is larger than {BODY_LIMIT} bytes")
        parts.append(part)
    return b"".join(parts)
