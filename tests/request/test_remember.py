"""Conversations that go on: only of accounts that want it, and of nobody else."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.request.conftest import HALO, KEY, LAST, WHOLE, Bench, Said, Vendor, bench, says, streams

from gapura.terms.caller import Account, Caller, Key

PATH = "/v1/responses"


class Memory(dict[tuple[str, str], bytes]):
    """`away`: the keeper does not answer."""

    away = False

    async def find(self, account: str, name: str) -> bytes | None:
        return self.get((account, name))

    async def drop(self, account: str, name: str) -> bool:
        return self.pop((account, name), None) is not None

    async def keep(self, account: str, name: str, data: bytes) -> bool:
        if not self.away:
            self[account, name] = data
        return not self.away


class Script:
    """A vendor that answers, and remembers what it was asked."""

    def __init__(self, *, native: bool = False, streamed: bool = False) -> None:
        self.asked: list[dict[str, Any]] = []
        self._answer = says(NATIVE) if native else streams(*HALO, *LAST) if streamed else says(WHOLE)

    async def __call__(self, body: bytes, reader: Any, writer: Any) -> None:
        self.asked.append(json.loads(body))
        await self._answer(body, reader, writer)


THOUGHT = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "zzz"}
PART = {"type": "output_text", "text": "Halo", "annotations": []}
SPOKEN = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [PART]}
NATIVE = {"id": "resp_1", "object": "response", "status": "completed", "store": False, "output": [THOUGHT, SPOKEN]}


@contextmanager
def kept(it: Bench, *, keeps: bool = True) -> Iterator[Memory]:
    memory = Memory()
    it.gate.memory = memory
    it.directory.know(KEY, Caller(Key("k", "acc_1", "p"), Account("acc_1", "e", "o", keeps_responses=keeps)))
    it.directory.know("other", Caller(Key("k2", "acc_2", "p"), Account("acc_2", "f", "o", keeps_responses=True)))
    yield memory


def last_of(said: Said) -> dict[str, Any]:
    """The response, plain or at the end of a stream."""
    if "event-stream" not in said.headers["content-type"]:
        return dict(said.json)
    return dict(json.loads(said.body.decode().strip().split("\n\n")[-1].partition("data: ")[2])["response"])


@pytest.mark.parametrize("streamed", [False, True])
def test_a_conversation_goes_on_where_it_stopped(streamed: bool) -> None:
    async def story() -> None:
        vendor = Script(streamed=streamed)
        async with bench({"qwen": Vendor(vendor)}) as it:
            with kept(it):
                ask: dict[str, Any] = {"model": "m", "input": "Halo", "stream": streamed, "instructions": "Be brief."}
                first = last_of(await it.ask(ask, PATH))
                assert (first["store"], first["previous_response_id"]) == (True, None)
                again = ask | {"input": "Lagi", "previous_response_id": first["id"]}
                second = await it.ask(again, PATH)
                assert last_of(second)["previous_response_id"] == first["id"]
                said = [(message["role"], message["content"]) for message in vendor.asked[1]["messages"]]
                assert said[1:] == [("user", "Halo"), ("assistant", "Halo dunia"), ("user", "Lagi")]
                assert "gapura-losses" not in second.headers or "store" not in second.headers["gapura-losses"]

    asyncio.run(story())


def test_to_openai_goes_the_conversation_and_never_an_id_of_its_store() -> None:
    async def story() -> None:
        vendor = Script(native=True)
        async with bench({"openai": Vendor(vendor)}) as it:
            with kept(it):
                await it.ask({"model": "m", "input": "Halo"}, PATH)
                await it.ask({"model": "m", "input": "Lagi", "previous_response_id": "resp_1"}, PATH)
                first, second = vendor.asked
                assert first["store"] is second["store"] is False
                assert "reasoning.encrypted_content" in first["include"]
                assert "previous_response_id" not in second
                user = [{"role": "user", "content": text} for text in ("Halo", "Lagi")]
                assert second["input"] == [user[0], THOUGHT, SPOKEN, user[1]]

    asyncio.run(story())


def test_nobody_else_and_no_account_that_does_not_want_it() -> None:
    async def story() -> None:
        vendor = Vendor(says(WHOLE))
        async with bench({"qwen": vendor}) as it:
            with kept(it):
                name = (await it.ask({"model": "m", "input": "Halo"}, PATH)).json["id"]
                ask = {"model": "m", "input": "Lagi", "previous_response_id": name}
                other = await it.ask(ask, PATH, authorization="Bearer other")
                assert (other.status, other.json["error"]["code"]) == (404, "previous_response_not_found")
            with kept(it, keeps=False) as memory:
                assert (await it.ask({"model": "m", "input": "Halo"}, PATH)).json["store"] is False
                refused = await it.ask(ask, PATH)
                assert (refused.status, refused.json["error"]["param"]) == (400, "previous_response_id")
                assert memory == {} and vendor.asked == 2

    asyncio.run(story())


@pytest.mark.parametrize("field", ["conversation", "background"])
def test_what_is_kept_nowhere_is_refused(field: str) -> None:
    async def story() -> None:
        async with bench({"qwen": Vendor(says(WHOLE))}) as it:
            with kept(it):
                said = await it.ask({"model": "m", "input": "Halo", field: True}, PATH)
                assert (said.status, said.json["error"]["param"]) == (400, field)

    asyncio.run(story())


def test_what_shall_not_be_kept_or_cannot_be_is_not() -> None:
    async def story() -> None:
        async with bench({"qwen": Vendor(says(WHOLE))}) as it:
            with kept(it) as memory:
                assert (await it.ask({"model": "m", "input": "Halo", "store": False}, PATH)).json["store"] is False
                memory.away = True
                said = await it.ask({"model": "m", "input": "Halo"}, PATH)
                assert (said.status, said.json["store"], memory) == (200, False, {})

    asyncio.run(story())


def test_an_answer_without_a_name_goes_out_as_it_is() -> None:
    async def story() -> None:
        async with bench({"openai": Vendor(says({"object": "response"}))}) as it:
            with kept(it) as memory:
                said = await it.ask({"model": "m", "input": "Halo"}, PATH)
                assert (said.status, said.json, memory) == (200, {"object": "response"}, {})

    asyncio.run(story())


def test_a_stream_that_breaks_off_is_not_kept() -> None:
    async def story() -> None:
        async with bench({"qwen": Vendor(streams(*HALO, end="cut"))}) as it:
            with kept(it) as memory:
                said = await it.ask({"model": "m", "input": "Halo", "stream": True}, PATH)
                assert b"response.failed" in said.body and memory == {}

    asyncio.run(story())
