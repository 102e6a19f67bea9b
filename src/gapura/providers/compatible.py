"""Any server that speaks OpenAI's API: DeepSeek, Moonshot, Gemini's front, vLLM, SGLang, llama.cpp, Ollama, one's own.

What such a server does otherwise is data (`data/servers.toml`, and `quirks` of `[providers.NAME]`), never code.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import msgspec

from gapura.clock import system_clock
from gapura.errors import UpstreamFailed
from gapura.providers.ask import Ask
from gapura.providers.base import Headers, Operation
from gapura.providers.embeddings import Vectors
from gapura.providers.faults import fault
from gapura.providers.fields import (
    COMMON,
    ELSEWHERE_UNKNOWN,
    UNKNOWN,
    Field,
    clamp,
    drop,
    first,
    keep,
    one_of,
    renamed,
    step,
)
from gapura.providers.forms import before_messages, carry_form
from gapura.providers.messages import carry_messages
from gapura.providers.rerank import Rerank
from gapura.providers.thinking import carry_thinking
from gapura.providers.tools import carry_tools
from gapura.providers.vendor import Vendor, carry_limit, carry_stream_options
from gapura.terms.loss import Weight
from gapura.wire.dialect import Kind

Choice = Literal["auto", "none", "required", "function"]
Format = Literal["text", "json_object", "json_schema"]


class Treatment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What becomes of a field: moved into a range, cut to the first entries, sent under another name, or kept only
    where it has one of some values.  One of these."""

    least: float | None = None
    most: float | None = None
    first: int = 0
    rename: str = ""
    values: tuple[Any, ...] = ()

    def field(self) -> Field:
        if self.first:
            return first(self.first)
        if self.rename:
            return renamed(self.rename)
        if self.values:
            return one_of(*self.values, weight="behavioural")
        if self.least is None or self.most is None:
            raise ValueError("a range has `least` and `most`")
        return clamp(self.least, self.most)


class Quirks(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a server differs from OpenAI's API.

    `limit` is the field that limits the answer, `developer` the role that this one goes by, `choices` and `formats`
    what it takes of `tool_choice` and `response_format`, `switch` and `efforts` how it is told to think (`thinking`
    and its like: see `carry_thinking`).  `fields`: what becomes of a single one, `unknown`: of all that nobody knows.
    `stream_usage`: whether it may be asked for usage in a stream.  `has`: what it does besides chat.
    """

    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    developer: Literal["developer", "system"] = "system"
    choices: tuple[Choice, ...] = ("auto", "none", "required", "function")
    formats: tuple[Format, ...] = ("text", "json_object", "json_schema")
    switch: Literal["", "enable_thinking", "thinking", "chat_template_kwargs"] = ""
    efforts: tuple[str, ...] = ()
    stream_usage: bool = True
    has: tuple[Literal["embeddings", "rerank"], ...] = ("embeddings",)
    unknown: Literal["keep", "drop"] = "keep"
    fields: dict[str, Weight | Treatment] = {}


class Server(Quirks, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A known one.  `base_url` "": each has its own."""

    source: str
    base_url: str = ""


class KnownAs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Under which names lists of places have kinds and hosts."""

    kinds: dict[str, str]
    hosts: dict[str, str]


class Servers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By kind; `hosts` are those of kinds that are none of these servers."""

    as_of: str
    hosts: dict[str, str]
    known_as: KnownAs
    servers: dict[str, Server]


@cache
def known_servers() -> Servers:
    text = (files("gapura.providers") / "data" / "servers.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Servers)


def servers() -> Mapping[str, Server]:
    return known_servers().servers


# Of a rerank, where nobody says how many a server takes.
MOST_DOCUMENTS = 1000

KEPT = (
    *("temperature", "top_p", "presence_penalty", "frequency_penalty", "n", "stop", "seed"),
    *("logprobs", "top_logprobs", "logit_bias", "user", "parallel_tool_calls"),
)


# Values that say what a server does anyway.
NOTHING: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "temperature": (1,),
    "top_p": (1,),
    "logit_bias": ({},),
    "parallel_tool_calls": (True,),
    "logprobs": (False,),
}


def compatible(name: str, quirks: Quirks) -> Vendor:
    """The provider.  Raises ValueError on a treatment that cannot be meant."""
    limit = f"`{quirks.limit}`"
    base = {
        **ELSEWHERE_UNKNOWN,
        **COMMON,
        **dict.fromkeys(KEPT, keep()),
        "max_tokens": step(limit),
        "max_completion_tokens": step(limit),
        "tool_choice": step("kept: " + ", ".join(quirks.choices), "contract"),
        "response_format": step("kept: " + ", ".join(quirks.formats), "contract"),
        "stream_options": step("usage is always asked for" if quirks.stream_usage else "left out"),
        "reasoning_effort": step("kept: " + (", ".join(quirks.efforts) or "none of it"), "behavioural"),
        "enable_thinking": step(f"`{quirks.switch}`" if quirks.switch else "kept", "behavioural"),
        "thinking": step(f"`{quirks.switch}`" if quirks.switch else "kept", "behavioural"),
        "thinking_budget": drop("behavioural"),
    }
    own = {field: _field(field, treatment) for field, treatment in quirks.fields.items()}
    return Vendor(
        name=name,
        fields=base | own,
        unknown=keep() if quirks.unknown == "keep" else UNKNOWN,
        steps=(
            carry_messages(developer=quirks.developer),
            carry_tools(choices=frozenset(quirks.choices), strict=True),
            _formats(quirks.formats),
            carry_thinking(switch=quirks.switch, efforts=frozenset(quirks.efforts)),
            *((carry_stream_options,) if quirks.stream_usage else ()),
            carry_limit(lambda _: quirks.limit),
        ),
        faults=(),
        others={kind: other for kind, other in _others(name).items() if kind in quirks.has},
    )


def _others(name: str) -> dict[Kind, Operation]:
    def failed(status: int, headers: Headers, body: bytes) -> UpstreamFailed:
        return fault(name, (), status, headers, body, system_clock)

    return {
        "embeddings": Vectors(fault=failed, name=name),
        "rerank": Rerank(name=name, rules=(), most=MOST_DOCUMENTS),
    }


def _field(name: str, treatment: Weight | Treatment) -> Field:
    if isinstance(treatment, Treatment):
        try:
            return treatment.field()
        except ValueError as error:
            raise ValueError(f"fields.{name}: {error}") from None
    return drop(treatment, means_nothing=NOTHING.get(name, (0,)))


def _formats(formats: tuple[Format, ...]) -> Any:
    def carry_format(ask: Ask) -> None:
        given = ask.value("response_format", dict[str, Any])
        if given is None:
            return
        kind = given.get("type")
        if kind in formats:
            ask.body["response_format"] = ask.given["response_format"]
            return
        if kind in {"json_schema", "json_object"}:
            carry_form(ask, given, before_messages)
            if "json_object" in formats:
                ask.body["response_format"] = {"type": "json_object"}
        else:
            ask.lose("response_format", f"{kind} is not supported", "contract")

    return carry_format
