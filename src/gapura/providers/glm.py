"""Zhipu's GLM behind BigModel v4 (docs.bigmodel.cn/api-reference and api-code, 2026-07; zai-sdk 0.2.3)."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from msgspec import Raw

from gapura.clock import SECOND, instant
from gapura.providers.ask import Ask
from gapura.providers.embeddings import Embeddings
from gapura.providers.faults import Rule
from gapura.providers.fields import COMMON, ELSEWHERE_UNKNOWN, clamp, drop, first, keep, sized, step
from gapura.providers.forms import before_messages, carry_form
from gapura.providers.glm_moderation import Moderation
from gapura.providers.messages import Item, carry_messages
from gapura.providers.rerank import Rerank
from gapura.providers.said import Said
from gapura.providers.thinking import carry_thinking
from gapura.providers.tools import carry_tools
from gapura.providers.turns import CONTINUE, OPENING
from gapura.providers.vendor import Vendor, carry_limit

FIELDS = {
    **ELSEWHERE_UNKNOWN,
    **COMMON,
    "max_tokens": step("kept, at most what the model writes", "behavioural"),
    "max_completion_tokens": step("`max_tokens`, at most what the model writes", "behavioural"),
    "temperature": step("moved into [0, 1], two decimals; 0 becomes `do_sample` false", "behavioural"),
    "top_p": clamp(0.01, 1.0),
    "presence_penalty": drop("behavioural", means_nothing=(0,)),
    "frequency_penalty": drop("behavioural", means_nothing=(0,)),
    "n": drop("contract", means_nothing=(1,)),
    "stop": first(1),
    "seed": keep(),
    "logprobs": drop("contract", means_nothing=(False,)),
    "top_logprobs": drop("contract", means_nothing=(0,)),
    "user": sized(6, 128, "user_id", "cosmetic"),
    "tool_choice": step("kept: auto; none leaves the tools out", "contract"),
    "parallel_tool_calls": drop("behavioural", means_nothing=(True,)),
    "response_format": step("kept: text, json_object; a schema is checked here, in a stream lost", "contract"),
    "stream_options": step("left out; usage comes anyway"),
    "reasoning_effort": step("kept from GLM-5.2 on, else `thinking`", "behavioural"),
    "enable_thinking": step("`thinking`", "behavioural"),
    "thinking": step("kept; disabled where the model thinks by default and nobody asked", "behavioural"),
    "thinking_budget": drop("behavioural"),
    "user_id": keep(),
    **dict.fromkeys(
        ("do_sample", "tool_stream", "request_id", "sensitive_word_check", "watermark_enabled", "meta"), keep()
    ),
}

FAULTS = (
    Rule("credentials", r"100\d"),
    Rule("permission", r"11(00|10|11|12|20|21)|1220"),
    Rule("quota", r"1113|1304|1308|1309|131\d|132[01]"),
    Rule("failed", r"1200|123[014]|500"),
    Rule("invalid", r"121[02-5]"),
    Rule("model", r"1211|122[12]"),
    Rule("context", r"1261"),
    Rule("policy", r"130[01]"),
    Rule("requests", r"130[235]"),
)

# A reset time without a zone is Beijing's.
BEIJING = timezone(timedelta(hours=8))
RESET = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(Z|[+-]\d\d:\d\d)?")


def wait(said: Said, now: int) -> float | None:
    """Seconds until the reset that a message names, if it is to come."""
    if not (found := RESET.search(said.message)):
        return None
    try:
        when = datetime.fromisoformat(f"{found[1]}T{found[2]}{found[3] or ''}".replace("Z", "+00:00"))
        seconds = (instant(when if when.tzinfo else when.replace(tzinfo=BEIJING).astimezone(UTC)) - now) / SECOND
    except (ValueError, OverflowError):
        return None
    return seconds if seconds > 0 else None


def image(part: Item) -> Item:
    """An image as the vendor's own SDK sends it: base64 without the `data:` prefix."""
    url = part.get("image_url")
    data = url.get("url") if isinstance(url, dict) else url
    if not isinstance(data, str) or not data.startswith("data:image/"):
        return part
    return {**part, "image_url": {**(url if isinstance(url, dict) else {}), "url": data.partition(",")[2]}}


def carry_user(ask: Ask) -> None:
    """A step after `carry_messages`: somebody must ask something.  A conversation in which no word is the user's is
    refused (1214: "not only system or assistant messages"), and so is a message of theirs without one (1213)."""
    given = ask.body["messages"]
    if isinstance(given, Raw) and b'"user"' in bytes(given) and b'""' not in bytes(given):
        return
    messages: list[Item] = given if isinstance(given, list) else ask.value("messages", list[dict[str, Any]])
    done = [one for one in messages if one["role"] != "user" or _says(one)]
    if any(one["role"] == "user" for one in done):
        done = [one if one["role"] != "user" or _says(one) else {**one, **CONTINUE} for one in messages]
        if done != messages:
            ask.lose("messages", "an empty message of the user became a request to go on", "behavioural")
    elif asked := [number for number, one in enumerate(done) if one["role"] == "system" and _says(one)]:
        ask.lose("messages.role", "the last system message became the user's, since nobody asks", "behavioural")
        done[asked[-1]] = {**done[asked[-1]], "role": "user"}
    else:
        ask.lose("messages", "nobody asks, so a line of the user's was put before", "behavioural")
        done.insert(0, OPENING)
    if done != messages:
        ask.body["messages"] = done


def _says(message: Item) -> bool:
    content = message.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or ()
    return any(part.get("type") != "text" or part.get("text") for part in parts)


def carry_parameters(ask: Ask) -> None:
    """A step after `carry_tools`: a function without parameters says so, since the vendor's schema wants them."""
    for tool in ask.body.get("tools", ()):
        if isinstance(function := tool.get("function"), dict):
            function.setdefault("parameters", {"type": "object", "properties": {}})


def carry_temperature(ask: Ask) -> None:
    given: float | None = ask.value("temperature", float)
    if given is None:
        return
    if given <= 0:
        ask.body["do_sample"] = False
        return
    near = min(max(round(given, 2), 0.01), 1.0)
    ask.body["temperature"] = near
    if near != given:
        ask.lose("temperature", f"{given:g} became {near}", "behavioural")


def carry_format(ask: Ask) -> None:
    given: dict[str, Any] | None = ask.value("response_format", dict[str, Any])
    if given is None:
        return
    if given.get("type") == "json_schema":
        carry_form(ask, given, before_messages)
        given = {"type": "json_object"}
    ask.body["response_format"] = given


GLM = Vendor(
    name="glm",
    fields=FIELDS,
    steps=(
        carry_messages(takes={"image_url": image}),
        carry_user,
        carry_tools(
            kinds=frozenset({"function", "web_search", "retrieval", "mcp"}), choices=frozenset({"auto"}), most=128
        ),
        carry_parameters,
        carry_temperature,
        carry_format,
        carry_thinking(switch="thinking"),
        carry_limit(lambda _: "max_tokens"),
    ),
    faults=FAULTS,
    others={
        "embeddings": Embeddings(name="glm", rules=FAULTS, most=64),
        "rerank": Rerank(name="glm", rules=FAULTS, most=128, path="/rerank"),
        "moderation": Moderation(name="glm", rules=FAULTS),
    },
    wait=wait,
)
