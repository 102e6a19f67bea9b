"""What a vendor's error means; the tables themselves are in the golden files."""

import json
from typing import Any

import pytest

from gapura.clock import TurnableClock, instant
from gapura.providers import PROVIDERS
from gapura.providers.base import Headers
from gapura.providers.faults import MAX_MESSAGE, fault
from gapura.providers.said import read_error

NOON = TurnableClock(instant("2026-11-22T12:00:00+00:00"))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([(b"retry-after", b"7")], 7),
        ([(b"retry-after", b"1.5")], 1.5),
        ([(b"retry-after-ms", b"250"), (b"retry-after", b"7")], 0.25),
        ([(b"retry-after", b"Sun, 22 Nov 2026 12:00:30 GMT")], 30),
        ([(b"retry-after", b"Sun, 22 Nov 2026 11:00:00 GMT")], None),
        ([(b"retry-after", b"soon")], None),
        ([(b"retry-after", b"1.2.3")], None),
        ([(b"retry-after", b"9" * 400)], None),
        ([(b"retry-after", b"0")], None),
        ([(b"retry-after", b"\xff")], None),
        ([], None),
    ],
)
def test_when_to_come_back(headers: Headers, seconds: float | None) -> None:
    assert fault("v", (), 429, headers, b"", NOON).retry_after == seconds


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcDEF123_456",
        "sk-ab12********wxyz",
        "bce-v3/ALTAK-abc/def0123",
        "0123456789abcdef0123456789abcdef.Q1w2E3r4T5y6U7i8",
        "Bearer anything-at-all",
        "eyJhbGciOiJIUzI1NiJ9.eyJhcGlfa2V5IjoiIn0.c2lnbmF0dXJl",
        "key provided: whatever.",
    ],
)
def test_a_key_never_goes_out_in_a_message(secret: str) -> None:
    body = json.dumps({"error": {"message": f"Your {secret} is wrong", "code": "odd"}}).encode()
    message = fault("v", (), 400, (), body, NOON).message
    assert message.startswith("Your [hidden]")
    assert secret.removeprefix("Bearer ").removeprefix("key provided: ") not in message


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("status", [401, 407])
def test_a_refusal_of_our_key_is_never_the_callers(name: str, status: int) -> None:
    failure = PROVIDERS[name].fault(status, (), b'{"error":{"message":"sk-1234567890 is no good"}}')
    assert (failure.status, failure.code, failure.advance, failure.trips) == (502, "provider_auth_failed", True, True)
    assert "sk-" not in failure.message


@pytest.mark.parametrize(
    ("status", "code", "advance", "trips"),
    [
        (302, "upstream_failed", True, True),
        (400, None, False, False),
        (402, "insufficient_quota", True, True),
        (403, "permission_denied", True, False),
        (404, "model_not_found", True, False),
        (413, "request_too_large", False, False),
        (422, None, False, False),
        (429, "rate_limit_exceeded", True, True),
        (500, "upstream_failed", True, True),
        (503, "server_is_overloaded", True, True),
        (504, "upstream_timeout", True, True),
        (599, "upstream_failed", True, True),
    ],
)
@pytest.mark.parametrize("name", PROVIDERS)
def test_an_error_that_no_table_has_goes_by_its_status(
    name: str, status: int, code: str | None, advance: bool, trips: bool
) -> None:
    failure = PROVIDERS[name].fault(status, (), b'{"error":{"message":"Never heard of."}}')
    assert (failure.code, failure.advance, failure.trips) == (code, advance, trips)
    assert failure.message == "Never heard of."


def test_a_long_message_is_cut() -> None:
    body = json.dumps({"message": "x" * 9000}).encode()
    assert len(fault("v", (), 400, (), body, NOON).message) == MAX_MESSAGE


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"error": {"code": "a", "message": "b"}}, "a", "b"),
        ({"error": {"code": 1113, "message": "b"}}, "1113", "b"),
        ({"code": "a", "message": "b", "request_id": "r"}, "a", "b"),
        ({"error_code": 17, "error_msg": "b"}, "17", "b"),
        ({"error": "a", "error_description": "b"}, "a", "b"),
        ({"error": "b"}, "b", "b"),
        ([{"error": {"code": 400, "message": "b"}}], "400", "b"),
        ({"error": {"message": "[1301][b\nc][2026aa]"}}, "1301", "b\nc"),
        ({"detail": "b"}, "", "b"),
        ({"error": {"code": True, "message": ["b"]}}, "", ""),
        ([], "", ""),
        (7, "", ""),
    ],
)
def test_every_shape_of_an_error_is_read(body: Any, code: str, message: str) -> None:
    said = read_error(400, json.dumps(body).encode())
    assert (said.code, said.message, said.readable) == (code, message, bool(code or message))


def test_a_framed_error_corrects_the_status() -> None:
    said = read_error(200, b'id:1\nevent:error\n:HTTP_STATUS/429\ndata:{"code":"Throttling","message":"b"}\n\n')
    assert (said.status, said.code) == (429, "Throttling")
