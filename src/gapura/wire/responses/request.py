"""A request to OpenAI's POST /v1/responses as a chat request (openai-openapi 2.3.0; openai 3.54.0's types)."""

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
    ignored,
    kind_at,
    list_at,
    object_at,
    of,
    refused,
    take,
    text_at,
    translated,
)
from gapura.wire.responses.answer import Echo, answer
from gapura.wire.responses.items import messages_of
from gapura.wire.responses.stream import Stream

NO_STATE = "no conversation of this account is kept here (its operator can have that done): send all of it in `input`"

FIELDS: Mapping[str, Line] = {
    "model": HONOURED,
    "stream": HONOURED,
    "temperature": HONOURED,
    "top_p": HONOURED,
    "parallel_tool_calls": HONOURED,
    "user": HONOURED,
    "metadata": translated("told in the answer"),
    "service_tier": HONOURED,
    "prompt_cache_key": HONOURED,
    "prompt_cache_retention": HONOURED,
    "safety_identifier": HONOURED,
    "input": translated("chat messages: see *Items*"),
    "instructions": translated("a message of the developer"),
    "max_output_tokens": translated("`max_completion_tokens`"),
    "text": translated("`format` as `response_format`, `verbosity`"),
    "reasoning": translated("`effort` as `reasoning_effort`; a `summary` is what the model thinks aloud"),
    "tools": translated("functions; hosted tools are refused"),
    "tool_choice": translated("`tool_choice`; the tools that are allowed are those that are sent"),
    "top_logprobs": translated("`logprobs`, `top_logprobs`"),
    "include": translated("logprobs; what else may be asked for comes from hosted tools, or is for OpenAI to read"),
    "store": ignored("kept here for accounts that want it, else nowhere", "cosmetic", (False,)),
    "truncation": ignored("the input is sent as it is", "behavioural", ("disabled",)),
    "stream_options": ignored("the stream is not padded", "cosmetic", ({}, {"include_obfuscation": False})),
    "max_tool_calls": ignored("it counts calls of hosted tools", "cosmetic"),
    "prompt_cache_options": ignored("the provider caches as it likes", "cosmetic"),
    "context_management": ignored("the context is sent as it is", "behavioural", ([],)),
    "moderation": ignored("chat has no such choice", "behavioural"),
    "image": refused("no images are made here"),
    "access_programs": refused("there are none here", ([],)),
    "background": refused("an answer is waited for", (False,)),
    "background_options": ignored("an answer is waited for", "cosmetic"),
    "previous_response_id": refused("only for accounts whose conversations are kept"),
    "conversation": refused(NO_STATE),
    "prompt": refused("templates are OpenAI's: send the instructions"),
}

# How the losses of chat are called here.
NAMES = {
    "max_completion_tokens": "max_output_tokens",
    "messages": "input",
    "reasoning_effort": "reasoning.effort",
    "response_format": "text.format",
    "verbosity": "text.verbosity",
    "logprobs": "top_logprobs",
}

TOOL = of("type", "name", "description", "parameters", "strict")

LOGPROBS = "message.output_text.logprobs"

# What only OpenAI can read again: of other vendors there is none, and nothing that would need it.
ENCRYPTED = "reasoning.encrypted_content"


class ResponsesRequest(msgspec.Struct, kw_only=True, gc=False):
    """The fields that the request river looks at."""

    model: Annotated[str, Meta(min_length=1, max_length=openai.MAX_NAME)]
    input: Raw
    stream: bool | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    store: bool | None = None
    include: list[str] | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: Any = None

    n = None
    wants_usage = False

    @property
    def output_limit(self) -> int | None:
        return self.max_output_tokens

    def bound(self, body: bytes) -> int:
        return tokens.bound(body, body.count(b'"input_image"'))


_READ = msgspec.json.Decoder(ResponsesRequest)
_GIVEN = msgspec.json.Decoder(dict[str, Any])
_ENCODER = msgspec.json.Encoder()


def read(body: bytes) -> ResponsesRequest:
    """What would be kept is looked at later, when it is known who asks: `gapura.request.remember`."""
    return openai.decode(_READ, body)


class Carried:
    """The chat request, and the way back."""

    names = NAMES

    def __init__(self, body: bytes) -> None:
        given: dict[str, Any] = openai.decode(_GIVEN, body)
        draft = Draft(given, FIELDS)
        draft.body["messages"] = messages_of(draft)
        take(draft, STEPS)
        self.body = _ENCODER.encode(draft.body)
        self.losses: tuple[Loss, ...] = tuple(draft.losses)
        self._echo = Echo(draft.given, draft.body.get("tools", []))

    def answer(self, body: bytes, usage: Usage) -> bytes:
        return answer(body, usage, self._echo)

    def retelling(self, _inputs: int) -> Stream:
        return Stream(self._echo)


def _limit(draft: Draft) -> None:
    if (limit := draft.given.get("max_output_tokens")) is not None:
        draft.body["max_completion_tokens"] = limit


def _text(draft: Draft) -> None:
    text = object_at(draft.given.get("text", {}), "text")
    if text.get("verbosity") is not None:
        draft.body["verbosity"] = text["verbosity"]
    shape = object_at(text.get("format") or {}, "text.format")
    if shape.get("type") == "json_schema":
        schema = {name: value for name, value in shape.items() if name != "type"}
        draft.body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif shape.get("type", "text") != "text":
        draft.body["response_format"] = shape
    draft.rest(text, of("format", "verbosity"), "text")


def _reasoning(draft: Draft) -> None:
    reasoning = object_at(draft.given.get("reasoning", {}), "reasoning")
    if reasoning.get("effort") is not None:
        draft.body["reasoning_effort"] = reasoning["effort"]
    draft.rest(reasoning, of("effort", "summary", "generate_summary"), "reasoning")


def _tools(draft: Draft) -> None:
    tools = []
    for number, tool in enumerate(list_at(draft.given.get("tools", []), "tools")):
        where = f"tools[{number}]"
        kind = kind_at(object_at(tool, where), where, "function")
        if kind != "function":
            draft.lose(f"tools.{kind}", "only functions can be called from here", "contract")
            continue
        function = {"name": text_at(tool, "name", where)}
        function |= {name: tool[name] for name in ("description", "parameters", "strict") if tool.get(name) is not None}
        draft.rest(tool, TOOL, "tools")
        tools.append({"type": "function", "function": function})
    if tools:
        draft.body["tools"] = tools


def _choice(draft: Draft) -> None:
    choice = draft.given["tool_choice"]
    if "tools" not in draft.body:
        if choice not in ("auto", "none"):
            draft.lose("tool_choice", "there are no tools", "contract")
    elif isinstance(choice, str):
        draft.body["tool_choice"] = choice
    elif (kind := object_at(choice, "tool_choice").get("type")) == "function":
        draft.rest(choice, of("type", "name"), "tool_choice")
        name = text_at(choice, "name", "tool_choice")
        draft.body["tool_choice"] = {"type": "function", "function": {"name": name}}
    elif kind == "allowed_tools":
        draft.rest(choice, of("type", "mode", "tools"), "tool_choice")
        _allow(draft, list_at(choice.get("tools"), "tool_choice.tools"), choice.get("mode", "auto"))
    else:
        draft.lose("tool_choice", f"{kind} cannot be called from here", "contract")


def _allow(draft: Draft, given: list[Any], mode: Any) -> None:
    """The tools that are allowed are those that are sent."""
    allowed = [object_at(tool, f"tool_choice.tools[{number}]").get("name") for number, tool in enumerate(given)]
    for tool in given:
        draft.rest(tool, of("type", "name"), "tool_choice.tools")
    sent = [tool for tool in draft.body["tools"] if tool["function"]["name"] in allowed]
    names = {tool["function"]["name"] for tool in sent}
    if any(name not in names for name in allowed):
        draft.lose("tool_choice.tools", "only functions among `tools` can be called", "contract")
    if sent:
        draft.body |= {"tools": sent, "tool_choice": mode}


def _logprobs(draft: Draft) -> None:
    wanted = list_at(draft.given.get("include", []), "include")
    most = draft.given.get("top_logprobs")
    if LOGPROBS in wanted or most:
        draft.body["logprobs"] = True
        if most:
            draft.body["top_logprobs"] = most
    for name in wanted:
        if name not in {LOGPROBS, ENCRYPTED}:
            draft.lose("include", f"there is no {name}", "cosmetic")


STEPS = (
    (of("max_output_tokens"), _limit),
    (of("text"), _text),
    (of("reasoning"), _reasoning),
    (of("tools"), _tools),
    (of("tool_choice"), _choice),
    (of("include", "top_logprobs"), _logprobs),
)
