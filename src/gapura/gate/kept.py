"""What a gate tells of conversations that it keeps: OpenAI's questions for a Response that is there already.

GET     /v1/responses/ID               what was answered
DELETE  /v1/responses/ID
GET     /v1/responses/ID/input_items   what was asked, with all that was said before
POST    /v1/responses/ID/cancel        nothing runs in the background here, so there is nothing to cancel
"""

from urllib.parse import parse_qs

import msgspec

from gapura.errors import BadRequest, NotFound
from gapura.request.accept import Exchange
from gapura.request.identify import identify
from gapura.request.pipeline import Gate
from gapura.request.remember import Kept, stored
from gapura.wire.responses.listing import page

ROOT = "/v1/responses/"
JSON = [(b"content-type", b"application/json")]

METHODS = {"": ("GET", "DELETE"), "input_items": ("GET",), "cancel": ("POST",)}

_ENCODER = msgspec.json.Encoder()


def part(path: str) -> str | None:
    """What is asked of the Response that a path names: "" for itself; None where it names none."""
    name, _, rest = path.removeprefix(ROOT).partition("/")
    return rest if path.startswith(ROOT) and name and rest in METHODS else None


async def answer(gate: Gate, exchange: Exchange, method: str) -> None:
    """Raises NotFound, also for what another account keeps, BadRequest and Unready."""
    caller = identify(exchange.headers, gate.directory, gate.pepper, exchange.at)
    account, (name, _, rest) = caller.account.id, exchange.path.removeprefix(ROOT).partition("/")
    if method == "DELETE":
        if not await gate.memory.drop(account, name):
            raise _missing(name)
        await _say(exchange, {"id": name, "object": "response", "deleted": True})
        return
    try:
        kept = await stored(gate.memory, account, name)
    except NotFound:
        raise _missing(name) from None
    if rest == "cancel":
        raise BadRequest("Cannot cancel a synchronous response.")
    if rest == "input_items":
        await _say(exchange, page(_asked(kept), name, exchange.query.decode("latin-1")))
    elif parse_qs(exchange.query.decode("latin-1")).get("stream", ["false"])[-1] == "true":
        raise BadRequest(
            "This response cannot be streamed: it was not created with background=true.",
            param="stream",
            code="unsupported_parameter",
        )
    else:
        await exchange.answer(200, JSON, bytes(kept.response))


def _asked(kept: Kept) -> list[dict[str, object]]:
    """All items of the conversation but those of the answer itself, which stand at its end."""
    answered = msgspec.json.decode(kept.response, type=_Answered).output
    return [msgspec.json.decode(item) for item in kept.items[: len(kept.items) - len(answered)]]


class _Answered(msgspec.Struct):
    output: list[msgspec.Raw]


def _missing(name: str) -> NotFound:
    return NotFound(f"Response with id '{name}' not found: it was never kept, is older than 30 days, or was deleted.")


async def _say(exchange: Exchange, document: object) -> None:
    await exchange.answer(200, JSON, _ENCODER.encode(document))
