"""Recorded Responses, embeddings and moderations of OpenAI's, where they are at hand: see test_payloads."""

import json
from typing import Any

import pytest
from openai.types.responses import Response, ResponseErrorEvent
from tests.providers.test_native import operation, read
from tests.providers.test_payloads import PAYLOADS

from gapura.errors import UpstreamFailed
from gapura.wire import moderation
from gapura.wire.responses import RESPONSES

OPENAI = PAYLOADS / "openai"
PLAIN = sorted(OPENAI.glob("response_*.json"))

pytestmark = pytest.mark.skipif(not PLAIN, reason="no payloads at hand")


@pytest.mark.parametrize("file", PLAIN, ids=lambda file: file.name)
def test_plain_answers_pass_with_their_usage(file: Any) -> None:
    body = file.read_bytes()
    said, usage = operation("responses").answer(body, "m")
    assert said == body
    spent = json.loads(body)["usage"]
    assert usage and (usage.input, usage.output) == (spent["input_tokens"], spent["output_tokens"])
    assert usage.reasoning == spent["output_tokens_details"]["reasoning_tokens"]
    assert Response.construct(**json.loads(body)).status == "completed"


@pytest.mark.parametrize("file", PLAIN, ids=lambda file: file.name)
def test_the_output_of_one_turn_is_the_input_of_the_next(file: Any) -> None:
    output = json.loads(file.read_bytes())["output"]
    calls = [item["call_id"] for item in output if item["type"] == "function_call"]
    results = [{"type": "function_call_output", "call_id": call, "output": "24 degrees"} for call in calls]
    ask = {"model": "m", "input": [{"role": "user", "content": "Halo"}, *output, *results]}
    assert RESPONSES.into_chat is not None
    carried = RESPONSES.into_chat(json.dumps(ask).encode())
    roles = [message["role"] for message in json.loads(carried.body)["messages"]]
    assert roles == ["user", "assistant", *["tool"] * len(calls)]
    assert {loss.weight for loss in carried.losses} <= {"cosmetic"}


def test_a_stream_passes_however_it_is_cut() -> None:
    """The recording leaves events out, and says so in a line of dots."""
    wire = (OPENAI / "response_stream.sse").read_bytes().replace(b"...\n\n", b"").rstrip(b"\n") + b"\n\n"
    out, reader, failure = read([wire])
    assert (out, failure) == (wire, "") and reader.usage.total == 48
    for at in range(len(wire)):
        assert read([wire[:at], wire[at:]])[0] == wire
    assert all(read([wire[:at]])[2] for at in range(0, len(wire) - 3, 7))


def test_an_error_in_a_stream_is_one() -> None:
    body = (OPENAI / "responses_error_event.json").read_bytes()
    said = json.loads(body)
    ResponseErrorEvent.model_validate(said)
    reader = operation("responses").reader("m", include_usage=False)
    with pytest.raises(UpstreamFailed, match="Something went wrong"):
        reader.feed(b"event: error\ndata: " + json.dumps(said).encode() + b"\n\n")


def test_moderation_passes() -> None:
    body = (OPENAI / "moderation.json").read_bytes()
    said, usage = operation("moderation").answer(body, "m")
    assert said == body and usage is not None and usage.total == 0
    assert moderation.read(b'{"input":"Halo"}').model == "omni-moderation-latest"
