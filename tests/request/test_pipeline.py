"""The river over real sockets: what the caller gets, what the vendors see, and what the journal says of it."""

import asyncio
import json
from typing import Any

import pytest
from tests.request.conftest import HALO, KEY, LAST, USAGE, WHOLE, Pages, Vendor, bench, chunk, says, streams

from gapura.errors import Unready
from gapura.terms.caller import Account, Caller, Key
from gapura.terms.record import Ended
from gapura.terms.usage import Usage

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Halo"}]}
STREAM = ASK | {"stream": True}
TOLD = STREAM | {"stream_options": {"include_usage": True}}
SPENT = Usage(5, 3)


def test_a_plain_answer_passes_as_it_came() -> None:
    async def story() -> None:
        async with bench({"openai": Vendor(says(WHOLE))}) as it:
            said = await it.ask(ASK)
            assert said.status == 200
            assert said.body == json.dumps(WHOLE).encode()
            assert said.headers["gapura-provider"] == "openai/m"
            assert said.headers["gapura-decision"].startswith("allow;id=dec_")
            (opened,), (ended,) = it.journal.opened, it.journal.ended
            assert opened.id == ended.id == said.headers["gapura-request-id"]
            assert (ended.outcome, ended.usage) == ("complete", SPENT)

    asyncio.run(story())


@pytest.mark.parametrize(("ask", "told"), [(STREAM, False), (TOLD, True)])
def test_a_stream_passes_and_its_usage_is_told_to_those_who_asked(ask: Any, told: bool) -> None:
    async def story() -> None:
        async with bench({"openai": Vendor(streams(*HALO, *LAST))}) as it:
            said = await it.ask(ask)
            assert said.events[-1] == "[DONE]"
            assert (json.dumps(USAGE) in said.events[-2]) is told
            assert [entry.outcome for entry in it.journal.ended] == ["complete"]
            assert it.journal.ended[0].usage == SPENT

    asyncio.run(story())


def test_the_next_target_is_tried_until_the_first_token() -> None:
    async def story() -> None:
        vendors = {
            "qwen": Vendor(says({"error": {"message": "no"}}, 500)),
            "ernie": Vendor(streams(chunk({"role": "assistant"}), end="cut")),
            "glm": Vendor(streams(*HALO, *LAST)),
        }
        async with bench(vendors) as it:
            said = await it.ask(STREAM)
            assert (said.status, said.headers["gapura-provider"]) == (200, "glm/m")
            assert [vendor.asked for vendor in vendors.values()] == [1, 1, 1]
            assert [(entry.attempt, entry.provider, bool(entry.previous)) for entry in it.journal.opened] == [
                (1, "qwen", False),
                (2, "ernie", True),
                (3, "glm", True),
            ]
            assert [entry.outcome for entry in it.journal.ended] == ["complete"]

    asyncio.run(story())


@pytest.mark.parametrize(("failover", "asked", "status"), [("same-jurisdiction", 0, 503), ("anywhere", 1, 200)])
def test_a_failure_does_not_carry_data_into_another_jurisdiction(failover: str, asked: int, status: int) -> None:
    async def story() -> None:
        other = Vendor(says(WHOLE))
        async with bench({"openai": Vendor(says(b"busy", 503)), "qwen": other}, failover=failover) as it:
            said = await it.ask(ASK)
            assert (said.status, other.asked) == (status, asked)

    asyncio.run(story())


@pytest.mark.parametrize("end", ["cut", "silence"])
def test_a_stream_that_breaks_ends_with_an_error_and_is_never_whole(end: str) -> None:
    async def story() -> None:
        vendor = Vendor(streams(*HALO, end=end))
        async with bench({"openai": vendor}, idle_s=0.05) as it:
            said = await it.ask(STREAM)
            assert said.status == 200
            assert "[DONE]" not in said.events
            assert json.loads(said.events[-1])["error"]["type"] == "server_error"
            (ended,) = it.journal.ended
            assert (ended.outcome, ended.usage.estimated, ended.usage.output > 0) == ("cut", True, True)

    asyncio.run(story())


def test_a_slow_first_token_is_not_waited_for() -> None:
    async def story() -> None:
        vendors = {"qwen": Vendor(streams(end="silence")), "glm": Vendor(streams(*HALO, *LAST))}
        async with bench(vendors, first_token_s=0.05) as it:
            said = await it.ask(STREAM)
            assert said.headers["gapura-provider"] == "glm/m"
            await vendors["qwen"].hung_up.wait()

    asyncio.run(story())


def test_a_caller_who_hangs_up_ends_the_call_upstream() -> None:
    async def story() -> None:
        vendor = Vendor(streams(*HALO, end="silence"))
        async with bench({"openai": vendor}) as it:
            reader, writer = await it.send(STREAM)
            await reader.readuntil(b"Halo")
            writer.close()
            await vendor.hung_up.wait()
            await it.journal.until(Ended)
            (ended,) = it.journal.ended
            assert (ended.outcome, ended.status) == ("cut", 499)
            assert it.gate.running == {}

    asyncio.run(story())


def test_a_caller_who_hangs_up_before_the_answer_ends_the_call_upstream() -> None:
    async def story() -> None:
        asked = asyncio.Event()

        async def silent(_: bytes, reader: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
            asked.set()
            await reader.readexactly(1)

        vendor = Vendor(silent)
        async with bench({"openai": vendor}) as it:
            _, writer = await it.send(STREAM)
            await asked.wait()
            writer.close()
            await vendor.hung_up.wait()
            await it.journal.until(Ended)
            assert it.journal.ended[0].outcome == "cut"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (says({"error": {"message": "long", "code": "context_length_exceeded"}}, 400), 400, "context_length_exceeded"),
        (says({"error": {"message": "bad key", "code": "invalid_api_key"}}, 401), 502, "provider_auth_failed"),
        (says({"error": {"message": "slow"}}, 429, retry_after="9"), 429, "rate_limit_exceeded"),
        (says(b"<html>Sorry</html>", 200), 502, "upstream_failed"),
        (says({"error": {"message": "inside", "type": "server_error"}}), 502, "upstream_failed"),
    ],
)
def test_a_vendors_failure_is_told_in_openais_words(script: Any, status: int, code: str) -> None:
    async def story() -> None:
        async with bench({"openai": Vendor(script)}) as it:
            said = await it.ask(ASK)
            assert (said.status, said.json["error"]["code"]) == (status, code)
            assert [(entry.outcome, entry.usage.total) for entry in it.journal.ended] == [("failed", 0)]

    asyncio.run(story())


def test_a_full_journal_refuses_before_anything_is_sent() -> None:
    async def story() -> None:
        vendor = Vendor(says(WHOLE))
        async with bench({"openai": vendor}) as it:
            Pages.room = False
            try:
                said = await it.ask(ASK)
            finally:
                Pages.room = True
            assert (said.status, vendor.asked, it.journal) == (Unready.status, 0, [])

    asyncio.run(story())


def test_limits_are_met_before_anything_is_sent() -> None:
    async def story() -> None:
        vendor = Vendor(says(WHOLE))
        async with bench({"openai": vendor}) as it:
            it.directory.know(KEY, Caller(Key("k", "a", "p", requests_per_minute=1), Account("a", "e", "o")))
            said = await it.ask(ASK)
            assert (said.status, said.headers["retry-after"], vendor.asked) == (429, "7", 0)
            it.directory.know(KEY, Caller(Key("k", "a", "p"), Account("a", "e", "o", budget=10)))
            said = await it.ask(ASK)
            assert (said.status, said.json["error"]["code"]) == (429, "insufficient_quota")
            assert said.headers["x-should-retry"] == "false"
            assert [entry.status for entry in it.journal.refused] == [429, 429]

    asyncio.run(story())


def test_contract_losses_skip_a_target_and_are_named_where_none_is_left() -> None:
    async def story() -> None:
        vendors = {"glm": Vendor(says(WHOLE)), "ernie": Vendor(says(WHOLE))}
        forced = ASK | {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "required"}
        async with bench({"glm": vendors["glm"]}) as it:
            said = await it.ask(forced)
            assert (said.status, said.json["error"]["param"]) == (400, "tool_choice")
        async with bench(vendors) as it:
            said = await it.ask(forced)
            assert said.headers["gapura-provider"] == "ernie/m"
            assert vendors["glm"].asked == 0

    asyncio.run(story())


def test_attempts_and_tokens_are_counted_by_provider() -> None:
    async def story() -> None:
        vendors = {"qwen": Vendor(says({"error": {"message": "no"}}, 500)), "glm": Vendor(says(WHOLE))}
        async with bench(vendors) as it:
            await it.ask(ASK)
            assert it.gate.tally.attempts == {("qwen", "failed"): 1, ("glm", "complete"): 1}
            assert it.gate.tally.tokens == {("glm", "input"): 5, ("glm", "output"): 3}

    asyncio.run(story())
