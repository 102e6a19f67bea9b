"""Failing on demand, as each vendor fails."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gapura.sandbox.faults import MOST_MS, MOST_TOKENS, OTHERS, REFUSALS, bend, find
from gapura.sandbox.shape import Reply, Wrong

Ask = Callable[..., tuple[int, dict[str, str], bytes]]

# fault → (status, code) of openai, qwen, native, ernie, glm
REFUSED: dict[str, list[tuple[int, str | None]]] = {
    "401": [
        (401, "invalid_api_key"),
        (401, "invalid_api_key"),
        (401, "InvalidApiKey"),
        (401, "invalid_iam_token"),
        (401, "1002"),
    ],
    "404": [
        (404, "model_not_found"),
        (404, "model_not_found"),
        (404, "ModelNotFound"),
        (401, "invalid_model"),
        (400, "1211"),
    ],
    "429": [
        (429, "rate_limit_exceeded"),
        (429, "limit_requests"),
        (429, "Throttling.RateQuota"),
        (429, "rpm_rate_limit_exceeded"),
        (429, "1302"),
    ],
    "500": [(500, None), (500, "internal_error"), (500, "InternalError"), (500, "internal_error"), (500, "500")],
    "503": [
        (503, "server_is_overloaded"),
        (503, "model_unavailable"),
        (503, "ModelUnavailable"),
        (503, "dispatch_internal_error"),
        (503, "1305"),
    ],
    "region": [
        (403, "unsupported_country_region_territory"),
        (403, "access_denied"),
        (403, "Model.AccessDenied"),
        (401, "no_parameter_permission"),
        (403, "1220"),
    ],
    "quota": [
        (429, "insufficient_quota"),
        (403, "insufficient_quota"),
        (400, "Arrearage"),
        (403, "account_overdue"),
        (429, "1113"),
    ],
    "context-length": [
        (400, "context_length_exceeded"),
        (400, "invalid_parameter_error"),
        (400, "InvalidParameter"),
        (400, "tokens_too_long"),
        (400, "1261"),
    ],
    "misspelt": [
        (404, "model_not_found"),
        (404, "model_not_found"),
        (404, "ModelNotFound"),
        (401, "invalid_model"),
        (400, "1211"),
    ],
}
VENDORS = ("openai", "qwen", "native", "ernie", "glm")


@pytest.mark.parametrize("fault", REFUSED)
def test_each_vendor_refuses_in_its_own_words(ask: Ask, fault: str) -> None:
    found = []
    for vendor in VENDORS:
        status, _, body = ask(vendor, model=f"sandbox-{fault}")
        error = json.loads(body)
        found.append((status, (error.get("error") or error)["code"]))
    assert found == REFUSED[fault]


def test_the_table_above_is_complete() -> None:
    assert set(REFUSED) - {"misspelt"} == REFUSALS


def test_the_manual_names_every_fault() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "reference" / "sandbox.md").read_text()
    assert [name for name in sorted(REFUSALS | OTHERS) if f"`sandbox-{name}`" not in manual] == []


def test_the_region_error_is_openais_to_the_byte(ask: Ask) -> None:
    assert ask("openai", model="sandbox-region")[2] == (
        b'{"error":{"code":"unsupported_country_region_territory",'
        b'"message":"Country, region, or territory not supported","param":null,"type":"request_forbidden"}}'
    )


@pytest.mark.parametrize("stream", [False, True])
def test_filtered_content_is_a_finish_or_an_error(ask: Ask, stream: bool) -> None:
    def filtered(vendor: str) -> tuple[int, str]:
        status, _, body = ask(vendor, model="sandbox-content-filter", stream=stream)
        return status, body.decode()

    status, body = filtered("openai")
    assert status == 200 and '"finish_reason":"content_filter"' in body
    status, body = filtered("qwen")
    assert status == 400 and '"data_inspection_failed"' in body
    status, body = filtered("native")
    assert status == (200 if stream else 400) and '"DataInspectionFailed"' in body
    status, body = filtered("ernie")
    assert status == 403 and '"unsafe_request"' in body
    status, body = filtered("glm")
    if stream:
        assert status == 200 and '"finish_reason":"sensitive"' in body and '"content_filter":[' in body
    else:
        assert status == 400 and '"1301"' in body and '"contentFilter":[' in body


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_may_hide_in_a_200(ask: Ask, vendor: str, stream: bool) -> None:
    status, headers, body = ask(vendor, model="sandbox-error-in-200", stream=stream)
    assert status == 200
    if vendor == "native" and stream:
        assert body.startswith(b"id:1\nevent:error\n:HTTP_STATUS/500\ndata:{")
    elif vendor == "native":
        assert set(json.loads(body)) == {"code", "message"}
    else:
        assert headers["content-type"] == "application/json" and "error" in json.loads(body)


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_error_may_come_after_the_first_words(ask: Ask, vendor: str) -> None:
    status, _, body = ask(vendor, model="sandbox-error-in-stream", stream=True)
    frames = body.strip().split(b"\n\n")
    assert status == 200 and b'"finish_reason":"stop"' not in body
    if vendor == "glm":
        assert b'"finish_reason":"network_error"' in frames[-2] and frames[-1] == b"data: [DONE]"
    elif vendor == "native":
        assert b"event:error\n:HTTP_STATUS/500" in frames[-1]
    else:
        assert b'"error":{' in frames[-1]
    assert ask(vendor, model="sandbox-error-in-stream")[0] == 500


@pytest.mark.parametrize("vendor", VENDORS)
def test_garbage_is_no_json(ask: Ask, vendor: str) -> None:
    status, _, body = ask(vendor, model="sandbox-garbage")
    assert status == 200
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(body)
    _, _, body = ask(vendor, model="sandbox-garbage", stream=True)
    datas = [line.removeprefix("data:").strip() for line in body.decode().split("\n") if line.startswith("data:")]
    assert (
        sum(not _parses(data) for data in datas if data != "[DONE]") == (0 if vendor == "native" else 1)
        or b"\n\n" in body
    )


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("vendor", VENDORS)
def test_html_comes_from_something_in_between(ask: Ask, vendor: str) -> None:
    for stream in (False, True):
        status, headers, body = ask(vendor, model="sandbox-html", stream=stream)
        assert (status, headers["content-type"]) == (502, "text/html") and body.startswith(b"<html>")


@pytest.mark.parametrize("vendor", [vendor for vendor in VENDORS if vendor != "native"])
def test_no_done_is_the_same_without_its_last_event(ask: Ask, vendor: str) -> None:
    _, _, body = ask(vendor, model="sandbox-no-done", stream=True)
    assert b'"finish_reason":"stop"' in body and b"[DONE]" not in body


def test_timed_faults_say_how_long() -> None:
    assert find("sandbox-slow-250").seconds == 0.25
    assert find("sandbox-stream-40-5") == ("stream", 40, 0.005)
    assert find("sandbox-stream-0-0").tokens == 1
    assert find("sandbox-stream-999999-999999") == ("stream", MOST_TOKENS, MOST_MS / 1000)


@pytest.mark.parametrize("name", ["slow", "slow-", "slow-1s", "stream-1", "stream-1-2-3", "slow-1-2", "", "CUT"])
def test_a_misspelt_fault_is_no_success(name: str) -> None:
    with pytest.raises(Wrong, match=r"^$"):
        find(f"sandbox-{name}")


def test_what_is_no_fault_stays_as_it_is() -> None:
    reply = Reply(200, (), b"{}")
    assert bend(find("gpt-4o"), reply) is reply
    assert {find(f"sandbox-{name}").name for name in OTHERS} == OTHERS


@pytest.mark.parametrize(
    ("name", "change"), [("reset", {"ending": "reset"}), ("cut", {"ending": "cut"}), ("slow-50", {"delay": 0.05})]
)
def test_the_edge_is_told_what_to_break(name: str, change: dict[str, Any]) -> None:
    reply = Reply(200, (), b"{}")
    assert bend(find(f"sandbox-{name}"), reply) == reply._replace(**change)


def test_a_stream_pauses_where_a_plain_answer_waits() -> None:
    assert bend(find("sandbox-stream-4-500"), Reply(200, (), b"{}")).delay == 2.0
    assert bend(find("sandbox-stream-4-500"), Reply(200, (), [b""])).pause == 0.5
