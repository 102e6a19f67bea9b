"""DashScope's own protocol: frames that repeat everything, and which of its two paths a model has."""

from typing import Any

import pytest
from tests.testing.cases import DASHSCOPE, frame

from gapura.providers.dashscope import multimodal
from gapura.providers.kinds import provider
from gapura.terms.usage import Usage
from gapura.testing import Cases, Said, check_provider


def call(arguments: str) -> dict[str, Any]:
    function = {"name": "weather", "arguments": arguments}
    return {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}


def spent(output: int) -> dict[str, int]:
    return {"input_tokens": 7, "output_tokens": output}


WORDS = (
    frame(1, {"content": "", "reasoning_content": "Hm"}, "null", spent(1))
    + frame(2, {"content": "", "reasoning_content": "Hm, 1"}, "null", spent(2))
    + frame(3, {"content": "1", "reasoning_content": "Hm, 1"}, "null", spent(3))
    + frame(4, {"content": [{"text": "10"}], "reasoning_content": "Hm, 1"}, "null", spent(4))
    + frame(5, {"content": "10", "reasoning_content": "Hm, 1"}, "stop", spent(4))
)
CALLS = (
    frame(1, {"content": "", **call('{"city"')}, "null", spent(1))
    + frame(2, {"content": "", **call('{"city": "Ubud"}')}, "null", spent(2))
    + frame(3, {"content": "", **call('{"city": "Ubud"}')}, "tool_calls", spent(2))
)


def test_frames_that_repeat_everything_say_it_once() -> None:
    cases = Cases(
        answers=DASHSCOPE.answers,
        errors=DASHSCOPE.errors,
        model=DASHSCOPE.model,
        streams=(
            Said(wire=WORDS, text="10", reasoning="Hm, 1", usage=Usage(7, 4)),
            Said(wire=CALLS, text="", calls=(("weather", '{"city": "Ubud"}'),), usage=Usage(7, 2), finish="tool_calls"),
        ),
    )
    check_provider(provider("relay", "dashscope", {"cumulative": True}), cases)


@pytest.mark.parametrize(
    ("model", "part", "there"),
    [
        ("qwen-plus", "text", False),
        ("qwen3-max", "text", False),
        ("qwen-max-longcontext", "text", False),
        ("deepseek-v4-pro", "text", False),
        ("qwen3.5-plus", "text", True),
        ("qwen3.8-max", "text", True),
        ("qwen3-vl-plus", "text", True),
        ("qwen-vl-max", "text", True),
        ("qvq-plus", "text", True),
        ("qwen3-asr-flash", "text", True),
        ("qwen3.8-omni-flash", "text", True),
        ("qwen-plus", "image_url", True),
    ],
)
def test_which_models_are_asked_on_the_multimodal_path(model: str, part: str, there: bool) -> None:
    assert multimodal(model, [{"role": "user", "content": [{"type": part}]}]) is there
