"""Conversations that go on where they stopped: `store` and `previous_response_id` of Responses.

Only an account that wants it has its conversations kept: sealed, for 30 days, and for nobody else.  Elsewhere the
caller sends the whole conversation each time.
"""

from typing import Any, Protocol

import msgspec
from msgspec import Raw

from gapura.errors import BadRequest, NotFound
from gapura.terms.caller import Account
from gapura.wire import openai
from gapura.wire.responses.request import ENCRYPTED, NO_STATE, ResponsesRequest, read
from gapura.wire.sse import events

DONE = (b"event: response.completed\n", b"event: response.incomplete\n")

_ENCODER = msgspec.json.Encoder()
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_ITEMS = msgspec.json.Decoder(list[Raw])


class Kept(msgspec.Struct):
    """A response, and all items of the conversation up to it and with it."""

    response: Raw
    items: list[Raw]


_KEPT = msgspec.json.Decoder(Kept)


class Memory(Protocol):
    """The part of `gapura.gate.memory.Memory` that a request needs."""

    async def find(self, account: str, name: str) -> bytes | None: ...
    async def drop(self, account: str, name: str) -> bool: ...
    async def keep(self, account: str, name: str, data: bytes) -> bool: ...


class Forgetful:
    """A gate without a keeper: it keeps nothing, and finds nothing."""

    async def find(self, account: str, name: str) -> bytes | None:  # noqa: ARG002 - the shape of a memory
        return None

    async def drop(self, account: str, name: str) -> bool:  # noqa: ARG002 - as above
        return False

    async def keep(self, account: str, name: str, data: bytes) -> bool:  # noqa: ARG002 - as above
        return False


class Keeping:
    """What is to be kept when the answer is there.  `previous` is the response that it follows."""

    def __init__(self, memory: Memory, account: str, items: list[Raw], previous: str | None) -> None:
        self._memory, self._account, self._items, self._previous = memory, account, items, previous

    async def plain(self, body: bytes) -> bytes:
        """The answer, as it is told: kept by then, or said not to be."""
        response = _FIELDS.decode(body)
        if not {"id", "output"} <= response.keys():
            return body  # nothing that could be gone on from
        told = {**response, "previous_response_id": _raw(self._previous)}
        items = [*self._items, *_ITEMS.decode(response["output"])]
        name = msgspec.json.decode(response["id"], type=str)
        whole = _ENCODER.encode({**told, "store": True})
        kept = await self._memory.keep(self._account, name, _ENCODER.encode(Kept(Raw(whole), items)))
        return whole if kept else _ENCODER.encode({**told, "store": False})

    async def last(self, data: bytes) -> bytes:
        """The last bytes of a stream, in which its end stands."""
        blocks = data.split(b"\n\n")
        for place, block in enumerate(blocks):
            if block.startswith(DONE):
                event = _FIELDS.decode(next(events([block])).data.encode())
                event["response"] = Raw(await self.plain(bytes(event["response"])))
                blocks[place] = block.partition(b"\n")[0] + b"\ndata: " + _ENCODER.encode(event)
        return b"\n\n".join(blocks)


async def recall(
    memory: Memory, account: Account, asked: ResponsesRequest, body: bytes
) -> tuple[bytes, ResponsesRequest, Keeping | None]:
    """The request with what was said before it, and what is to be kept of it.  The vendor is told to keep nothing, and
    to hand over what the next turn needs of its thoughts.

    Raises BadRequest where nothing is kept for this account, NotFound where nothing is of that name, and Unready.
    """
    for name in ("conversation", "background") if account.keeps_responses else FORBIDDEN:
        if getattr(asked, name):
            raise BadRequest(f"{name} is not supported: {NO_STATE}.", param=name, code="unsupported_parameter")
    if not account.keeps_responses:
        return body, asked, None
    items, previous = _given(asked.input), asked.previous_response_id
    changes: dict[str, Any] = {}
    if previous is not None:
        items = [*(await stored(memory, account.id, previous)).items, *items]
        changes = {"previous_response_id": None, "input": items}
    keeping = None
    if asked.store is not False:
        keeping = Keeping(memory, account.id, items, previous)
        changes |= {"store": False, "include": list(dict.fromkeys([*(asked.include or ()), ENCRYPTED]))}
    if not changes:
        return body, asked, None
    body = openai.splice(body, changes)
    return body, read(body), keeping


FORBIDDEN = ("previous_response_id", "conversation", "background")


async def stored(memory: Memory, account: str, name: str) -> Kept:
    """Raises NotFound, and Unready."""
    found = await memory.find(account, name)
    if found is None:
        raise _missing(name)
    return _KEPT.decode(found)


def _missing(name: str) -> NotFound:
    return NotFound(
        f"There is no response '{name}' here: it was never kept, is older than 30 days, or was deleted.",
        param="previous_response_id",
        code="previous_response_not_found",
    )


def _given(given: Raw) -> list[Raw]:
    """The input as items."""
    if bytes(given).lstrip().startswith(b"["):
        return _ITEMS.decode(given)
    return [Raw(_ENCODER.encode({"role": "user", "content": msgspec.json.decode(given)}))]


def _raw(value: object) -> Raw:
    return Raw(_ENCODER.encode(value))
