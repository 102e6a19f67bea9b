"""Anthropic's Messages (platform.claude.com/docs/en/api/messages, anthropic SDK 1.x types, 2026-11).

A conversation is turns of `user` and `assistant` whose content is blocks; the system text stands beside them, results
of tools are blocks of the user's turn, and the length of the answer must be limited.
"""

from typing import Any

from gapura.clock import system_clock
from gapura.errors import UpstreamFailed
from gapura.providers.anthropic_answers import Events, plain
from gapura.providers.anthropic_turns import carry_turns, document
from gapura.providers.ask import Ask
from gapura.providers.base import Headers
from gapura.providers.faults import Rule, fault
from gapura.providers.fields import COMMON, ELSEWHERE_UNKNOWN, Carried, Field, clamp, drop, keep, step, typed
from gapura.providers.forms import carry_form
from gapura.providers.messages import carry_messages
from gapura.providers.native import Messages
from gapura.providers.thinking import wanted
from gapura.providers.tools import carry_tools
from gapura.providers.vendor import Vendor, carry_limit

Item = dict[str, Any]

VERSION = "2023-06-01"

# The API refuses a request without a limit.  Where the model's own is unknown: what every model since 2024 can write.
USUAL_LIMIT = 8192

# Tokens of thinking for a degree, for models that take a budget; 1024 is the least that the API takes.
BUDGETS = {"low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768, "max": 32_768}
LEAST_BUDGET = 1024


def _stops(_: str, value: str | list[str]) -> Carried:
    """Without those of white space alone, which the API refuses."""
    given = [value] if isinstance(value, str) else value
    taken = [one for one in given if one.strip()]
    sent = {"stop_sequences": taken} if taken else {}
    return sent, "" if taken == given else "stops of white space are not supported"


FIELDS = {
    **ELSEWHERE_UNKNOWN,
    **COMMON,
    "max_tokens": step("kept, at most what the model writes; that, where the caller names none", "behavioural"),
    "max_completion_tokens": step("`max_tokens`, likewise", "behavioural"),
    "temperature": clamp(0.0, 1.0),
    "top_p": clamp(0.0, 1.0),
    "presence_penalty": drop("behavioural", means_nothing=(0,)),
    "frequency_penalty": drop("behavioural", means_nothing=(0,)),
    "n": drop("contract", means_nothing=(1,)),
    "stop": Field("`stop_sequences`, without those of white space", _stops, str | list[str], "behavioural"),
    "seed": drop("behavioural"),
    "logprobs": drop("contract", means_nothing=(False,)),
    "top_logprobs": drop("contract", means_nothing=(0,)),
    "user": Field("`metadata.user_id`", lambda _, value: ({"metadata": {"user_id": value}}, ""), str),
    "tool_choice": step("`auto`, `none`, `any`, a named tool"),
    "parallel_tool_calls": step("`tool_choice.disable_parallel_tool_use`"),
    "response_format": step("a schema as `output_config.format`; JSON without one is checked here", "contract"),
    "stream_options": step("left out; usage comes anyway"),
    "reasoning_effort": step("`thinking`, and `output_config.effort` where the model has degrees", "behavioural"),
    "enable_thinking": step("`thinking`", "behavioural"),
    "thinking": step("kept; left out where nobody asked", "behavioural"),
    "thinking_budget": step("`thinking.budget_tokens`", "behavioural"),
    "top_k": typed(int),
    **dict.fromkeys(("cache_control", "container", "context_management", "inference_geo", "speed"), keep()),
}

FAULTS = (
    Rule("context", message=r"prompt is too long|exceed context limit|context window"),
    Rule("quota", message=r"credit balance is too low|spend limit|usage limits"),
    Rule("quota", r"billing_error"),
    Rule("overloaded", r"overloaded_error"),
    Rule("timeout", r"timeout_error"),
    Rule("large", r"request_too_large"),
    Rule("tokens", r"rate_limit_error", message=r"tokens"),
    Rule("requests", r"rate_limit_error"),
    Rule("credentials", r"authentication_error"),
    Rule("permission", r"permission_error"),
    Rule("model", r"not_found_error"),
    Rule("image", message=r"could not process image|unable to download|image exceeds"),
    Rule("failed", r"api_error"),
)


def headers(key: str) -> Headers:
    return [
        (b"x-api-key", key.encode()),
        (b"anthropic-version", VERSION.encode()),
        (b"content-type", b"application/json"),
    ]


def carry_some_limit(ask: Ask) -> None:
    if "max_tokens" not in ask.body:
        ask.body["max_tokens"] = ask.facts.max_output or USUAL_LIMIT
        if not ask.facts.max_output:
            ask.lose("max_tokens", f"the provider wants one: {USUAL_LIMIT}", "cosmetic")


def carry_choice(ask: Ask) -> None:
    """Tools and the choice among them, as `carry_tools` left them, in Anthropic's words."""
    tools = ask.body.get("tools")
    if not tools:
        return
    ask.body["tools"] = [_tool(one) for one in tools]
    parallel = ask.value("parallel_tool_calls", bool)
    chosen: Any = ask.body.pop("tool_choice", None)
    words = {"auto": {"type": "auto"}, "none": {"type": "none"}, "required": {"type": "any"}}
    if isinstance(chosen, dict):
        named: Item = chosen.get("function") or {}
        choice: Item = {"type": "tool", "name": named.get("name", "")}
    else:
        choice = dict(words[chosen or "auto"])
    if parallel is False and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    if chosen is not None or parallel is False:
        ask.body["tool_choice"] = choice


def _tool(given: Item) -> Item:
    function = given["function"]
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    tool = {"name": function.get("name", ""), "input_schema": schema}
    return tool | {name: function[name] for name in ("description", "strict") if function.get(name)}


def carry_format(ask: Ask) -> None:
    given: Item | None = ask.value("response_format", dict[str, Any])
    if given is None or given.get("type") == "text":
        return
    named = given.get("json_schema")
    schema = named.get("schema") if isinstance(named, dict) else None
    if given.get("type") == "json_schema" and isinstance(schema, dict):
        ask.body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    else:
        carry_form(ask, given, _tell)


def _tell(ask: Ask, sentence: str) -> None:
    system = ask.body.get("system", [])
    blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
    ask.body["system"] = [*blocks, {"type": "text", "text": sentence}]


def carry_reasoning(ask: Ask) -> None:
    """Thinking excludes some of the rest: a forced tool is worth more than it, a temperature less."""
    effort = ask.value("reasoning_effort", str)
    asked_by, think = wanted(ask, effort)
    if not think:
        if think is False and ask.facts.thinks == "always":
            ask.lose(asked_by, f"{ask.model} always thinks", "behavioural")
        return
    if obstacle := _obstacle(ask):
        ask.lose(asked_by, obstacle, "behavioural")
        return
    _think(ask, effort, asked_by)
    if "thinking" not in ask.body:
        return
    for name, why in (("temperature", "1 while it thinks"), ("top_k", "not while it thinks")):
        if ask.body.pop(name, 1) != 1:
            ask.lose(name, why, "behavioural")


def _obstacle(ask: Ask) -> str:
    """What this request has that thinking excludes; "" for nothing."""
    if isinstance(choice := ask.body.get("tool_choice"), dict) and choice["type"] in {"any", "tool"}:
        return "off, since it excludes a forced tool"
    turns = ask.body["messages"]
    blocks: list[Item] = next((turn["content"] for turn in reversed(turns) if turn["role"] == "assistant"), [])
    called = any(block["type"] == "tool_use" for block in blocks)
    if called and blocks[0]["type"] not in {"thinking", "redacted_thinking"} and not ask.facts.efforts:
        return "off, since the calls of tools came without the thinking before them"
    return ""


def _think(ask: Ask, effort: str | None, asked_by: str) -> None:
    given: Item = ask.value("thinking", dict[str, Any]) or {}
    if given.get("type") in {"adaptive", "enabled"} and ("budget_tokens" in given or given["type"] == "adaptive"):
        ask.body["thinking"] = given
    elif ask.facts.efforts:
        ask.body["thinking"] = {"type": "adaptive"}
        if effort is not None:
            near = effort if effort in ask.facts.efforts else ask.facts.efforts[-1]
            ask.body.setdefault("output_config", {})["effort"] = near
            if near != effort:
                ask.lose("reasoning_effort", f"{effort} became {near}", "behavioural")
    else:
        budget = ask.value("thinking_budget", int) or BUDGETS.get(effort or "medium", BUDGETS["medium"])
        most = ask.body["max_tokens"] // 2  # the rest is for the answer
        if most < LEAST_BUDGET:
            why = f"off: the provider wants at least {LEAST_BUDGET} tokens for it, and as many are for the answer"
            ask.lose(asked_by, why, "behavioural")
            return
        ask.body["thinking"] = {"type": "enabled", "budget_tokens": max(min(budget, most), LEAST_BUDGET)}


def _fault(status: int, headers: Headers, body: bytes) -> UpstreamFailed:
    return fault("anthropic", FAULTS, status, headers, body, system_clock)


ANTHROPIC = Vendor(
    name="anthropic",
    path="/messages",
    fields=FIELDS,
    steps=(
        carry_messages(takes={"file": document}),
        carry_turns,
        carry_tools(strict=True),
        carry_choice,
        carry_format,
        carry_limit(lambda _: "max_tokens"),
        carry_some_limit,
        carry_reasoning,
    ),
    faults=FAULTS,
    others={"messages": Messages(fault=_fault)},
    key=headers,
    plain=plain,
    events=Events,
)
