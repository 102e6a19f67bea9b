"""What each vendor says, in our own words: a text, a call of two tools, reasoning where it has that, and errors."""

import json
from typing import Any

from msgspec import structs

from gapura.terms.usage import Usage
from gapura.testing import Cases, Refusal, Said

CALLS = (("weather", '{"city":"Ubud"}'), ("now", "{}"))


def event(said: Any) -> bytes:
    return b"data: " + json.dumps(said).encode() + b"\n\n"


def chunk(delta: Any, reason: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return event(
        {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}
    )


def completion(message: Any, reason: str, usage: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    said = {"id": "c-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    return json.dumps(said).encode()


USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14, "prompt_tokens_details": {"cached_tokens": 4}}
SPENT = Usage(9, 5, 4)
TOOLS = [
    {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": arguments}}
    for n, (name, arguments) in enumerate(CALLS)
]
FRAGMENTS = [
    {"index": 0, "id": "call_0", "type": "function", "function": {"name": "weather", "arguments": ""}},
    {"index": 0, "function": {"arguments": '{"city":'}},
    {"index": 0, "function": {"arguments": '"Ubud"}'}},
    {"index": 1, "id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}},
]
LAST = event(
    {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": USAGE}
)
END = b"data: [DONE]\n\n"

ANSWERS = (
    Said(wire=completion({"content": "Selamat pagi ☀"}, "stop", USAGE), text="Selamat pagi ☀", usage=SPENT),
    Said(
        wire=completion({"content": None, "tool_calls": TOOLS}, "tool_calls", USAGE),
        text="",
        calls=CALLS,
        usage=SPENT,
        finish="tool_calls",
    ),
)
STREAMS = (
    Said(
        wire=b"".join(
            [
                chunk({"role": "assistant", "content": ""}),
                chunk({"content": "Selamat"}),
                chunk({"content": " pagi ☀"}),
                chunk({}, "stop"),
                LAST,
                END,
            ]
        ),
        text="Selamat pagi ☀",
        usage=SPENT,
    ),
    Said(
        wire=b"".join(
            [
                chunk({"role": "assistant", "content": None}),
                *(chunk({"tool_calls": [fragment]}) for fragment in FRAGMENTS),
                chunk({}, "tool_calls"),
                LAST,
                END,
            ]
        ),
        text="",
        calls=CALLS,
        usage=SPENT,
        finish="tool_calls",
    ),
)


def refused(status: int, error: Any, means: int, code: str | None, *, retry: bool | None = None) -> Refusal:
    body = json.dumps(error).encode()
    return Refusal(status=status, body=body, means=means, code=code, retry=retry, event=b"data: " + body + b"\n\n")


def of(code: str, message: str = "No.") -> Any:
    return {"error": {"code": code, "message": message}}


REGION = refused(
    403,
    {
        "error": {
            "code": "unsupported_country_region_territory",
            "message": "Not supported",
            "type": "request_forbidden",
        }
    },
    403,
    "unsupported_country_region_territory",
    retry=False,
)
OPENAIS = (
    refused(429, of("rate_limit_exceeded"), 429, "rate_limit_exceeded"),
    refused(429, of("insufficient_quota"), 429, "insufficient_quota", retry=False),
    refused(401, of("invalid_api_key"), 502, "provider_auth_failed", retry=False),
    refused(400, of("context_length_exceeded"), 400, "context_length_exceeded"),
    REGION,
)
LIKE_OPENAI = Cases(answers=ANSWERS, streams=STREAMS, errors=OPENAIS)

# A reasoning of its own, and usage on the last chunk.
THOUGHT = (
    Said(
        wire=b"".join(
            [
                chunk({"role": "assistant", "content": None, "reasoning_content": "Morning."}),
                chunk({"role": "assistant", "content": "Selamat pagi"}),
                chunk({"role": "assistant", "content": ""}, "stop", usage=USAGE),
                END,
            ]
        ),
        text="Selamat pagi",
        reasoning="Morning.",
        usage=SPENT,
    ),
)


def with_errors(*errors: Refusal) -> Cases:
    return Cases(answers=ANSWERS, streams=STREAMS + THOUGHT, errors=(*errors, REGION))


QWEN = with_errors(
    refused(429, of("insufficient_quota"), 429, "rate_limit_exceeded"),
    structs.replace(refused(403, of("insufficient_quota"), 429, "insufficient_quota", retry=False), event=b""),
    refused(400, of("data_inspection_failed"), 400, "content_policy_violation"),
)
ERNIE = with_errors(
    refused(429, of("tpm_rate_limit_exceeded"), 429, "rate_limit_exceeded"),
    refused(401, of("invalid_iam_token"), 502, "provider_auth_failed", retry=False),
    refused(403, of("system_unsafe"), 400, "content_policy_violation"),
)
GLM = with_errors(
    refused(429, of("1113"), 429, "insufficient_quota", retry=False),
    refused(400, of("1261"), 400, "context_length_exceeded"),
    refused(429, of("1302"), 429, "rate_limit_exceeded"),
    refused(400, of("1211"), 404, "model_not_found"),
)
AZURE = Cases(
    answers=ANSWERS,
    streams=STREAMS,
    errors=(
        refused(400, of("content_filter"), 400, "content_policy_violation"),
        refused(404, of("DeploymentNotFound"), 404, "model_not_found"),
        REGION,
    ),
)


def frame(number: int, message: Any, reason: str, spent: Any) -> bytes:
    output = {"choices": [{"message": {"role": "assistant", **message}, "finish_reason": reason}]}
    data = json.dumps({"output": output, "usage": spent, "request_id": "r-1"})
    return f"id:{number}\nevent:result\n:HTTP_STATUS/200\ndata:{data}\n\n".encode()


def flat(status: int, code: str, means: int, meant: str | None, *, retry: bool | None = None) -> Refusal:
    body = json.dumps({"code": code, "message": "No.", "request_id": "r-2"})
    framed = f"id:1\nevent:error\n:HTTP_STATUS/{status}\ndata:{body}\n\n".encode()
    return Refusal(status=status, body=body.encode(), means=means, code=meant, retry=retry, event=framed)


COUNTS = {"input_tokens": 9, "output_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}
DASHSCOPE = Cases(
    answers=(
        Said(
            wire=json.dumps(
                {
                    "output": {
                        "choices": [
                            {
                                "finish_reason": "stop",
                                "message": {"role": "assistant", "content": "Pagi", "reasoning_content": "Hm."},
                            }
                        ]
                    },
                    "usage": COUNTS,
                    "request_id": "r-1",
                }
            ).encode(),
            text="Pagi",
            reasoning="Hm.",
            usage=SPENT,
        ),
    ),
    streams=(
        Said(
            wire=b"".join(
                [
                    frame(
                        1, {"content": "", "reasoning_content": "Hm."}, "null", {"input_tokens": 9, "output_tokens": 2}
                    ),
                    frame(2, {"content": [{"text": "Pagi"}]}, "null", {"input_tokens": 9, "output_tokens": 4}),
                    frame(3, {"content": []}, "stop", COUNTS),
                ]
            ),
            text="Pagi",
            reasoning="Hm.",
            usage=SPENT,
        ),
        Said(
            wire=b"".join(
                frame(n, {"content": "", "tool_calls": [one]}, "null", {"input_tokens": 9, "output_tokens": n})
                for n, one in enumerate(FRAGMENTS)
            )
            + frame(9, {"content": ""}, "tool_calls", COUNTS),
            text="",
            calls=CALLS,
            usage=SPENT,
            finish="tool_calls",
        ),
    ),
    errors=(
        flat(429, "Throttling.RateQuota", 429, "rate_limit_exceeded"),
        flat(400, "Arrearage", 429, "insufficient_quota", retry=False),
        flat(400, "DataInspectionFailed", 400, "content_policy_violation"),
        flat(401, "InvalidApiKey", 502, "provider_auth_failed", retry=False),
    ),
    model="qwen-plus",
)


def named(kind: str, **said: Any) -> bytes:
    return f"event: {kind}\n".encode() + event({"type": kind, **said})


def block(index: int, start: Any, *deltas: Any) -> bytes:
    return b"".join(
        [
            named("content_block_start", index=index, content_block=start),
            *(named("content_block_delta", index=index, delta=delta) for delta in deltas),
            named("content_block_stop", index=index),
        ]
    )


def spoken(*blocks: bytes, reason: str) -> bytes:
    usage = {"input_tokens": 5, "cache_read_input_tokens": 4, "output_tokens": 1}
    message = {"id": "msg_1", "model": "claude-haiku-4-5", "content": [], "usage": usage}
    end = named("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 5}) + named("message_stop")
    return named("message_start", message=message) + named("ping") + b"".join(blocks) + end


def failed(status: int, kind: str, message: str, means: int, code: str | None, *, retry: bool | None = None) -> Refusal:
    body = json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()
    return Refusal(
        status=status, body=body, means=means, code=code, retry=retry, event=b"event: error\ndata: " + body + b"\n\n"
    )


ANTHROPIC = Cases(
    answers=(
        Said(
            wire=json.dumps(
                {
                    "id": "msg_1",
                    "type": "message",
                    "model": "claude-haiku-4-5",
                    "content": [
                        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                        {"type": "text", "text": "Pagi"},
                        {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Ubud"}},
                        {"type": "tool_use", "id": "t2", "name": "now", "input": {}},
                    ],
                    "stop_reason": "tool_use",
                    "usage": {"input_tokens": 5, "cache_read_input_tokens": 4, "output_tokens": 5},
                }
            ).encode(),
            text="Pagi",
            reasoning="Hm.",
            calls=CALLS,
            usage=SPENT,
            finish="tool_calls",
        ),
    ),
    streams=(
        Said(
            wire=spoken(
                block(
                    0,
                    {"type": "thinking", "thinking": ""},
                    {"type": "thinking_delta", "thinking": "Hm."},
                    {"type": "signature_delta", "signature": "c2ln"},
                ),
                block(1, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Selamat pagi"}),
                reason="end_turn",
            ),
            text="Selamat pagi",
            reasoning="Hm.",
            usage=SPENT,
        ),
        Said(
            wire=spoken(
                block(
                    0,
                    {"type": "tool_use", "id": "t1", "name": "weather", "input": {}},
                    {"type": "input_json_delta", "partial_json": '{"city":'},
                    {"type": "input_json_delta", "partial_json": '"Ubud"}'},
                ),
                block(1, {"type": "tool_use", "id": "t2", "name": "now", "input": {}}),
                reason="tool_use",
            ),
            text="",
            calls=CALLS,
            usage=SPENT,
            finish="tool_calls",
        ),
    ),
    errors=(
        failed(529, "overloaded_error", "Overloaded", 503, "server_is_overloaded"),
        failed(429, "rate_limit_error", "Too many", 429, "rate_limit_exceeded"),
        failed(401, "authentication_error", "invalid x-api-key", 502, "provider_auth_failed", retry=False),
        structs.replace(
            failed(403, "forbidden", "Request not allowed", 403, "unsupported_country_region_territory", retry=False),
            event=b"",  # told by its status
        ),
    ),
    model="claude-haiku-4-5",
)

OURS = {
    "openai": LIKE_OPENAI,
    "azure": AZURE,
    "qwen": QWEN,
    "ernie": ERNIE,
    "glm": GLM,
    "zai": GLM,
    "dashscope": DASHSCOPE,
    "anthropic": ANTHROPIC,
}
