"""Alibaba's Qwen behind DashScope's compatible mode (docs.qwencloud.com/api-reference/chat/openai-chat, 2026-11)."""

import re
from datetime import UTC, datetime
from typing import Any

from msgspec import Raw

from gapura.clock import SECOND, instant
from gapura.providers.answers import as_it_is
from gapura.providers.ask import Ask
from gapura.providers.catalogue import Model
from gapura.providers.embeddings import Embeddings
from gapura.providers.faults import Rule
from gapura.providers.fields import (
    COMMON,
    ELSEWHERE_UNKNOWN,
    clamp,
    drop,
    keep,
    one_of,
    step,
    typed,
    whole,
)
from gapura.providers.messages import carry_messages
from gapura.providers.rerank import Rerank
from gapura.providers.said import Said
from gapura.providers.thinking import carry_thinking
from gapura.providers.tools import carry_tools
from gapura.providers.vendor import Vendor, carry_limit, carry_stream_options, carry_streaming

UNHEARD_OF = Model()

EFFORTS = frozenset({"low", "medium", "high", "xhigh", "max"})

FIELDS = {
    **ELSEWHERE_UNKNOWN,
    **COMMON,
    "max_tokens": step("`max_tokens`, or `max_completion_tokens` where the model may think", "behavioural"),
    "max_completion_tokens": step("kept, at most what the model writes", "behavioural"),
    "temperature": clamp(0.0, 1.99),
    "top_p": clamp(0.0, 1.0, above=0.001),
    "presence_penalty": clamp(-2.0, 2.0),
    "frequency_penalty": drop("behavioural", means_nothing=(0,)),
    "n": one_of(1, 2, 3, 4, weight="contract"),
    "stop": typed(str | list[str | int]),  # also token ids
    "seed": whole(0, 2**31 - 1, "behavioural"),
    "logprobs": typed(bool),
    "top_logprobs": whole(0, 5, "contract"),
    "user": drop("cosmetic"),
    "tool_choice": step("kept: auto, none, a named function, for which thinking gives way", "contract"),
    "parallel_tool_calls": step("kept; true is said where the caller left it out, since Qwen's default is false"),
    "response_format": step("kept; a message asks for JSON where none has the word", "cosmetic"),
    "stream_options": step("usage is always asked for"),
    "reasoning_effort": step("kept where the model has degrees, else `enable_thinking`", "behavioural"),
    "enable_thinking": step("kept; false where the model thinks by default and nobody asked", "behavioural"),
    "thinking": step("`enable_thinking`"),
    "thinking_budget": typed(int),
    **dict.fromkeys(
        (
            "preserve_thinking",
            "enable_search",
            "search_options",
            "top_k",
            "repetition_penalty",
            "tool_stream",
            "vl_high_resolution_images",
            "translation_options",
            "enable_code_interpreter",
            "asr_options",
        ),
        keep(),
    ),
}

FAULTS = (
    Rule("context", message=r"range of input length|maximum context length|input is too long"),
    # The model is asked on the other one of the two native paths.
    Rule("model", message=r"url error, please check url"),
    Rule("policy", r"(.*\.)?data_?inspection_?failed|faqruleblocked|customroleblocked|ipinfringementsuspect"),
    Rule("policy", message=r"datainspectionfailed"),
    Rule("image", r"invalidurl|invalidfile.*"),
    Rule("quota", r"arrearage|.*billoverdue|commoditynotpurchased|budgetlimitexceeded|.*\.freetier(only)?"),
    Rule("quota", r"insufficient_quota", status=403),
    # Said without a code by plans and fronts, or under that of a rate limit.  A bare "allocated quota exceeded" is one,
    # of tokens a minute.
    Rule("quota", message=r"make sure your account is in good standing|free tier .{0,40}exhausted"),
    Rule("quota", message=r"(token|coding)[- ]plan .{0,20}quota|(week|month) allocated quota exceeded"),
    Rule("large", r"badrequest\.toolarge"),
    Rule("tokens", r"throttling\.allocationquota|insufficient_quota"),
    Rule("requests", r"throttling.*|limit_?requests|limit_burst_rate|rate_limit_exceeded"),
    Rule("credentials", r"invalid_?api_?key"),
    Rule("permission", r"(.*\.)?accessdenied(\..*)?|access_denied"),
    Rule("permission", message=r"user api does not support \w+ calls?"),
    Rule("model", r"model\.?not(found|exist)|model_not_found|model_not_supported|workspacenotfound"),
    Rule("model", message=r"model not exist|unsupported model"),
    Rule("timeout", r"requesttimeout|responsetimeout|gatewaytimeout"),
    Rule("overloaded", r"modelunavailable|modelservingerror|serviceunavailable"),
    # Their algorithms' complaint about a request is labelled as an internal error, with a 400 before it.
    Rule("invalid", message=r"^<400> "),
    Rule("invalid", r"(internalerror\.algo\.)?invalid_?parameter.*|badrequest\..*|missing_parameter|invalidappid"),
    Rule("timeout", r"internalerror\.timeout"),
    Rule("failed", r"internalerror.*|internal_error|systemerror|modelservicefailed"),
)


# A plan's message has no year: it is the next such day, if that is soon.  Plans last a month.
SOON = 40 * 86_400
RESET = re.compile(r"reset at (\d\d-\d\d \d\d:\d\d:\d\d) UTC")


def wait(said: Said, now: int) -> float | None:
    """Seconds until the reset that a message names."""
    if not (found := RESET.search(said.message)):
        return None
    this = datetime.fromtimestamp(now / SECOND, UTC).year
    try:
        days = [instant(f"{year}-{found[1]}+00:00") for year in (this, this + 1)]
    except ValueError:
        return None
    return next((seconds for day in days if 0 < (seconds := (day - now) / SECOND) < SOON), None)


def thinks(ask: Ask) -> bool:
    return ask.facts.thinks == "always" or bool(ask.body.get("enable_thinking")) or "reasoning_effort" in ask.body


def limit(ask: Ask) -> str:
    """`max_tokens` bounds the answer alone here, OpenAI's the thinking, too: a hold must cover both."""
    sum_asked = "max_completion_tokens" in ask.given or thinks(ask) or ask.facts == UNHEARD_OF
    return "max_completion_tokens" if sum_asked else "max_tokens"


def carry_format(ask: Ask) -> None:
    """JSON must be asked for in words, and does not go together with thinking."""
    given: dict[str, Any] | None = ask.value("response_format", dict[str, Any])
    if given is None:
        return
    ask.body["response_format"] = ask.given["response_format"]
    if given.get("type") not in {"json_object", "json_schema"}:
        return
    if thinks(ask) and ask.facts.thinks != "always":
        silence(ask, "off, since it excludes JSON")
    if not re.search(rb"json", bytes(ask.given["messages"]), re.IGNORECASE):
        ask.lose("messages", "asks for JSON in words", "cosmetic")
        messages = ask.body["messages"]
        messages = ask.value("messages", list[Raw]) if isinstance(messages, Raw) else messages
        ask.body["messages"] = [{"role": "system", "content": "Answer in JSON."}, *messages]


def carry_forced(ask: Ask) -> None:
    """A tool that must be called does not go together with thinking, nor several answers with tools or thoughts."""
    if isinstance(ask.value("tool_choice", str | dict[str, Any]), dict) and "tool_choice" in ask.body and thinks(ask):
        if ask.facts.thinks == "always":
            del ask.body["tool_choice"]
            ask.lose("tool_choice", f"{ask.model} always thinks, and then cannot be told which to call", "contract")
        else:
            silence(ask, "off, since it excludes a forced tool")
    if ask.body.get("n", 1) != 1 and ("tools" in ask.body or thinks(ask)):
        ask.lose("n", "one answer where there are tools or thoughts", "contract")
        ask.body["n"] = 1


def silence(ask: Ask, why: str) -> None:
    ask.lose("enable_thinking", why, "behavioural")
    ask.body.pop("reasoning_effort", None)
    ask.body["enable_thinking"] = False


# How the compatible mode is given base64, whatever is in it.
UNNAMED = "data:;base64,"


def hears(model: str) -> bool:
    return re.search(r"omni|asr|audio", model) is not None


def carry_words(ask: Ask) -> None:
    """Messages.  OpenAI's audio is bare base64, DashScope's a URL with the data in it; only some models hear.  A text
    model wants its texts whole ("input content must be a string")."""
    carry_messages(takes={"video": as_it_is, **({"input_audio": audio} if hears(ask.model) else {})})(ask)
    if ask.facts.vision is False and not hears(ask.model):
        flatten(ask)


def flatten(ask: Ask) -> None:
    given = ask.body["messages"]
    messages = ask.value("messages", list[dict[str, Any]]) if isinstance(given, Raw) else given
    whole = [{**one, "content": _joined(one["content"])} if _texts(one.get("content")) else one for one in messages]
    if whole != messages:
        ask.lose("messages", "texts in parts became one", "cosmetic")
        ask.body["messages"] = whole


def _texts(content: Any) -> bool:
    return isinstance(content, list) and all(part.keys() == {"type", "text"} for part in content)


def _joined(parts: list[dict[str, Any]]) -> str:
    return "".join(str(part.get("text") or "") for part in parts)


def audio(part: dict[str, Any]) -> dict[str, Any]:
    given = part.get("input_audio")
    data = given.get("data") if isinstance(given, dict) else None
    if not isinstance(given, dict) or not isinstance(data, str) or re.match(r"data:|https?://", data):
        return part
    return {**part, "input_audio": {**given, "data": UNNAMED + data}}


def carry_parallel(ask: Ask) -> None:
    if "tools" in ask.body:
        parallel = ask.value("parallel_tool_calls", bool)
        ask.body["parallel_tool_calls"] = True if parallel is None else parallel


QWEN = Vendor(
    name="qwen",
    fields=FIELDS,
    steps=(
        carry_words,
        carry_tools(choices=frozenset({"auto", "none", "function"}), described=True, forbidden=frozenset({"search"})),
        carry_parallel,
        carry_thinking(switch="enable_thinking", efforts=EFFORTS),
        carry_forced,
        carry_format,
        carry_streaming,
        carry_stream_options,
        carry_limit(limit),
    ),
    faults=FAULTS,
    wait=wait,
    others={
        "embeddings": Embeddings(name="qwen", rules=FAULTS, most=10),
        "rerank": Rerank(name="qwen", rules=FAULTS, most=500, path="//compatible-api/v1/reranks"),
    },
)
