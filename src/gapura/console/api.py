"""The admin API as one ASGI application, made anew for each listener."""

from collections.abc import Awaitable, Callable
from functools import cache

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route

from gapura.console import (
    accounts,
    appeals,
    atlas,
    audit,
    backup,
    budgets,
    campaign_letters,
    campaign_report,
    campaigns,
    claims,
    codes,
    corrections,
    decisions,
    egress,
    exceptions,
    guard,
    keys,
    ledger,
    links,
    mail,
    models,
    openapi,
    policies,
    prices,
    principals,
    problems,
    programme_reports,
    programmes,
    records,
    residence,
    routes,
    shadows,
    status,
    updates,
    usage,
    versions,
    webhooks,
)
from gapura.console.context import Context
from gapura.console.operations import Operation
from gapura.errors import GapuraError, NotFound, Refused
from gapura.rulebook.documents import BadDocument
from gapura.settings import BadSetting

PREFIX = "/api/v1"

OPERATIONS: tuple[Operation, ...] = (
    *accounts.OPERATIONS,
    *residence.OPERATIONS,
    *exceptions.OPERATIONS,
    *appeals.OPERATIONS,
    *links.OPERATIONS,
    *keys.OPERATIONS,
    *principals.OPERATIONS,
    *policies.OPERATIONS,
    *versions.OPERATIONS,
    *shadows.OPERATIONS,
    *routes.OPERATIONS,
    *models.OPERATIONS,
    *prices.OPERATIONS,
    *budgets.OPERATIONS,
    *atlas.OPERATIONS,
    *updates.OPERATIONS,
    *corrections.OPERATIONS,
    *egress.OPERATIONS,
    *usage.OPERATIONS,
    *records.OPERATIONS,
    *audit.OPERATIONS,
    *programmes.OPERATIONS,
    *claims.OPERATIONS,
    *decisions.OPERATIONS,
    *codes.OPERATIONS,
    *ledger.OPERATIONS,
    *programme_reports.OPERATIONS,
    *webhooks.OPERATIONS,
    *backup.OPERATIONS,
    *campaigns.OPERATIONS,
    *campaign_letters.OPERATIONS,
    *campaign_report.OPERATIONS,
    *mail.OPERATIONS,
    *status.OPERATIONS,
)

Endpoint = Callable[[Request], Awaitable[Response]]


class WrongMethod(Refused):
    """The path is there, and takes other methods."""

    status = 405
    code = "method_not_allowed"


def admin(context: Context, *, local: bool = False) -> Starlette:
    """`local`: for the keeper's Unix socket, whose directory only our own user can enter: whoever is there is owner."""

    def guarded(inner: Endpoint) -> Endpoint:
        return inner if local else _of_our_site(inner, context)

    def served(operation: Operation) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            who = guard.local_owner() if local else await guard.identify(request, context)
            return await operation.run(request, context, who)

        return guarded(endpoint)

    def probed(answer: Callable[[Context], Response]) -> Endpoint:
        async def endpoint(_: Request) -> Response:
            return answer(context)

        return guarded(endpoint)

    probes = {**status.PROBES, f"{PREFIX}/openapi.json": lambda _: _described()}
    return Starlette(
        routes=[
            *(Route(PREFIX + row.path, served(row), methods=[row.method], name=row.name) for row in OPERATIONS),
            *(Route(path, probed(answer), methods=["GET"]) for path, answer in probes.items()),
        ],
        exception_handlers={
            GapuraError: _refused,
            BadDocument: _refused,
            BadSetting: _refused,
            HTTPException: _unrouted,
            Exception: _broken,
        },
    )


@cache
def _described() -> Response:
    """Made when somebody asks: it takes longer than all else that an application is made of."""
    return JSONResponse(openapi.document(OPERATIONS, PREFIX))


def _of_our_site(inner: Endpoint, context: Context) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        guard.check_site(request, context.settings)
        return await inner(request)

    return endpoint


async def _refused(_: Request, error: Exception) -> Response:
    if isinstance(error, BadDocument | BadSetting):
        error = problems.Invalid(str(error), param=getattr(error, "path", None))
    if not isinstance(error, GapuraError):
        raise error
    return problems.answer(error)


async def _unrouted(request: Request, error: Exception) -> Response:
    """Starlette's own words for a path or a method that is not in the table."""
    path, method = request.url.path, request.method
    if isinstance(error, HTTPException) and error.status_code == WrongMethod.status:
        said = problems.answer(WrongMethod(f"{path} does not take {method}"))
        there = [one for one in request.app.routes if one.matches(request.scope)[0] is not Match.NONE]
        said.headers["allow"] = ", ".join(sorted({way for one in there for way in one.methods}))  # RFC 9110, 15.5.6
        return said
    return problems.answer(NotFound(f"there is no {path}; see {PREFIX}/openapi.json"))


async def _broken(_: Request, __: Exception) -> Response:
    """A mistake of ours: said in our shape, and raised further for the log."""
    return problems.answer(GapuraError("this is a mistake in gapura; the keeper's log tells more"))
