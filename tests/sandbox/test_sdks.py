"""The vendors' own SDKs against the sandbox, each in an environment of its own (tests/vendor_sdks/prepare.sh)."""

import json
from typing import Any

import pytest
from tests.programs import TESTS, found, python

from gapura.sandbox import Live


@pytest.fixture(scope="module")
def qwen(live: Live) -> Any:
    return found(TESTS / "vendor_sdks/dashscope_program.py", [live.native, live.urls["qwen"]], by=python("dashscope"))


def glm(live: Live, package: str) -> Any:
    return found(TESTS / "vendor_sdks/glm_program.py", [package, live.urls["glm"]], by=python(package))


def messages(answers: list[Any]) -> list[Any]:
    return [answer["output"]["choices"][0]["message"] for answer in answers]


def test_dashscope_native_answers(qwen: Any) -> None:
    text = "The Alibaba DashScope sandbox, qwen-plus, heard: Selamat pagi"
    assert qwen["plain"]["status"] == 200
    assert qwen["plain"]["output"]["choices"][0]["message"]["content"] == text
    assert qwen["text"]["output"]["text"] == text and qwen["text"]["output"]["choices"] is None
    assert qwen["plain"]["usage"]["total_tokens"] == 22
    calls = qwen["tools"]["output"]["choices"][0]["message"]["tool_calls"]
    assert [call["function"]["name"] for call in calls] == ["weather", "traffic"]


def test_dashscope_native_streams(qwen: Any) -> None:
    text = qwen["plain"]["output"]["choices"][0]["message"]["content"]
    assert "".join(message["content"] for message in messages(qwen["incremental"])) == text
    assert messages(qwen["cumulative"])[-1]["content"] == text
    assert all(text.startswith(message["content"]) for message in messages(qwen["cumulative"]))
    finishes = [answer["output"]["choices"][0]["finish_reason"] for answer in qwen["incremental"]]
    assert set(finishes[:-1]) == {"null"} and finishes[-1] == "stop"
    assert messages(qwen["thinking"])[0]["reasoning_content"] == "The"
    fragments = [message["tool_calls"][0] for message in messages(qwen["stream_tools"])[:-1]]
    assert fragments[0]["id"] and {fragment["id"] for fragment in fragments[1:]} == {""}
    arguments = "".join(fragment["function"]["arguments"] for fragment in fragments)
    assert json.loads(arguments) == {"city": "Selamat pagi"}


def test_dashscope_native_errors(qwen: Any) -> None:
    """The SDK raises none of them: a caller has to look."""
    codes = {name: (qwen[name]["status"], qwen[name]["code"]) for name in ("refused", "limited", "arrears")}
    assert codes == {
        "refused": (400, "InvalidParameter"),
        "limited": (429, "Throttling.RateQuota"),
        "arrears": (400, "Arrearage"),
    }
    assert [answer["code"] for answer in qwen["refused_stream"]] == ["InvalidParameter"]
    assert [answer["code"] for answer in qwen["late"]] == ["", "", "", "InternalError"]


def test_dashscope_compatible(qwen: Any) -> None:
    text = qwen["plain"]["output"]["choices"][0]["message"]["content"]
    assert qwen["compatible_plain"]["choices"][0]["message"]["content"] == text
    chunks = qwen["compatible_stream"]
    assert "".join(c["choices"][0]["delta"]["content"] or "" for c in chunks if c["choices"]) == text
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["total_tokens"] == 22
    names = [
        call["function"]["name"]
        for chunk in qwen["compatible_tools"]
        for choice in chunk["choices"]
        for call in choice["delta"]["tool_calls"] or []
        if call["function"].get("name")
    ]
    assert names == ["weather"]  # parallel calls only where they are asked for
    assert qwen["compatible_limited"]["raised"] == "RateLimitError"


@pytest.mark.parametrize("package", ["zhipuai", "zai"])
def test_zhipus_sdks(live: Live, package: str) -> None:
    with_token, with_key = glm(live, package)
    assert with_token == with_key
    plain = with_key["plain"]
    text = "\nThe Zhipu BigModel sandbox, glm-4.5, heard: Selamat pagi"
    message = plain["choices"][0]["message"]
    assert message["content"] == text and message["reasoning_content"]
    assert plain["usage"]["completion_tokens_details"]["reasoning_tokens"] == 12
    if package == "zai":
        assert with_key["quiet"]["choices"][0]["message"]["reasoning_content"] is None

    stream = with_key["stream"]
    assert "".join(chunk["choices"][0]["delta"]["content"] or "" for chunk in stream) == text
    assert stream[-1]["usage"] == plain["usage"] and stream[-1]["choices"][0]["finish_reason"] == "stop"
    assert with_key["usage_apart"][-1]["choices"] == [] and with_key["usage_apart"][-1]["usage"]

    calls = with_key["tools"]["choices"][0]["message"]["tool_calls"]
    assert [call["function"]["name"] for call in calls] == ["weather", "traffic"]
    streamed = [call for chunk in with_key["stream_tools"] for call in chunk["choices"][0]["delta"]["tool_calls"] or []]
    assert [call["function"]["arguments"] for call in streamed] == ['{"city":"Selamat pagi"}'] * 2
    assert with_key["tool_turn"]["choices"][0]["message"]["content"].endswith("24 degrees")
    assert with_key["sensitive"][-1]["choices"][0]["finish_reason"] == "sensitive"


@pytest.mark.parametrize("package", ["zhipuai", "zai"])
def test_zhipus_sdks_raise_by_status(live: Live, package: str) -> None:
    _, trial = glm(live, package)
    errors = {name: trial[name]["raised"] for name in ("refused", "spent", "unknown", "overloaded", "wrong_key")}
    assert errors == {
        "refused": "APIRequestFailedError",
        "spent": "APIReachLimitError",
        "unknown": "APIRequestFailedError",
        "overloaded": "APIServerFlowExceedError",
        "wrong_key": "APIAuthenticationError",
    }
    assert '"1113"' in trial["spent"]["text"]
