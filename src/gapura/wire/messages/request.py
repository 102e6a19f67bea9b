"""A request to Anthropic's POST /v1/messages as a chat request (platform.claude.com/docs/en/api/messages, 2026-11;
anthropic 2.14.0's types)."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from gapura.terms.loss import Loss
from gapura.terms.usage import Usage
from gapura.wire import openai, tokens
from gapura.wire.fates import (
    HONOURED,
    Draft,
    Line,
    degraded,
    ignored,
    kind_at,
    list_at,
    object_at,
    of,
    refused,
    said,
    take,
    text_at,
    translated,
)
from gapura.wire.messages.answer import answer
from gapura.wire.messages.blocks import messages_of
from gapura.wire.messages.stream import Stream

FIELDS: Mapping[str, Line] = {
    "model": HONOURED,
    "stream": HONOURED,
    "temperature": HONOURED,
    "top_p": HONOURED,
    "max_tokens": translated("`max_completion_tokens`"),
    "messages": translated("chat messages: see *Blocks*"),
    "system": translated("a message of the system"),
    "stop_sequences": translated("`stop`; the answer does not say which of them it was"),
    "tools": translated("functions; tools of Anthropic's own are refused"),
    "tool_choice": translated("`tool_choice`, `parallel_tool_calls`"),
    "metadata": translated("`user`"),
    "thinking": degraded("`reasoning_effort`: a degree, where a budget was given", "behavioural"),
    "output_config": translated("`effort` as `reasoning_effort`, `format` as `response_format`"),
    "output_format": translated("`response_format`"),
    "top_k": ignored("chat has no such choice", "behavioural"),
    "cache_control": ignored("the provider caches as it likes", "cosmetic"),
    "service_tier": ignored("the operator's choice", "cosmetic", ("auto",)),
    "speed": ignored("the operator's choice", "cosmetic", ("standard",)),
    "inference_geo": refused("where it is processed is the route's choice", ("global",)),
    "diagnostics": ignored("there are none", "cosmetic"),
    "context_management": ignored("the context is sent as it is", "behavioural"),
    "betas": ignored("there are none here", "behavioural", ([],)),
    "user_profile_id": ignored("there are none here", "cosmetic"),
    "workspace_id": ignored("there are none here", "cosmetic"),
    "container": refused("there are none here"),
    "mcp_servers": refused("no tools are run here", ([],)),
}

# How the losses of chat are called here.
NAMES = {
    "max_completion_tokens": "max_tokens",
    "stop": "stop_sequences",
    "user": "metadata",
    "reasoning_effort": "thinking",
    "response_format": "output_config",
}

TOOL = of("type", "name", "input_schema", "description", "strict", "cache_control")
CHOICES = {"auto": "auto", "any": "required", "none": "none"}

# Tokens of thinking up to which an effort is meant, by the degrees that OpenAI and the vendors share.
EFFORTS = ((4_096, "low"), (16_384, "medium"))


class MessagesRequest(msgspec.Struct, kw_only=True, gc=False):
    """The fields that the request river looks at."""

    model: Annotated[str, Meta(min_length=1, max_length=openai.MAX_NAME)]
    messages: Annotated[list[Raw], Meta(min_length=1)]
    max_tokens: Annotated[int, Meta(ge=1)]
    stream: bool | None = None

    n = None
    wants_usage = False

    @property
    def output_limit(self) -> int | None:
        return self.max_tokens

    def bound(self, body: bytes) -> int:
        return tokens.bound(body, body.count(b'"image"'))


_READ = msgspec.json.Decoder(MessagesRequest)
_GIVEN = msgspec.json.Decoder(dict[str, Any])
_ENCODER = msgspec.json.Encoder()


class Counted(msgspec.Struct, kw_only=True, gc=False):
    """A request to count_tokens, which has no limit."""

    model: Annotated[str, Meta(min_length=1, max_length=openai.MAX_NAME)]
    messages: Annotated[list[Raw], Meta(min_length=1)]


_COUNTED = msgspec.json.Decoder(Counted)


def read(body: bytes) -> MessagesRequest:
    return openai.decode(_READ, body)


def read_counted(body: bytes) -> Counted:
    return openai.decode(_COUNTED, body)


class Carried:
    """The chat request, and the way back."""

    names = NAMES

    def __init__(self, body: bytes) -> None:
        given: dict[str, Any] = openai.decode(_GIVEN, body)
        draft = Draft(given, FIELDS)
        draft.body["messages"] = messages_of(draft)
        draft.body["max_completion_tokens"] = draft.given["max_tokens"]
        take(draft, STEPS)
        self.body = _ENCODER.encode(draft.body)
        self.losses: tuple[Loss, ...] = tuple(draft.losses)
        thinking = draft.given.get("thinking") or {"type": "disabled"}
        self._thinks = thinking.get("type") != "disabled" and thinking.get("display") != "omitted"

    def answer(self, body: bytes, usage: Usage) -> bytes:
        return answer(body, usage, thinks=self._thinks)

    def retelling(self, inputs: int) -> Stream:
        return Stream(inputs, thinks=self._thinks)


def _stop(draft: Draft) -> None:
    if stops := draft.given.get("stop_sequences"):
        draft.body["stop"] = list_at(stops, "stop_sequences")


def _user(draft: Draft) -> None:
    for name, value in object_at(draft.given.get("metadata", {}), "metadata").items():
        if name == "user_id":
            draft.body["user"] = value
        else:
            draft.lose("metadata", "only user_id is known", "cosmetic")


def _tools(draft: Draft) -> None:
    tools = []
    for number, tool in enumerate(list_at(draft.given.get("tools", []), "tools")):
        where = f"tools[{number}]"
        kind = kind_at(object_at(tool, where), where, "custom")
        if kind != "custom":
            draft.lose(f"tools.{kind}", "tools of the provider's own are not run here", "contract")
            continue
        function = {"name": text_at(tool, "name", where), "parameters": object_at(tool.get("input_schema"), where)}
        function |= {name: tool[name] for name in ("description", "strict") if tool.get(name) is not None}
        draft.rest(tool, TOOL, "tools")
        if tool.get("cache_control") is not None:
            draft.lose("cache_control", "the provider caches as it likes", "cosmetic")
        tools.append({"type": "function", "function": function})
    if tools:
        draft.body["tools"] = tools


def _choice(draft: Draft) -> None:
    choice = object_at(draft.given["tool_choice"], "tool_choice")
    kind = kind_at(choice, "tool_choice", "auto")
    draft.rest(choice, of("type", "name", "disable_parallel_tool_use"), "tool_choice")
    if "tools" not in draft.body:
        if kind not in {"auto", "none"}:
            draft.lose("tool_choice", "there are no tools", "contract")
        return
    if kind == "tool":
        draft.body["tool_choice"] = {"type": "function", "function": {"name": text_at(choice, "name", "tool_choice")}}
    else:
        draft.body["tool_choice"] = CHOICES.get(kind, kind)
    if choice.get("disable_parallel_tool_use") is not None:
        draft.body["parallel_tool_calls"] = not choice["disable_parallel_tool_use"]


def _thinking(draft: Draft) -> None:
    """Who does not ask for thinking does not get it: that needs no word."""
    thinking = object_at(draft.given["thinking"], "thinking")
    draft.rest(thinking, of("type", "budget_tokens", "display"), "thinking")
    match thinking.get("type"):
        case "enabled":
            budget = thinking.get("budget_tokens")
            budget = budget if isinstance(budget, int) else 0
            draft.body["reasoning_effort"] = next((effort for most, effort in EFFORTS if budget <= most), "high")
            draft.lose("thinking.budget_tokens", "a degree of thinking, without a budget", "behavioural")
        case "adaptive":
            draft.body["reasoning_effort"] = "medium"
        case "disabled":
            pass
        case other:
            draft.lose("thinking", f"{said(other)} is unknown to this endpoint", "behavioural")


def _format(draft: Draft) -> None:
    config = object_at(draft.given.get("output_config", {}), "output_config")
    if effort := config.get("effort"):
        draft.body["reasoning_effort"] = effort
    shape = config.get("format") or draft.given.get("output_format")
    if shape is not None:
        schema = object_at(shape, "output_config.format").get("schema")
        draft.rest(shape, of("type", "schema"), "output_config.format")
        wanted = {"name": "answer", "schema": object_at(schema, "output_config.format.schema"), "strict": True}
        draft.body["response_format"] = {"type": "json_schema", "json_schema": wanted}
    draft.rest(config, of("effort", "format"), "output_config")


STEPS = (
    (of("stop_sequences"), _stop),
    (of("metadata"), _user),
    (of("tools"), _tools),
    (of("tool_choice"), _choice),
    (of("thinking"), _thinking),
    (of("output_config", "output_format"), _format),
)
