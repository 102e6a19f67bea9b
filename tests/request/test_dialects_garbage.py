"""Requests made of the right words in the wrong places: whatever comes, it is no bug."""

import asyncio
import random
from typing import Any

import pytest
from tests.request.conftest import KEY, WHOLE, Vendor, bench, says
from tests.request.test_remember import Memory

from gapura.terms.caller import Account, Caller, Key
from gapura.wire import completions, embeddings, moderation, rerank
from gapura.wire.messages import request as messages
from gapura.wire.responses import request as responses

HALO = [{"role": "user", "content": "Halo"}]
ASKS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "/v1/responses": ({"input": "Halo"}, sorted(responses.FIELDS)),
    "/v1/messages": ({"max_tokens": 5, "messages": HALO}, sorted(messages.FIELDS)),
    "/v1/completions": ({"prompt": "Halo"}, sorted(completions.FIELDS)),
    "/v1/embeddings": ({"input": "Halo"}, sorted(embeddings.FIELDS)),
    "/v1/rerank": ({"query": "q", "documents": ["d"]}, sorted(rerank.FIELDS)),
    "/v1/moderations": ({"input": "Halo"}, sorted(moderation.FIELDS)),
}
WORDS = [
    "type",
    "role",
    "content",
    "text",
    "name",
    "id",
    "call_id",
    "tool_use_id",
    "input",
    "output",
    "source",
    "arguments",
    "parameters",
    "input_schema",
    "format",
    "effort",
    "tools",
    "mode",
    "schema",
    "image_url",
    "data",
    "media_type",
    "refusal",
    "function",
    "json_schema",
    "summary",
    "user_id",
    "budget_tokens",
]
ATOMS = [None, True, False, 0, -1, 3.5, "", "user", "auto", "message", "text", "input_text", "tool_use", "tool_result"]
ATOMS += ["image", "function", "function_call", "function_call_output", "base64", "url", "json_schema", "resp_1"]


def value(dice: random.Random, depth: int = 0) -> Any:
    kind = dice.random()
    if depth > 3 or kind < 0.4:
        return dice.choice(ATOMS)
    if kind < 0.65:
        return [value(dice, depth + 1) for _ in range(dice.randrange(3))]
    return {dice.choice(WORDS): value(dice, depth + 1) for _ in range(dice.randrange(4))}


@pytest.mark.parametrize("path", ASKS)
def test_no_request_is_a_bug(path: str) -> None:
    async def story() -> None:
        dice = random.Random(path)
        least, fields = ASKS[path]
        statuses = set()
        async with bench({"qwen": Vendor(says(WHOLE))}) as it:
            it.gate.memory = Memory()
            it.directory.know(KEY, Caller(Key("k", "acc_1", "p"), Account("acc_1", "e", "o", keeps_responses=True)))
            for _ in range(150):
                changes = {dice.choice(fields): value(dice) for _ in range(dice.randrange(1, 4))}
                said = await it.ask({"model": "m", **least, **changes}, path)
                assert said.json["error"] if said.status != 200 else said.json
                statuses.add(said.status)
        assert 500 not in statuses and 400 in statuses

    asyncio.run(story())
