"""How the process is, for people, for load balancers and for Prometheus."""

from collections.abc import Callable

from starlette.responses import PlainTextResponse, Response

from gapura.console.context import Context, Status
from gapura.console.operations import Call, Operation
from gapura.wire import exposition


async def show(call: Call) -> Status:
    """The keeper, its gates, and what a person should look at."""
    return call.context.status()


def _ready(context: Context) -> Response:
    status = context.status()
    return PlainTextResponse("ready\n" if status.ready else "not ready\n", 200 if status.ready else 503)


PROBES: dict[str, Callable[[Context], Response]] = {
    "/livez": lambda _: PlainTextResponse("alive\n"),
    "/readyz": _ready,
    "/metrics": lambda context: Response(
        exposition.render(context.metrics()), headers={"content-type": exposition.CONTENT_TYPE}
    ),
}
"""What anybody who reaches the port may ask: no token, and no word of a customer in the answer."""

OPERATIONS = (Operation("GET", "/status", ("rulebook.read",), show),)
