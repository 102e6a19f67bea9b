"""A vendor's answer as OpenAI's `chat.completion`.

An answer has exactly OpenAI's fields, and besides them `reasoning_content`, which all three vendors share and
OpenAI's SDKs hand on, and what a search brought, which comes only to those who asked for it.  Other fields of the
vendors' own (`flag`, `ban_round`, `content_filter`, `request_id` …) are left out.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from gapura.clock import SECOND, Clock
from gapura.errors import UpstreamFailed
from gapura.providers import plain_answers
from gapura.providers.base import Headers
from gapura.providers.faults import error_in
from gapura.providers.plain_answers import MOST_TOKENS
from gapura.providers.said import decode
from gapura.terms.usage import Usage

Item = dict[str, Any]

_ENCODER = msgspec.json.Encoder()

SEARCH = ("search_info", "search_results", "web_search")

# What OpenAI says, and so nearly everybody: read in few steps, since every answer has it.
PLAIN = frozenset(
    {"prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details"}
)

COUNTED = ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens")

# What DashScope's models count that hear, speak and paint, in the order of `terms.usage.UNITS`.
UNITS = ("image_count", "seconds", "characters")

# Numbers of so many digits fit the record (int64), and a float.
DIGITS = 15

# OpenAI's own four stay, `null` (also as a string) and what is absent mean "not yet", and any other word is a stop.
# Case does not count, nor what follows a colon: `content_filter: PROHIBITED_CONTENT` (Gemini's front).
FINISH: dict[str, str | None] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "function_call": "tool_calls",
    "normal": "stop",
    "sensitive": "content_filter",
    "model_context_window_exceeded": "length",
    "max_tokens": "length",
    "model_length": "length",
    "refusal": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "function_call_filter": "content_filter",
    "tool_use": "tool_calls",
    "null": None,
    "": None,
}

# Reasons that mean that the rest was lost, and whether that was for want of room: GLM's, DeepSeek's, those of vLLM and
# SGLang, and what gateways in front of others say.
BROKEN = {
    "network_error": False,
    "insufficient_system_resource": True,
    "error": False,
    "abort": False,
    "aborted": False,
}


Spoken = Callable[[Item], Item]
"""What a vendor said → the same as OpenAI's object, as far as this module and `normaliser` look at it."""


def as_it_is(said: Item) -> Item:
    return said


class Fault(Protocol):
    def __call__(self, status: int, headers: Headers, body: bytes) -> UpstreamFailed: ...


def normalise(
    body: bytes,
    model: str,
    fault: Callable[[int, Headers, bytes], UpstreamFailed],
    clock: Clock,
    spoken: Spoken = as_it_is,
) -> tuple[bytes, Usage | None]:
    """The OpenAI answer, and what it cost.  Raises UpstreamFailed on an error inside a 200, or garbage."""
    if spoken is as_it_is and (plain := plain_answers.said(body)) is not None:
        answer, spent = plain
        return _ENCODER.encode(answer | {"usage": usage_said(spent)}), spent
    try:
        said = decode(body)
    except ValueError:
        raise fault(200, (), body) from None
    if error_in(said):
        raise fault(200, (), body)
    said = spoken(said) if isinstance(said, dict) else {}
    choices = _dicts(said, "choices")
    if not choices:
        raise fault(200, (), body)
    head = Head(model, clock)
    head.learn(said, body)
    usage = usage_of(said.get("usage"))
    answer = head.envelope("chat.completion") | {
        "choices": [choice(item, number, head.id) for number, item in enumerate(choices)],
        **{name: said[name] for name in SEARCH if said.get(name)},
    }
    if usage is not None:
        answer["usage"] = usage_said(usage)
    return _ENCODER.encode(answer), usage


class Head:
    """What is the same in every chunk of an answer: its id, time and model, as the vendor first said them."""

    def __init__(self, model: str, clock: Clock) -> None:
        self.id = ""
        self.created = 0
        self.model = ""
        self.fingerprint = ""
        self._asked = model
        self._clock = clock

    def learn(self, said: Item, source: bytes) -> None:
        """Where the vendor says none, the id is made of what it did say: read twice, it is the same."""
        self.id = self.id or text(said, "id") or text(said, "request_id") or str(count(said, "id") or "")
        self.id = self.id or f"chatcmpl-{hashlib.blake2b(source, digest_size=12).hexdigest()}"
        self.created = self.created or count(said, "created") or self._clock() // SECOND
        self.model = self.model or text(said, "model") or self._asked
        self.fingerprint = self.fingerprint or text(said, "system_fingerprint")

    def envelope(self, kind: str) -> Item:
        said: Item = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        return said | {"system_fingerprint": self.fingerprint} if self.fingerprint else said


def choice(given: Item, number: int, answer: str) -> Item:
    message = given.get("message")
    message = message if isinstance(message, dict) else {}
    calls = [tool_call(call, n, answer) for n, call in enumerate(calls_of(message))]
    content = prose(message, "content")
    said: Item = {"role": "assistant", "content": content, "refusal": text(message, "refusal") or None}
    if reasoning := prose(message, "reasoning_content") or prose(message, "reasoning"):
        said["reasoning_content"] = reasoning
    if thoughts := listed(message, "thinking_blocks"):
        said["thinking_blocks"] = thoughts
    if calls:
        said |= {"content": content or None, "tool_calls": calls}
    return {
        "index": count(given, "index") or number,
        "message": said,
        "logprobs": chances(given.get("logprobs")),
        "finish_reason": finish(given, called=bool(calls), flagged=flagged(given))
        or ("tool_calls" if calls else "stop"),
    }


def finish(given: Item, *, called: bool, flagged: bool) -> str | None:
    """Why it stopped, in OpenAI's words.  Raises UpstreamFailed where the vendor lost the answer."""
    reason = given.get("finish_reason")
    if not isinstance(reason, str):
        reason = "stop" if given.get("is_end") is True else ""
    word = reason.strip().lower().partition(":")[0]
    if word in BROKEN:
        raise _broken(word)
    said = FINISH.get(word, "stop")
    if said == "stop" and flagged:
        return "content_filter"
    if said == "tool_calls" and not called:
        return "stop"  # of calls that the vendor made itself (a search): nobody else has any to make
    return "tool_calls" if said == "stop" and called else said


def _broken(word: str) -> UpstreamFailed:
    if BROKEN[word]:
        said = "The provider had no room to finish its answer."
        return UpstreamFailed(said, status=503, code="server_is_overloaded")
    if word == "network_error":
        return UpstreamFailed("The provider lost its connection to the model while it answered.")
    return UpstreamFailed(f"The provider broke its answer off ({word}).")


def flagged(given: Item) -> bool:
    """Whether Qianfan's filter spoke in the place of the model (`flag` is 0 for an answer)."""
    return bool(given.get("flag") or given.get("need_clear_history"))


def chances(said: Any) -> Item | None:
    """Log probabilities, each with all that OpenAI's have."""
    if not isinstance(said, dict):
        return None
    found: dict[str, list[Item] | None] = {"content": None, "refusal": None}
    for name in found:
        if isinstance(said.get(name), list):
            found[name] = [
                _chance(one) | {"top_logprobs": list(map(_chance, _dicts(one, "top_logprobs")))}
                for one in _dicts(said, name)
            ]
    return found


def _chance(said: Item) -> Item:
    chance, raw = said.get("logprob"), said.get("bytes")
    return {
        "token": text(said, "token"),
        "logprob": float(chance) if isinstance(chance, int | float) else -9999.0,  # OpenAI's word for very unlikely
        "bytes": raw if isinstance(raw, list) else None,
    }


def calls_of(message: Item) -> list[Item]:
    """The tool calls of a message or a delta, the old single `function_call` among them; not those that the vendor
    made itself (GLM's `web_search` and `retrieval`)."""
    calls = [call for call in _dicts(message, "tool_calls") if _of_function(call)]
    if not calls and isinstance(message.get("function_call"), dict):
        return [{"index": 0, "function": message["function_call"]}]
    return calls


def _of_function(call: Item) -> bool:
    return isinstance(call.get("function"), dict) or call.get("type") in {None, "", "function"}


def tool_call(call: Item, number: int, answer: str) -> Item:
    name, arguments = function_of(call)
    made: Item = {"id": text(call, "id") or f"call_{answer}_{number}", "type": "function"}
    return made | {"function": {"name": name, "arguments": arguments}} | signature(call)


def signature(call: Item) -> Item:
    """What Gemini signs a call with: the next turn is refused where it does not come back."""
    extra = call.get("extra_content")
    return {"extra_content": extra} if isinstance(extra, dict) else {}


def function_of(call: Item) -> tuple[str, str]:
    """Name and arguments, the latter as OpenAI has them: JSON in a string."""
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    arguments = function.get("arguments")
    if isinstance(arguments, dict):
        arguments = _ENCODER.encode(arguments).decode()
    return text(function, "name"), arguments if isinstance(arguments, str) else ""


def usage_of(said: Any) -> Usage | None:
    """What was consumed, in the words of any of the vendors; None where it says nothing, or what cannot be."""
    if not isinstance(said, dict):
        return None
    if said.keys() <= PLAIN:
        given, made = said.get("prompt_tokens"), said.get("completion_tokens")
        if type(given) is int and type(made) is int and 0 < given <= MOST_TOKENS and 0 < made <= MOST_TOKENS:
            read, thought = said.get("prompt_tokens_details"), said.get("completion_tokens_details")
            cached = count(read, "cached_tokens") if read else 0
            return Usage(given, made, cached, count(thought, "reasoning_tokens") if thought else 0)
    told = [number_of(said[name]) for name in COUNTED if said.get(name) is not None]
    units = [count(said, name) for name in UNITS]
    if not (told or any(units)) or not all(one is not None and one <= MOST_TOKENS for one in (*told, *units)):
        return None
    # Anthropic counts what comes from a cache, or goes into one, apart from the rest.
    beside = count(said, "cache_read_input_tokens") + count(said, "cache_creation_input_tokens")
    return Usage(
        input=count(said, "prompt_tokens") or count(said, "input_tokens") + beside,
        output=count(said, "completion_tokens") or count(said, "output_tokens"),
        cached=_part(said, ("prompt_tokens_details", "input_tokens_details"), "cached_tokens")
        or count(said, "cache_read_input_tokens")
        or count(said, "prompt_cache_hit_tokens"),
        reasoning=_part(said, ("completion_tokens_details", "output_tokens_details"), "reasoning_tokens")
        or _part(said, ("output_tokens_details",), "thinking_tokens"),
        images=units[0],
        seconds=units[1],
        characters=units[2],
    )


def _part(said: Item, details: tuple[str, ...], name: str) -> int:
    return next((found for one in details if (found := count(said.get(one), name))), 0)


def usage_said(usage: Usage) -> Item:
    """As OpenAI has it; where it is ours and not the vendor's, that is said."""
    said: Item = {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
    return said | {"estimated": True} if usage.estimated else said


def prose(message: Item, name: str) -> str | None:
    """A text, also where it came as a list of parts (DashScope's multimodal models)."""
    said = message.get(name)
    if isinstance(said, list):
        return "".join(part if isinstance(part, str) else text(part, "text") for part in said)
    return said if isinstance(said, str) else None


def text(said: Any, name: str) -> str:
    found = said.get(name) if isinstance(said, dict) else None
    return found if isinstance(found, str) else ""


def count(said: Any, name: str) -> int:
    """A number that fits the record (int64); 0 for anything else."""
    return (number_of(said.get(name)) if isinstance(said, dict) else None) or 0


def number_of(said: Any) -> int | None:
    """A whole number, also as a text or with a point, as fronts write them that know no types.

    >>> number_of("12"), number_of(12.0), number_of(True), number_of(-1)
    (12, 12, None, None)
    """
    if type(said) is str:
        said = int(said) if said.isascii() and said.isdecimal() and len(said) <= DIGITS else None
    if type(said) is float:
        said = int(said) if said.is_integer() else None
    return said if type(said) is int and 0 <= said < 10**DIGITS else None


def listed(said: Any, name: str) -> list[Any]:
    found = said.get(name) if isinstance(said, dict) else None
    return found if isinstance(found, list) else []


def _dicts(said: Any, name: str) -> list[Item]:
    return [one for one in listed(said, name) if isinstance(one, dict)]
