"""Questions to a vendor, one field at a time: what was promised of it in the tables, and what the vendor does.

A probe is sent as an OpenAI application would send it, untranslated but for the model's name, so that the answer tells
what the vendor itself makes of the field.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from gapura.compat.check import Aim
from gapura.providers import PROVIDERS
from gapura.request.translate import Ask, carry
from gapura.terms.rulebook import Route, Target
from gapura.wire import openai, tokens

Answered = Literal["honoured", "ignored", "accepted", "refused", "failed"]
"""honoured, ignored: the answer shows it · accepted: no error, and the answer cannot show it · refused: an error about
the request · failed: an error that says nothing of the field (key, balance, overload)."""

Claimed = Literal["kept", "translated", "cosmetic", "behavioural", "contract"]
"""kept: sent as it is · translated: the same, in the vendor's words · else the weight of the loss."""

# Enough for a word and a tool call, and the most that one answer costs.
LIMIT = 48
SAY = "Say hello."
COUNT = "Count from one to nine in digits, separated by blanks."
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
TOOLS = {"tools": [WEATHER]}
SCHEMA = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}
REFUSALS = range(400, 500)
# Not about the field: credentials, balance, place, a wrong address, time, and too many requests.
OTHERWISE = frozenset({401, 402, 403, 404, 408, 429})


class Probe(NamedTuple):
    """`field` is sent with `value` beside `content`; `shows` looks whether the answer has it, None: it cannot tell."""

    field: str
    value: Any
    content: str = SAY
    also: Mapping[str, Any] = {}
    shows: Callable[[dict[str, Any]], bool | None] = lambda _: None

    @property
    def name(self) -> str:
        return f"{self.field}={msgspec.json.encode(self.value).decode()}"

    def body(self, model: str) -> bytes:
        """The request, with a limit on what its answer costs."""
        base: dict[str, Any] = {
            "model": model,
            "messages": [{"role": "user", "content": self.content}],
            "max_tokens": LIMIT,
        }
        if self.field == "max_completion_tokens":
            del base["max_tokens"]
        return msgspec.json.encode(base | dict(self.also) | {self.field: self.value})

    def cost(self, model: str) -> int:
        """Tokens at the most."""
        choices = self.value if self.field == "n" else 1
        return tokens.bound(self.body(model)) + LIMIT * choices


def _choices(answer: dict[str, Any]) -> list[dict[str, Any]]:
    found = answer.get("choices")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _message(answer: dict[str, Any]) -> dict[str, Any]:
    choices = _choices(answer)
    found = choices[0].get("message") if choices else None
    return found if isinstance(found, dict) else {}


def _said(answer: dict[str, Any]) -> str:
    return str(_message(answer).get("content") or "")


def _is_json(answer: dict[str, Any], needs: str = "") -> bool:
    try:
        said = msgspec.json.decode(_said(answer))
    except msgspec.DecodeError:
        return False
    return isinstance(said, dict) and (not needs or needs in said)


def _calls(answer: dict[str, Any]) -> bool:
    return bool(_message(answer).get("tool_calls"))


def _cut(answer: dict[str, Any]) -> bool:
    return any(one.get("finish_reason") == "length" for one in _choices(answer))


PROBES = (
    Probe("n", 2, shows=lambda answer: len(_choices(answer)) == 2),  # noqa: PLR2004 - as asked
    Probe("max_tokens", 1, COUNT, shows=_cut),
    Probe("max_completion_tokens", 1, COUNT, shows=_cut),
    Probe("stop", ["5"], COUNT, shows=lambda answer: "5" not in _said(answer)),
    Probe("stop", ["4", "5", "6", "7"], COUNT, shows=lambda answer: not set("4567") & set(_said(answer))),
    Probe("temperature", 0),
    Probe("temperature", 1.7),
    Probe("temperature", 2),
    Probe("top_p", 0),
    Probe("top_p", 0.5),
    Probe("presence_penalty", 1.5),
    Probe("frequency_penalty", 1.5),
    Probe("seed", 42),
    Probe("logprobs", True, shows=lambda answer: bool(_choices(answer) and _choices(answer)[0].get("logprobs"))),  # noqa: FBT003 - it is the value
    Probe("logit_bias", {"15339": -100}),
    Probe("user", "user-1234"),
    Probe("response_format", {"type": "json_object"}, "Say hello as JSON.", shows=_is_json),
    Probe(
        "response_format",
        {"type": "json_schema", "json_schema": {"name": "said", "strict": True, "schema": SCHEMA}},
        "Say hello as JSON.",
        shows=lambda answer: _is_json(answer, "word"),
    ),
    Probe(
        "tool_choice",
        "required",
        also=TOOLS,
        shows=_calls,
    ),
    Probe(
        "tool_choice",
        {"type": "function", "function": {"name": "weather"}},
        also=TOOLS,
        shows=_calls,
    ),
    Probe("tool_choice", "none", also=TOOLS, shows=lambda answer: not _calls(answer)),
    Probe("parallel_tool_calls", False, also=TOOLS),  # noqa: FBT003 - it is the value
    Probe("reasoning_effort", "low"),
    Probe("messages", [{"role": "developer", "content": "Answer in one word."}, {"role": "user", "content": SAY}]),
    Probe("messages", [{"role": "system", "content": "Be brief."}, {"role": "user", "content": SAY}] * 2),
    Probe("metadata", {"purpose": "probe"}),
    Probe("store", False),  # noqa: FBT003 - it is the value
    Probe("service_tier", "auto"),
    Probe("verbosity", "low"),
)


def claimed(probe: Probe, aim: Aim) -> tuple[Claimed, str]:
    """What the tables promise of the field at this target, and why."""
    body, target = probe.body(aim.model), Target(aim.provider, aim.model)
    route = Route(model=aim.model, targets=(target,))
    outbound = carry(
        Ask(openai.CHAT, body, openai.read(body), route, None, strict=False), target, PROVIDERS[aim.provider]
    )
    for loss in outbound.losses:
        if loss.field.partition(".")[0] == probe.field:
            return loss.weight, loss.why
    sent = msgspec.json.decode(outbound.sent.body)
    return ("kept", "") if sent.get(probe.field) == probe.value else ("translated", "it is said in another way")


def answered(probe: Probe, status: int, body: bytes) -> Answered:
    """What the vendor made of it."""
    if status in REFUSALS:
        return "failed" if status in OTHERWISE else "refused"
    try:
        said = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return "failed"
    if status not in range(200, 300) or not isinstance(said, dict) or not _choices(said):
        return "failed"
    shown = probe.shows(said)
    return "accepted" if shown is None else "honoured" if shown else "ignored"


def agrees(claim: Claimed, answer: Answered) -> bool | None:
    """Whether the vendor does what the tables say; None where its answer tells nothing of that."""
    if answer in {"failed", "accepted"}:
        return None
    if claim == "kept":
        return answer == "honoured"
    return answer in {"refused", "ignored"} or claim in {"translated", "cosmetic"}
