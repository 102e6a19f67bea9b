"""The river in other dialects: the same stages, errors in the caller's words, and exactly one end in the journal."""

import asyncio
import json
from typing import Any

import pytest
from tests.request.conftest import HALO, KEY, LAST, WHOLE, Bench, Said, Vendor, bench, says, streams

from gapura.providers import PROVIDERS
from gapura.request.translate import Ask, translate
from gapura.terms.caller import Account, Caller, Key
from gapura.terms.link import Grant
from gapura.terms.rulebook import Route, Target
from gapura.terms.usage import Usage
from gapura.wire.messages import MESSAGES

ASKS: dict[str, dict[str, Any]] = {
    "/v1/responses": {"model": "m", "input": "Halo"},
    "/v1/messages": {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Halo"}]},
    "/v1/completions": {"model": "m", "prompt": "Halo"},
}
ENDS = {"/v1/responses": "response.completed", "/v1/messages": "message_stop", "/v1/completions": "[DONE]"}
PATHS = sorted(ASKS)


def spoken(said: Said) -> str:
    """All that a plain answer says, whichever dialect it is in."""
    found = said.json
    if "output" in found:
        return "".join(part["text"] for item in found["output"] for part in item["content"])
    if "content" in found:
        return "".join(block["text"] for block in found["content"])
    return str(found["choices"][0]["text"])


def told(said: Said, path: str) -> Any:
    """The error object."""
    error = said.json["error"]
    if path == "/v1/messages":
        assert said.json["type"] == "error"
    return error


@pytest.mark.parametrize("path", PATHS)
def test_a_plain_answer_comes_in_the_callers_dialect(path: str) -> None:
    async def story() -> None:
        async with bench({"qwen": Vendor(says(WHOLE))}) as it:
            said = await it.ask(ASKS[path], path)
            assert (said.status, spoken(said)) == (200, "Halo dunia")
            assert said.headers["gapura-provider"] == "qwen/m"
            (opened,), (ended,) = it.journal.opened, it.journal.ended
            assert opened.id == ended.id == said.headers["gapura-request-id"]
            assert (ended.outcome, ended.usage) == ("complete", Usage(5, 3))

    asyncio.run(story())


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("end", ["whole", "cut", "silence"])
def test_a_stream_ends_whole_or_with_an_error(path: str, end: str) -> None:
    async def story() -> None:
        pieces = (*HALO, *LAST) if end == "whole" else HALO
        async with bench({"qwen": Vendor(streams(*pieces, end=end))}, idle_s=0.05) as it:
            said = await it.ask(ASKS[path] | {"stream": True}, path)
            text = said.body.decode()
            assert (said.status, ENDS[path] in text) == (200, end == "whole")
            assert ("error" in text.split("\n\n")[-2 if path != "/v1/responses" else -3]) is (end != "whole")
            (ended,) = it.journal.ended
            assert ended.outcome == ("complete" if end == "whole" else "cut")
            assert ended.usage.estimated is (end != "whole")

    asyncio.run(story())


async def nobody(it: Bench, path: str) -> Said:
    return await it.ask(ASKS[path], path, authorization="Bearer sk-wrong")


async def nothing(it: Bench, path: str) -> Said:
    return await it.ask(ASKS[path] | {"model": "none"}, path)


async def malformed(it: Bench, path: str) -> Said:
    return await it.ask(b"{", path)


async def spent(it: Bench, path: str) -> Said:
    it.directory.know(KEY, Caller(Key("k", "a", "p"), Account("a", "e", "o", budget=10)))
    return await it.ask(ASKS[path], path)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("how", "status", "kind"),
    [
        (nobody, 401, "authentication_error"),
        (nothing, 404, "not_found_error"),
        (malformed, 400, "invalid_request_error"),
        (spent, 429, "rate_limit_error"),
    ],
)
def test_errors_are_said_in_the_callers_dialect(path: str, how: Any, status: int, kind: str) -> None:
    async def story() -> None:
        vendor = Vendor(says(WHOLE))
        async with bench({"qwen": vendor}) as it:
            said = await how(it, path)
            error = told(said, path)
            assert (said.status, vendor.asked) == (status, 0)
            if path == "/v1/messages":
                assert error.keys() == {"type", "message"} and error["type"] == kind
            else:
                assert error.keys() == {"type", "message", "param", "code"}

    asyncio.run(story())


@pytest.mark.parametrize("path", PATHS)
def test_a_vendor_that_fails_is_followed_by_another(path: str) -> None:
    async def story() -> None:
        async with bench({"qwen": Vendor(says(b"busy", 503)), "glm": Vendor(says(WHOLE))}) as it:
            said = await it.ask(ASKS[path], path)
            assert (said.headers["gapura-provider"], spoken(said)) == ("glm/m", "Halo dunia")
            assert [entry.attempt for entry in it.journal.opened] == [1, 2]
            assert len(it.journal.ended) == 1

    asyncio.run(story())


@pytest.mark.parametrize("path", PATHS)
def test_a_field_of_a_strange_name_is_told_in_one_short_line(path: str) -> None:
    async def story() -> None:
        async with bench({"qwen": Vendor(says(WHOLE))}) as it:
            said = await it.ask(ASKS[path] | {"a\r\nb: é": 1, "c" * 9_000: 1}, path)
            assert said.status == 200 and len(said.headers["gapura-losses"]) == 2_000
            assert "a??b: ?, ccc" in said.headers["gapura-losses"]

    asyncio.run(story())


def test_a_budget_caps_the_output_in_the_dialects_own_word() -> None:
    async def story() -> None:
        async with bench({"qwen": Vendor(says(WHOLE))}) as it:
            it.directory.know(KEY, Caller(Key("k", "a", "p"), Account("a", "e", "o", budget=10_000)))
            purses: Any = it.gate.purses
            purses.add(Grant(0, "tok:a", 1000))
            for path, limit in (("/v1/messages", "max_tokens"), ("/v1/responses", "max_output_tokens")):
                said = await it.ask(ASKS[path] | {limit: 100_000}, path)
                assert limit in said.headers["gapura-losses"]

    asyncio.run(story())


VECTOR: dict[str, Any] = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]}


def test_a_batch_that_fails_half_way_is_no_answer() -> None:
    async def story() -> None:
        usage = {"usage": {"prompt_tokens": 4, "total_tokens": 4}}
        vendor = Vendor(says(VECTOR | usage | {"data": VECTOR["data"] * 10}), says(b"busy", 503))
        async with bench({"qwen": vendor}) as it:
            said = await it.ask({"model": "m", "input": ["a"] * 11}, "/v1/embeddings")
            assert (said.status, vendor.asked) == (503, 2)
            assert [(entry.outcome, entry.usage.total) for entry in it.journal.ended] == [("failed", 0)]

    asyncio.run(story())


def test_a_batch_is_one_request_in_the_record_with_all_that_it_cost() -> None:
    async def story() -> None:
        answer = VECTOR | {"data": VECTOR["data"] * 10, "usage": {"prompt_tokens": 4, "total_tokens": 4}}
        vendor = Vendor(says(answer))
        async with bench({"qwen": vendor}) as it:
            said = await it.ask({"model": "m", "input": ["a"] * 30}, "/v1/embeddings")
            assert [one["index"] for one in said.json["data"]] == list(range(30))
            assert said.json["usage"] == {"prompt_tokens": 12, "total_tokens": 12}
            assert len(it.journal.opened) == 1
            assert [(entry.outcome, entry.usage) for entry in it.journal.ended] == [("complete", Usage(12))]

    asyncio.run(story())


def test_a_text_without_a_vector_is_no_answer() -> None:
    async def story() -> None:
        vendor = Vendor(says(VECTOR | {"data": VECTOR["data"] * 9}))
        async with bench({"qwen": vendor}) as it:
            said = await it.ask({"model": "m", "input": ["a"] * 30}, "/v1/embeddings")
            assert said.status == 502 and "9 vectors for 10 texts" in said.json["error"]["message"]

    asyncio.run(story())


def test_vectors_without_usage_are_estimated_over_the_whole_batch() -> None:
    async def story() -> None:
        vendor = Vendor(says(VECTOR | {"data": VECTOR["data"] * 10}))
        async with bench({"qwen": vendor}) as it:
            said = await it.ask({"model": "m", "input": ["kata " * 40] * 30}, "/v1/embeddings")
            usage = said.json["usage"]
            assert usage["estimated"] is True and usage["prompt_tokens"] == usage["total_tokens"] > 30 * 20
            assert [entry.usage for entry in it.journal.ended] == [Usage(usage["prompt_tokens"], 0, estimated=True)]

    asyncio.run(story())


def test_rerank_reads_the_query_with_each_document() -> None:
    async def story() -> None:
        vendor = Vendor(says({"results": [], "usage": {"total_tokens": 5}}))
        async with bench({"glm": vendor}) as it:
            it.directory.know(KEY, Caller(Key("k", "a", "p"), Account("a", "e", "o", budget=10**9)))
            purses: Any = it.gate.purses
            purses.add(Grant(0, "tok:a", 10_000))
            ask = {"model": "m", "query": "q" * 500, "documents": ["d"] * 30}
            assert json.loads((await it.ask(ask, "/v1/rerank")).body)["error"]["code"] == "insufficient_quota"
            assert vendor.asked == 0

    asyncio.run(story())


def test_beta_features_are_asked_of_anthropic_and_are_a_loss_elsewhere() -> None:
    body = json.dumps(ASKS["/v1/messages"]).encode()
    header = (b"anthropic-beta", b"context-1m-2025-08-07")
    for provider, lost in (("anthropic", []), ("qwen", ["anthropic-beta"])):
        target = Target(provider, "m")
        ask = Ask(MESSAGES, body, MESSAGES.read(body), Route(model="m", targets=(target,)), None, strict=False)
        ask.headers = (header,)
        sent = translate(ask, target, PROVIDERS[provider])
        assert ([loss.field for loss in sent.losses], header in sent.sent.headers) == (lost, provider == "anthropic")
