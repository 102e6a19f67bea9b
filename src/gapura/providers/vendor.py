"""A provider that is not OpenAI, made of tables: what becomes of each field, the steps, and what its errors mean."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from gapura.clock import Clock, system_clock
from gapura.errors import UpstreamFailed
from gapura.providers import catalogue
from gapura.providers.answers import Spoken, as_it_is, normalise
from gapura.providers.ask import Ask
from gapura.providers.base import Headers, Operation, Reader, Translation, bearer
from gapura.providers.faults import Rule, Wait, fault
from gapura.providers.fields import UNKNOWN, Field
from gapura.providers.marks import TOLD, Unmarked
from gapura.providers.normaliser import Normaliser
from gapura.terms.usage import Usage
from gapura.wire import openai
from gapura.wire.dialect import Kind

Step = Callable[[Ask], None]

LIMITS = ("max_completion_tokens", "max_tokens")

_ENCODER = msgspec.json.Encoder()


class Vendor(msgspec.Struct, frozen=True, kw_only=True):
    """`fields` has a line for each field of a chat request, `unknown` is what becomes of all others; `steps` do, in
    this order, what takes several at once.  `facts`: whose models it has, where the catalogue knows another name.

    `key` are the headers that prove who we are, anew for each request where they `expire`.  `plain` and `events` make
    OpenAI's objects of answers and, for one stream at a time, of events.  `others`: what it does besides chat.
    """

    name: str
    fields: Mapping[str, Field]
    steps: tuple[Step, ...]
    faults: tuple[Rule, ...]
    wait: Wait | None = None
    clock: Clock = system_clock
    path: str = "/chat/completions"
    unknown: Field = UNKNOWN
    facts: str = ""
    key: Callable[[str], Headers] = bearer
    expires: bool = False
    plain: Spoken = as_it_is
    events: Callable[[], Spoken] = lambda: as_it_is
    others: Mapping[Kind, Operation] = {}

    def operation(self, kind: Kind) -> Operation | None:
        return self if kind == "chat" else self.others.get(kind)

    def translate(self, body: bytes, chat: openai.ChatRequest, model: str, cap: int | None) -> Translation:
        facts = catalogue.model(self.facts or self.name, model)
        ask = Ask(openai.fields(body), model, facts, cap, stream=bool(chat.stream))
        ask.carry(self.fields, self.unknown)
        for step in self.steps:
            step(ask)
        if facts.marks:
            ask.lose("messages", TOLD, "cosmetic")
        return Translation(
            _ENCODER.encode(ask.body), tuple(ask.losses), path=ask.path, headers=tuple(ask.headers), form=ask.form
        )

    def headers(self, key: str) -> Headers:
        return self.key(key)

    def answer(self, body: bytes, model: str) -> tuple[bytes, Usage | None]:
        return normalise(body, model, self.fault, self.clock, self._unmarked(model, self.plain))

    def reader(self, model: str, *, include_usage: bool, choices: int = 1) -> Reader:
        return Normaliser(
            model,
            self.fault,
            self.clock,
            include_usage=include_usage,
            choices=choices,
            spoken=self._unmarked(model, self.events()),
        )

    def _unmarked(self, model: str, spoken: Spoken) -> Spoken:
        return Unmarked(spoken) if catalogue.model(self.facts or self.name, model).marks else spoken

    def fault(self, status: int, headers: Headers, body: bytes) -> UpstreamFailed:
        return fault(self.name, self.faults, status, headers, body, self.clock, wait=self.wait)


def carry_limit(field: Callable[[Ask], str]) -> Step:
    """A step: the smallest of what the caller asked for, the cap and the model's own limit, as `field`."""

    def step(ask: Ask) -> None:
        stated = {name: limit for name in LIMITS if (limit := ask.value(name, int)) is not None}
        named = next(iter(stated), "max_tokens")
        wanted: int | None = min(stated.values(), default=None)
        limit = wanted
        if limit is not None and 0 < ask.facts.max_output < limit:
            limit = ask.facts.max_output
            ask.lose(named, f"{wanted} became {limit}, the most that {ask.model} writes", "behavioural")
        limit = cap_to(ask.cap, limit, lambda why: ask.lose(named, why, "cosmetic"))
        if limit is not None:
            ask.body[field(ask)] = limit

    return step


def cap_to(cap: int | None, limit: int | None, lose: Callable[[str], Any]) -> int | None:
    """The smaller one.  A cap is told, and no more than that: an answer that it cuts ends with `length`."""
    if cap is None or (limit is not None and limit <= cap):
        return limit
    lose(f"capped at {cap}")
    return cap


def carry_stream_options(ask: Ask) -> None:
    """A step: the usage of a stream is always asked for; who did not ask for it is not given it."""
    if ask.stream:
        ask.body["stream_options"] = {"include_usage": True}


def carry_streaming(ask: Ask) -> None:
    """A step: a model that answers only as a stream cannot serve a plain request."""
    thinking = ask.facts.stream_only == "thinking" and ask.body.get("enable_thinking") is True
    if not ask.stream and (thinking or ask.facts.stream_only == "always"):
        ask.lose("stream", f"{ask.model} answers only as a stream", "contract")
