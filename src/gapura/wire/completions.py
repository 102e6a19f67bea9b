"""OpenAI's POST /v1/completions, of the time before chat: a prompt, and how it goes on.

The models that did that are shut; a chat model is told the prompt, and answers it (openai-openapi 2.3.0).
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gapura.errors import GapuraError
from gapura.terms.loss import Loss
from gapura.terms.usage import Usage
from gapura.wire import openai, tokens
from gapura.wire.chunks import Chat, Choice, chat, chunks, logprobs_of
from gapura.wire.dialect import Dialect
from gapura.wire.fates import HONOURED, Draft, Line, degraded, ignored, refused, translated

Item = dict[str, Any]

FIELDS: Mapping[str, Line] = {
    **dict.fromkeys(
        (
            "model",
            "stream",
            "n",
            "stop",
            "temperature",
            "top_p",
            "presence_penalty",
            "frequency_penalty",
            "logit_bias",
            "seed",
            "user",
        ),
        HONOURED,
    ),
    "prompt": degraded("a message of the user, which a chat model answers instead of going on with it", "behavioural"),
    "max_tokens": translated("`max_completion_tokens`; 16 where nothing is said, as ever"),
    "logprobs": translated("`logprobs`, `top_logprobs`"),
    "echo": translated("the prompt stands before the answer"),
    "stream_options": translated("usage is always known"),
    "best_of": ignored("the first answers are given, not the best", "behavioural", (1,)),
    "suffix": refused("chat models do not fill gaps", ("",)),
}

NAMES = {"max_completion_tokens": "max_tokens", "messages": "prompt", "top_logprobs": "logprobs"}

# What the endpoint always meant by silence.
USUAL = 16


class CompletionRequest(msgspec.Struct, kw_only=True):
    model: Annotated[str, Meta(min_length=1, max_length=openai.MAX_NAME)]
    prompt: str | list[str | int | list[int]]
    stream: bool | None = None
    stream_options: openai.StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None

    @property
    def wants_usage(self) -> bool:
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    @property
    def output_limit(self) -> int | None:
        return USUAL if self.max_tokens is None else self.max_tokens

    def bound(self, body: bytes) -> int:
        return tokens.bound(body)


_READ = msgspec.json.Decoder(CompletionRequest)
_GIVEN = msgspec.json.Decoder(dict[str, Any])
_ENCODER = msgspec.json.Encoder()


def read(body: bytes) -> CompletionRequest:
    return openai.decode(_READ, body)


class Carried:
    """The chat request, and the way back."""

    names = NAMES

    def __init__(self, body: bytes) -> None:
        given: dict[str, Any] = openai.decode(_GIVEN, body)
        draft = Draft(given, FIELDS)
        prompt = _prompt(draft)
        draft.body["messages"] = [{"role": "user", "content": prompt}]
        draft.body["max_completion_tokens"] = draft.given.get("max_tokens", USUAL)
        most = draft.given.get("logprobs")
        if most is not None:
            draft.body |= {"logprobs": True, "top_logprobs": most}
        self.body = _ENCODER.encode(draft.body)
        self.losses: tuple[Loss, ...] = tuple(draft.losses)
        self._before = prompt if draft.given.get("echo") else ""
        self._wants_usage = read(body).wants_usage

    def answer(self, body: bytes, usage: Usage) -> bytes:
        said = chat(body)
        choices = [
            _choice(choice, self._before + (choice.message.content or choice.message.refusal or ""))
            for choice in said.choices
            if choice.message is not None
        ]
        return _ENCODER.encode(_envelope(said) | {"choices": choices, "usage": _usage(usage)})

    def retelling(self, _inputs: int) -> "Stream":
        return Stream(self._before, wants_usage=self._wants_usage)


class Stream:
    """`before`: what each choice begins with."""

    def __init__(self, before: str, *, wants_usage: bool) -> None:
        self._before, self._wants_usage = before, wants_usage
        self._begun: set[int] = set()
        self._head = Chat()

    def feed(self, events: bytes) -> bytes:
        out: list[bytes] = []
        for chunk in chunks(events):
            self._head = chunk
            for choice in chunk.choices:
                delta = choice.delta
                text = (delta.content or delta.refusal or "") if delta is not None else ""
                if choice.index not in self._begun:
                    self._begun.add(choice.index)
                    text = self._before + text
                if text or choice.finish_reason:
                    out.append(_event(_envelope(chunk) | {"choices": [_choice(choice, text)]}))
        return b"".join(out)

    def close(self, usage: Usage) -> bytes:
        told = b""
        if self._wants_usage:
            told = _event(_envelope(self._head) | {"choices": [], "usage": _usage(usage)})
        return told + b"data: [DONE]\n\n"

    def say(self, error: GapuraError) -> bytes:
        return openai.render_event(error)


def _prompt(draft: Draft) -> str:
    prompt = draft.given["prompt"]
    several = isinstance(prompt, list)
    if several and (len(prompt) != 1 or not isinstance(prompt[0], str)):
        draft.lose("prompt", "a chat model takes one text at a time, and no token ids", "contract")
        return ""
    draft.lose("prompt", FIELDS["prompt"].does, "behavioural")
    return str(prompt[0] if several else prompt)


def _envelope(said: Chat) -> Item:
    name = said.id.removeprefix("chatcmpl-")
    return {"id": f"cmpl-{name}", "object": "text_completion", "created": said.created, "model": said.model}


def _choice(choice: Choice, text: str) -> Item:
    return {
        "text": text,
        "index": choice.index,
        "logprobs": _logprobs(logprobs_of(choice.logprobs)),
        "finish_reason": "stop" if choice.finish_reason == "tool_calls" else choice.finish_reason,
    }


def _logprobs(entries: list[Item]) -> Item | None:
    if not entries:
        return None
    offsets, at = [], 0
    for entry in entries:
        offsets.append(at)
        at += len(entry["token"])
    return {
        "tokens": [entry["token"] for entry in entries],
        "token_logprobs": [entry["logprob"] for entry in entries],
        "top_logprobs": [
            {one["token"]: one["logprob"] for one in entry.get("top_logprobs") or ()} for entry in entries
        ],
        "text_offset": offsets,
    }


def _usage(usage: Usage) -> Item:
    said: Item = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
    }
    return said | {"estimated": True} if usage.estimated else said


def _event(said: Item) -> bytes:
    return b"data: " + _ENCODER.encode(said) + b"\n\n"


COMPLETIONS = Dialect("completions", read, openai.render, openai.render_event, Carried)
