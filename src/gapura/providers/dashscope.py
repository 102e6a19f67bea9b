"""Alibaba's own protocol (docs.qwencloud.com/api-reference/chat/dashscope, dashscope SDK 2.0.2, 2026-11).

    {"model": "qwen-plus", "input": {"messages": […]}, "parameters": {"result_format": "message", …}}

What the model is asked stands in `input`, everything else in `parameters`: outside of them it is dropped there without
a word.  A stream is asked for by a header; its text is cumulative unless asked otherwise; nothing says that it ends.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from gapura.providers.answers import Spoken, count, listed, text
from gapura.providers.ask import Ask
from gapura.providers.dashscope_lists import EMBEDDINGS, RERANK
from gapura.providers.fields import drop, step, typed
from gapura.providers.qwen import (
    EFFORTS,
    FAULTS,
    FIELDS,
    UNNAMED,
    carry_forced,
    carry_format,
    carry_parallel,
    carry_words,
    thinks,
    wait,
)
from gapura.providers.thinking import carry_thinking
from gapura.providers.tools import carry_tools
from gapura.providers.vendor import Vendor, carry_limit, carry_streaming

Item = dict[str, Any]

GENERATION = "/services/aigc/text-generation/generation"
MULTIMODAL = "/services/aigc/multimodal-generation/generation"

# Models that are asked on the multimodal path whatever the messages hold: on the other one they are a "url error".
SEEING = re.compile(r"qwen3\.[5-9]|qwen[4-9]|qvq|qwen.*-(vl|omni|audio|asr|ocr)")

STREAM = ((b"x-dashscope-sse", b"enable"), (b"accept", b"text/event-stream"))

NATIVE = {
    **FIELDS,
    "stream": step("the header `X-DashScope-SSE`, and `incremental_output`"),
    "max_tokens": step("kept; shared with the thinking where the model thinks", "behavioural"),
    "max_completion_tokens": step("`max_tokens`, likewise", "behavioural"),
    "stream_options": step("left out; usage comes anyway"),
    "logit_bias": drop("behavioural", means_nothing=({},)),
    "max_input_tokens": typed(int),
    "result_format": step("`message`"),
    "incremental_output": step("true in a stream"),
}


def carry_budget(ask: Ask) -> None:
    """`max_tokens` bounds the answer alone here, OpenAI's the thinking, too: half of it each."""
    limit = ask.body.get("max_tokens")
    if not isinstance(limit, int) or not thinks(ask):
        return
    asked = ask.value("thinking_budget", int)
    budget = max(min(limit // 2, asked or limit), 1)
    ask.body |= {"thinking_budget": budget, "max_tokens": max(limit - budget, 1)}
    ask.lose("max_tokens", f"{budget} of {limit} are for thinking", "cosmetic")


def carry_native(ask: Ask) -> None:
    """The last step: what is in the body goes to its place."""
    body = ask.body
    given = body.pop("messages")
    given = given if isinstance(given, list) else ask.value("messages", list[Raw])
    messages = [msgspec.json.decode(one) if isinstance(one, Raw) else one for one in given]
    body.pop("stream", None)
    if multimodal(ask.model, messages):
        ask.path = MULTIMODAL
        if any(_detail(part) not in {None, "auto"} for one in messages for part in _listed(one.get("content"))):
            ask.lose("messages.image_url", "its detail is not supported", "behavioural")
        messages = [{**one, "content": _parts(one.get("content"))} for one in messages]
    else:
        messages = [{**one, "content": _prose(one.get("content"))} for one in messages]
    body["result_format"] = "message"
    if ask.stream:
        body["incremental_output"] = True
        ask.headers += STREAM
    ask.body = {"model": body.pop("model"), "input": {"messages": messages}, "parameters": body}


def multimodal(model: str, messages: list[Item]) -> bool:
    """Whether it is asked on the multimodal path."""
    if SEEING.match(model):
        return True
    contents = [part for one in messages if isinstance(one.get("content"), list) for part in one["content"]]
    return any(isinstance(part, dict) and part.get("type") not in {"text", None} for part in contents)


def _listed(content: Any) -> list[Item]:
    return content if isinstance(content, list) else []


def _detail(part: Item) -> Any:
    image = part.get("image_url")
    return image.get("detail") if isinstance(image, dict) else None


def _parts(content: Any) -> list[Item]:
    """Parts without types there: {"text": …}, {"image": …}, {"audio": …}, {"video": …}, and beside them what the vendor
    has besides (`min_pixels`, `fps`, `cache_control` …)."""
    if not isinstance(content, list):
        return [{"text": content}] if content else []
    return [
        _part(part) | {name: value for name, value in part.items() if name not in {"type", part["type"]}}
        for part in content
    ]


def _part(part: Item) -> Item:
    kind = part["type"]
    if kind == "text":
        return {"text": part.get("text", "")}
    given = part.get(kind)
    url = given.get("url", given.get("data", "")) if isinstance(given, dict) else given
    if kind == "input_audio" and str(url).startswith(UNNAMED):
        url = f"data:audio/{text(given, 'format') or 'wav'};base64,{str(url).removeprefix(UNNAMED)}"
    return {kind.removesuffix("_url").removeprefix("input_"): url}


def _prose(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content)
    return content if isinstance(content, str) else ""


def spoken(said: Item) -> Item:
    """An answer or a frame as OpenAI's.  Without `result_format` the output is a text, without choices."""
    output = said.get("output")
    if not isinstance(output, dict):
        return said
    choices = [choice for choice in listed(output, "choices") if isinstance(choice, dict)]
    if not choices and isinstance(output.get("text"), str):
        choices = [{"message": {"content": output["text"]}, "finish_reason": output.get("finish_reason")}]
    ended = output.get("finish_reason")
    numbered = [{"index": number, "finish_reason": ended, **choice} for number, choice in enumerate(choices)]
    search = output.get("search_info")
    return {**said, "choices": numbered, **({"search_info": search} if search else {})}


class Cumulative:
    """Frames that repeat all that was said before, as a server sends them that does not know `incremental_output`."""

    def __init__(self) -> None:
        self._said: dict[tuple[int, str], str] = {}

    def __call__(self, frame: Item) -> Item:
        said = spoken(frame)
        choices = [choice for choice in listed(said, "choices") if isinstance(choice.get("message"), dict)]
        return {**said, "choices": [{**choice, "message": self._new(choice)} for choice in choices]}

    def _new(self, choice: Item) -> Item:
        number, message = count(choice, "index"), dict(choice["message"])
        for name in ("content", "reasoning_content"):
            if isinstance(message.get(name), list):
                message[name] = "".join(text(part, "text") for part in message[name])
            if isinstance(message.get(name), str):
                message[name] = self._rest(number, name, message[name])
        calls = [call for call in listed(message, "tool_calls") if isinstance(call, dict)]
        if calls:
            message["tool_calls"] = [self._call(number, at, call) for at, call in enumerate(calls)]
        return message

    def _call(self, number: int, at: int, call: Item) -> Item:
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        arguments = self._rest(number, f"call {at}", text(function, "arguments"))
        return {"index": at, **call, "function": {**function, "arguments": arguments}}

    def _rest(self, number: int, name: str, whole: str) -> str:
        before = self._said.get((number, name), "")
        if not whole.startswith(before):
            return ""  # an empty last frame, or one that says less than was said
        self._said[number, name] = whole
        return whole[len(before) :]


def as_incremental() -> Spoken:
    return spoken


EVENTS: dict[bool, Callable[[], Spoken]] = {False: as_incremental, True: Cumulative}

DASHSCOPE = Vendor(
    name="dashscope",
    facts="qwen",
    path=GENERATION,
    fields=NATIVE,
    steps=(
        carry_words,
        carry_tools(choices=frozenset({"auto", "none", "function"}), described=True, forbidden=frozenset({"search"})),
        carry_parallel,
        carry_thinking(switch="enable_thinking", efforts=EFFORTS),
        carry_forced,
        carry_format,
        carry_streaming,
        carry_limit(lambda _: "max_tokens"),
        carry_budget,
        carry_native,
    ),
    faults=FAULTS,
    wait=wait,
    plain=spoken,
    events=as_incremental,
    others={"embeddings": EMBEDDINGS, "rerank": RERANK},
)
