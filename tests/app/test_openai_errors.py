"""Each way to fail, as an application meets it in OpenAI's own SDK: the class, the code, and whether to try again."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from tests.app.running import CHINA, HELLO, Gateway, request, run, serving, until

VENDORS = ("openai", "qwen", "ernie", "glm")
DEADLINES = (
    '[routes.stalls]\ntargets = ["openai/sandbox-stall"]\nfirst_byte_s = 0.5\nfirst_token_s = 0.5\nidle_s = 0.5\n'
)

BAD, DENIED, MISSING = openai.BadRequestError, openai.PermissionDeniedError, openai.NotFoundError
LIMITED, BROKEN = openai.RateLimitError, openai.InternalServerError


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    settings = {"GAPURA_TRUSTED_PROXIES": "127.0.0.1/32", "GAPURA_MAX_BODY_BYTES": "100000"}
    with serving(folder / "errors", DEADLINES, GAPURA_SITE_TERRITORY="SG", **settings) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def client(gateway: Gateway) -> Iterator[OpenAI]:
    with gateway.client() as client:
        yield client


def raised(client: OpenAI, model: str = "gpt-4o-mini", **more: Any) -> openai.APIStatusError:
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model=model, **{"messages": HELLO, **more})
    return caught.value


def told(error: openai.APIStatusError) -> tuple[type[Exception], int, str | None, str | None]:
    assert error.response.headers["gapura-request-id"].startswith("req_")
    assert error.response.headers["gapura-sandbox"] == "1"
    assert isinstance(error.body, dict) and set(error.body) == {"message", "type", "param", "code"}
    return type(error), error.status_code, error.code, error.param


@pytest.mark.parametrize(
    ("asked", "code", "param"),
    [
        ({"messages": []}, None, "messages"),
        ({"messages": "hello"}, None, "messages"),
        ({"temperature": 9}, None, "temperature"),
        ({"stream": "yes"}, None, "stream"),
        ({"n": 0}, None, "n"),
        ({"messages": [{"role": "clown", "content": "x"}]}, None, "messages[0].role"),
    ],
)
def test_400(client: OpenAI, asked: dict[str, Any], code: str | None, param: str) -> None:
    error = raised(client, extra_body=asked)
    assert told(error)[:2] == (BAD, 400)
    assert (error.param or "").startswith(param.partition("[")[0]), error


def test_400_of_something_that_is_no_json(gateway: Gateway) -> None:
    for body in (b"", b"{", b"[]", b"\xff\xfe", b'{"model":"gpt-4o-mini"}', b'{"model":7,"messages":[]}'):
        answer = gateway.post(body)
        assert (answer.status, answer.error["type"]) == (400, "invalid_request_error"), body
        assert answer.error["message"]


def test_401(gateway: Gateway) -> None:
    for key in ("sk-gp-wrong", "sk-proj-of-somebody-else" * 20):
        with gateway.client(key) as stranger:
            assert told(raised(stranger))[:3] == (openai.AuthenticationError, 401, "invalid_api_key")
            with pytest.raises(openai.AuthenticationError):
                stranger.models.list()
    gone = gateway.cli("key", "create", "--account", "default", "--name", "gone")
    with gateway.client(gone["secret"]) as former:
        until(lambda: _works(former))
        name = gone["key"]["id"]
        gateway.cli("key", "revoke", name, "--reason", "leaked", "--confirm", name)
        until(lambda: not _works(former))
        error = raised(former)
    assert told(error)[:3] == (openai.AuthenticationError, 401, "invalid_api_key") and "revoked" in error.message


def _works(client: OpenAI) -> bool:
    try:
        client.models.list()
    except openai.AuthenticationError:
        return False
    return True


def test_403(gateway: Gateway, client: OpenAI) -> None:
    region = raised(client, extra_headers={"x-forwarded-for": CHINA})
    assert told(region) == (DENIED, 403, "unsupported_country_region_territory", None)
    assert region.type == "request_forbidden"
    assert region.response.headers["x-should-retry"] == "false"
    assert region.response.headers["gapura-decision"].startswith("block;id=dec_")
    with gateway.client(gateway.key("default", "--providers", "qwen")) as narrow:
        until(lambda: _works(narrow))
        assert told(raised(narrow))[:3] == (DENIED, 403, "permission_denied")
        assert narrow.chat.completions.create(model="qwen/qwen-plus", messages=HELLO).choices
    with gateway.client(gateway.key("default", "--cidrs", "192.0.2.0/24")) as elsewhere:
        until(lambda: _works(elsewhere))
        assert told(raised(elsewhere))[:3] == (DENIED, 403, "address_not_allowed")


def test_404(client: OpenAI) -> None:
    assert told(raised(client, "gpt-of-nobody")) == (MISSING, 404, "model_not_found", "model")
    with pytest.raises(MISSING):
        client.images.generate(model="gpt-image-2", prompt="a gate")


def test_413(client: OpenAI) -> None:
    long: Any = [{"role": "user", "content": "x" * 100_001}]
    error = raised(client, messages=long)
    assert (type(error), error.status_code, error.code) == (openai.APIStatusError, 413, "request_too_large")


def test_429_by_a_limit_of_the_key(gateway: Gateway) -> None:
    with gateway.client(gateway.key("default", "--rpm", "3")) as limited:
        until(lambda: _works(limited))
        for _ in range(3):
            assert limited.chat.completions.create(model="gpt-4o-mini", messages=HELLO).choices
        error = raised(limited)
    assert told(error)[:3] == (LIMITED, 429, "rate_limit_exceeded")
    assert error.type == "requests" and 0 < float(error.response.headers["retry-after"]) <= 60
    assert error.response.headers.get("x-should-retry") != "false"


def test_429_by_a_budget_is_not_tried_again(gateway: Gateway) -> None:
    gateway.cli("account", "add", "poor", "--budget", "500")
    with gateway.client(gateway.key("poor"), max_retries=3) as poor:
        until(lambda: _works(poor))
        raw = poor.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=HELLO)
        assert "max_tokens" in raw.headers["gapura-losses"]  # what is left of the budget limits the answer
        long: Any = [{"role": "user", "content": "x" * 1000}]
        error = raised(poor, messages=long)
    assert told(error)[:3] == (LIMITED, 429, "insufficient_quota")
    assert error.type == "insufficient_quota" and error.response.headers["x-should-retry"] == "false"
    account = gateway.cli("account", "show", "poor")["id"]
    until(lambda: Counter(row["status"] for row in record(gateway, account)) == {200: 1, 429: 1})


def record(gateway: Gateway, account: str) -> list[dict[str, Any]]:
    rows = run(gateway.folder, gateway.env, "record", "export").lines
    return [row for row in rows if row["account"] == account]


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    ("fault", "kind", "status", "code"),
    [
        ("500", BROKEN, 502, "upstream_failed"),
        ("503", BROKEN, 503, "server_is_overloaded"),
        ("html", BROKEN, 502, "upstream_failed"),
        ("garbage", BROKEN, 502, "upstream_failed"),
        ("reset", BROKEN, 502, "upstream_failed"),
        ("401", BROKEN, 502, "provider_auth_failed"),
        ("429", LIMITED, 429, "rate_limit_exceeded"),
        ("quota", LIMITED, 429, "insufficient_quota"),
        ("404", MISSING, 404, "model_not_found"),
        ("context-length", BAD, 400, "context_length_exceeded"),
    ],
)
def test_what_a_vendor_does_wrong_has_one_name_whoever_it_is(
    client: OpenAI, vendor: str, fault: str, kind: type[Exception], status: int, code: str
) -> None:
    if (vendor, fault) == ("glm", "503"):  # its one code for overload is its code for too many requests, too
        kind, status, code = LIMITED, 429, "rate_limit_exceeded"
    error = raised(client, f"{vendor}/sandbox-{fault}")
    assert told(error)[:3] == (kind, status, code), error.body
    with pytest.raises(kind) as begun:  # before the first token a stream fails as a plain answer does
        listen(client, f"{vendor}/sandbox-{fault}", [])
    assert isinstance(begun.value, openai.APIStatusError)
    assert told(begun.value) == told(error)


def listen(client: OpenAI, model: str, heard: list[str]) -> None:
    with client.chat.completions.create(model=model, messages=HELLO, stream=True) as chunks:
        for chunk in chunks:
            heard.extend(choice.delta.content or "" for choice in chunk.choices)


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_breaks_in_mid_stream_is_the_streams_last_event(client: OpenAI, vendor: str) -> None:
    heard: list[str] = []
    with pytest.raises(openai.APIError) as caught:
        listen(client, f"{vendor}/sandbox-cut", heard)
    assert "".join(heard) and not isinstance(caught.value, openai.APIStatusError)
    assert (caught.value.code, caught.value.type) == ("upstream_failed", "server_error") and caught.value.message
    assert told(raised(client, f"{vendor}/sandbox-cut"))[:3] == (BROKEN, 502, "upstream_failed")


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("fault", ["error-in-200", "error-in-stream"])
def test_an_error_that_a_vendor_hides_in_a_200_is_an_error(client: OpenAI, vendor: str, fault: str) -> None:
    with pytest.raises(openai.APIError) as streamed:
        listen(client, f"{vendor}/sandbox-{fault}", [])
    plain = raised(client, f"{vendor}/sandbox-{fault}")
    assert plain.status_code >= 429 and plain.code == streamed.value.code != ""


def test_a_vendor_that_falls_silent(client: OpenAI, gateway: Gateway) -> None:
    assert told(raised(client, "stalls"))[:3] == (BROKEN, 504, "upstream_timeout")
    heard: list[str] = []
    with pytest.raises(openai.APIError) as caught:
        listen(client, "stalls", heard)
    assert "".join(heard) and caught.value.code == "upstream_timeout"
    until(lambda: gateway.open("openai") == 0)


def test_a_caller_who_hangs_up_ends_the_vendors_work(gateway: Gateway) -> None:
    with gateway.client(timeout=0.5) as impatient, pytest.raises(openai.APITimeoutError):
        impatient.chat.completions.create(model="openai/sandbox-slow-60000", messages=HELLO)
    with gateway.client() as leaving:
        chunks = leaving.chat.completions.create(model="glm/sandbox-stream-1000-50", messages=HELLO, stream=True)
        next(iter(chunks))
        assert gateway.open("glm") == 1
        chunks.close()
    until(lambda: gateway.open("openai") == gateway.open("glm") == 0)


def test_an_answer_that_a_vendor_broke_is_tried_again_by_the_sdk(gateway: Gateway) -> None:
    before = gateway.seen("ernie")
    with gateway.client(max_retries=1) as stubborn:
        raised(stubborn, "ernie/sandbox-500")
    assert gateway.seen("ernie") == before + 2


def test_the_wrong_method_and_the_wrong_place(gateway: Gateway) -> None:
    wrong = request(f"{gateway.url}/chat/completions")
    assert (wrong.status, wrong.code, wrong.headers["allow"]) == (405, "method_not_allowed", "POST")
    assert request(f"{gateway.url}/nothing").code == "not_found"
