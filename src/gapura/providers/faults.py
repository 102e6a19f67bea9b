"""What a vendor's error means: each vendor has a table from its codes to one of the outcomes here.

    fault(RULES, 400, …, b'{"error":{"code":"1261"}}')  →  UpstreamFailed, 400 context_length_exceeded

An error is recognised by what it says before what status it came with: vendors report failures inside a 200, no
balance as a 429, and an unknown model as a 400.
"""

import re
from collections.abc import Callable, Container, Sequence
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, NamedTuple

from gapura.clock import SECOND, Clock, instant
from gapura.errors import RegionBlocked, UpstreamFailed
from gapura.providers.base import Headers
from gapura.providers.said import Said, read_error

MAX_MESSAGE = 2000


class Outcome(NamedTuple):
    """How an error is told to the caller (`code` "": whatever the vendor said, where it speaks OpenAI's own codes),
    and whether another target may be tried, it speaks against this one's health, and SDKs shall retry."""

    status: int
    kind: str
    code: str | None
    advance: bool = True
    trips: bool = True
    retry: bool | None = None


OUTCOMES = {
    # The caller's doing: any other target would refuse it, too.
    "invalid": Outcome(400, "invalid_request_error", None, advance=False, trips=False),
    "context": Outcome(400, "invalid_request_error", "context_length_exceeded", advance=False, trips=False),
    "policy": Outcome(400, "invalid_request_error", "content_policy_violation", advance=False, trips=False),
    "image": Outcome(400, "invalid_request_error", "invalid_image_url", advance=False, trips=False),
    "large": Outcome(413, "invalid_request_error", "request_too_large", advance=False, trips=False),
    # This target's doing, for this kind of request.
    "region": Outcome(RegionBlocked.status, RegionBlocked.kind, RegionBlocked.code, trips=False, retry=False),
    "permission": Outcome(403, "invalid_request_error", "permission_denied", trips=False),
    "model": Outcome(404, "invalid_request_error", "model_not_found", trips=False),
    "method": Outcome(405, "invalid_request_error", "method_not_supported", trips=False),
    # This target's doing, for now.  Its refusal of our key is never a 401: the caller's key is another one.
    "credentials": Outcome(502, "server_error", "provider_auth_failed", retry=False),
    "requests": Outcome(429, "requests", "rate_limit_exceeded"),
    "tokens": Outcome(429, "tokens", "rate_limit_exceeded"),
    "quota": Outcome(429, "insufficient_quota", "insufficient_quota", retry=False),
    "failed": Outcome(502, "server_error", "upstream_failed"),
    "overloaded": Outcome(503, "server_error", "server_is_overloaded"),
    "timeout": Outcome(504, "server_error", "upstream_timeout"),
}

# Of which a vendor that speaks OpenAI's codes is taken at its word.
OPENAIS = OUTCOMES.keys() - {"region", "failed", "credentials"}

BY_STATUS = {
    401: "credentials",
    402: "quota",
    403: "permission",
    404: "model",
    405: "method",
    407: "credentials",
    408: "timeout",
    413: "large",
    429: "requests",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}


class Rule(NamedTuple):
    """Applies where all that it states holds: `code` is a pattern for the whole of the vendor's code or type,
    `message` one for a part of its text; neither heeds case.  Of several the first wins."""

    outcome: str
    code: str = ""
    status: int = 0
    message: str = ""


# The refusals that mean "not from where you are", in the words of those who say so (OpenAI; Anthropic, Bedrock and
# Gemini behind an OpenAI-compatible front; CloudFront, Cloudflare and other fronts as a page; lists of addresses).
REGION = (
    Rule("region", "unsupported_country(_region_territory)?"),
    Rule("region", message=r"(country|region|territory|location)[^.]{0,20} (is )?not supported"),
    Rule("region", message=r"unsupported (countr|region|territor|location)"),
    Rule("region", message=r"not (available|allowed|permitted) (in|from) your (country|region|territory|location)"),
    Rule("region", message=r"unavailable in your (country|region|territory|location)"),
    Rule("region", message=r"^error code: 1009\b|banned the country or region"),
    Rule("region", message=r"(block|restrict|deny|denied|denies)[^.]{0,30} from your (country|region|location)"),
    Rule("region", message=r"不支持[^。]{0,12}(国家|地区)|(国家|地区)[^。]{0,12}(不支持|受限|不可用)"),
    Rule("region", message=r"\bip\b.{0,40}(not (in|on)|outside).{0,20}(white|allow)[ -]?list|不在.{0,8}白名单"),
    Rule("region", "forbidden", status=403, message=r"^request not allowed$"),
)

# Where the code says only that the request is wrong: DeepSeek, vLLM, SGLang, llama.cpp, Gemini, Moonshot, Ollama.
TOO_LONG = (
    r"maximum context length|(longer than|exceeds?) (the |this )?(available |model's )*context"
    r"|exceeded model token limit|input token count.*exceeds|prompt is too long|input length.{0,20} exceeds"
    r"|exceeds? the (model's )?(maximum )?context|context (window|length) exceeded"
)
NO_KEY = r"(api[ _-]?key|authentication|access token)( provided)?:? (is )?(not valid|invalid|expired|incorrect|fail)"

# OpenAI's own codes, which the others' fronts use, too, where they have none of their own.  Some come from third-party
# pages only (slow_down, server_is_overloaded, credit_balance_exhausted).
GENERAL = (
    Rule("context", r"context_length_exceeded|exceed_context_size_error"),
    Rule("context", status=400, message=TOO_LONG),
    Rule("policy", r"content_policy_violation|content_filter"),
    Rule("quota", r"insufficient_quota|billing_.*|credit_balance_exhausted|exceeded_current_quota_error"),
    Rule("overloaded", r"slow_down|server_is_overloaded|(engine_)?overloaded_error|unavailable_error"),
    Rule("tokens", r"tokens"),
    Rule("requests", r"requests|rate_limit_exceeded|rate_limit_error|rate_limit_reached_error"),
    Rule("credentials", r"(invalid|incorrect)_api_key(_error)?|(invalid_)?authentication_error"),
    Rule("credentials", status=400, message=NO_KEY + r"|(incorrect|invalid) api[ _-]?key"),
    Rule("failed", status=404, message=r"^(not found$|404 page not found|invalid url)"),  # of the path
    Rule("model", r"model_not_found"),
    Rule("failed", r"server_error|api_error"),
    Rule("invalid", r"invalid_request_error", status=200),
)

# Our own key must not reach a caller through a vendor's message.
SECRETS = re.compile(
    r"(?:bearer\s+|key provided:\s*)\S+|\b(?:sk|ak|api)-[\w*-]{4,}[\w*]|\bbce-v3/\S+|\b[0-9a-f]{32}\.\w{8,}"
    r"|\beyJ[\w-]{8,}[\w.-]*",
    re.IGNORECASE,
)

Wait = Callable[[Said, int], float | None]


def fault(  # noqa: PLR0913 - a vendor's answer, and how to read it
    name: str,
    rules: Sequence[Rule],
    status: int,
    headers: Headers,
    body: bytes,
    clock: Clock,
    *,
    native: Container[str] = (),
    wait: Wait | None = None,
) -> UpstreamFailed:
    """What the vendor `name` meant.  `native`: the outcomes of which its codes are OpenAI's own and are passed on;
    `wait` finds the time to wait for (seconds) in what was said, given the time now."""
    said = read_error(status, body)
    judged = judge(rules, said)
    outcome = OUTCOMES[judged]
    message = SECRETS.sub("[hidden]", said.message)[:MAX_MESSAGE] or _unsaid(name, said)
    kind, code = outcome.kind, outcome.code
    if outcome is OUTCOMES["credentials"]:
        message = f"{name} refused this gateway's credentials."
    elif judged in native:
        kind, code = said.kind or kind, said.code or code
    return UpstreamFailed(
        message,
        status=outcome.status,
        kind=kind,
        code=code,
        param=said.param or ("messages" if code == "context_length_exceeded" else None),
        retry_after=retry_after(headers, clock) or (wait(said, clock()) if wait else None),
        advance=outcome.advance,
        trips=outcome.trips,
        retry=outcome.retry,
    )


def _unsaid(name: str, said: Said) -> str:
    if said.code:
        return f"{name} failed with the code {said.code}."
    if said.status < HTTPStatus.BAD_REQUEST:
        return f"{name} answered with something that is no chat completion."
    return f"{name} failed with status {said.status}."


def judge(rules: Sequence[Rule], said: Said) -> str:
    """The name of the outcome."""
    for rule in (*REGION, *rules, *GENERAL):
        if _applies(rule, said):
            return rule.outcome
    if said.status == HTTPStatus.NOT_FOUND and not said.readable:
        return "failed"  # no such endpoint: the base URL is wrong, not the model
    if said.status == HTTPStatus.METHOD_NOT_ALLOWED and said.page:
        return "permission"  # Alibaba Cloud's firewall says so of a request that it does not like
    callers_doing = HTTPStatus.BAD_REQUEST <= said.status < HTTPStatus.INTERNAL_SERVER_ERROR
    return BY_STATUS.get(said.status, "invalid" if callers_doing else "failed")


def _applies(rule: Rule, said: Said) -> bool:
    if rule.status and rule.status != said.status:
        return False
    if rule.code and not any(re.fullmatch(rule.code, word, re.IGNORECASE) for word in (said.code, said.kind) if word):
        return False
    return not rule.message or re.search(rule.message, said.message or said.page, re.IGNORECASE) is not None


def retry_after(headers: Headers, clock: Clock) -> float | None:
    """Seconds, from `retry-after-ms` (OpenAI's) or `retry-after` (RFC 9110: seconds, or a date)."""
    named = {name: value.decode("latin-1").strip() for name, value in headers if name.startswith(b"retry-after")}
    try:
        if b"retry-after-ms" in named:
            seconds = float(named[b"retry-after-ms"]) / 1000
        elif re.fullmatch(r"[0-9.]+", stated := named.get(b"retry-after", "")):
            seconds = float(stated)
        else:
            seconds = (instant(parsedate_to_datetime(stated)) - clock()) / SECOND
    except (ValueError, TypeError, OverflowError):
        return None
    return seconds if 0 < seconds < 10**7 else None


# Codes that some fronts write beside an answer.
FINE = frozenset({"0", "200", "ok", "success"})


def error_in(said: Any) -> bool:
    """Whether a JSON value that should have been an answer is an error: OpenAI's object, and the flat ones of others
    (Baidu, DashScope, BigModel's front, vLLM)."""
    if isinstance(said, list) and said:
        said = said[0]  # Gemini's
    if not isinstance(said, dict):
        return False
    code, words = said.get("code"), "message" in said or "msg" in said
    coded = bool(code) and str(code).lower() not in FINE
    flat = coded and not said.get("choices") and (words or not said.get("output"))
    stated = said.get("success") is False or said.get("object") == "error"
    return bool(said.get("error")) or bool(said.get("error_code")) or flat or stated
