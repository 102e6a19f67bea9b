"""How Anthropic says an error (platform.claude.com/docs/en/api/errors, 2026-11): by the status, not by a code."""

import msgspec

from gapura.errors import GapuraError
from gapura.wire import openai
from gapura.wire.dialect import Reply

_ENCODER = msgspec.json.Encoder()

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def render(error: GapuraError) -> Reply:
    """Before the first byte: status and headers as in the other dialects, `retry-after` and `x-should-retry` among
    them, which Anthropic's SDKs heed, too."""
    reply = openai.render(error)
    return Reply(reply.status, reply.headers, envelope(error))


def render_at(path: bytes, error: GapuraError) -> Reply:
    """In the dialect of a path, before anything else is known of a request."""
    return render(error) if path.startswith(b"/v1/messages") else openai.render(error)


def render_event(error: GapuraError) -> bytes:
    return b"event: error\ndata: " + envelope(error) + b"\n\n"


def envelope(error: GapuraError) -> bytes:
    return _ENCODER.encode(
        {"type": "error", "error": {"type": KINDS.get(error.status, "api_error"), "message": error.message}}
    )
