"""Rerank at the vendors that have it: one form in, which differs from vendor to vendor in the answer only."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from gapura.clock import Clock, system_clock
from gapura.errors import UpstreamFailed
from gapura.providers import catalogue
from gapura.providers.answers import Spoken, as_it_is, count, listed, text
from gapura.providers.ask import Ask
from gapura.providers.base import Reader, Translation
from gapura.providers.faults import Rule, error_in, fault
from gapura.providers.fields import Field, keep, step
from gapura.providers.said import decode
from gapura.terms.usage import Usage
from gapura.wire import openai
from gapura.wire.rerank import RerankRequest

FIELDS: Mapping[str, Field] = {
    "model": step("the target's"),
    "query": keep(),
    "documents": step("as texts", "contract"),
    "top_n": keep(),
    "return_documents": step("kept; documents stand in the answer where they were asked for"),
    "instruct": keep(),
}

_ENCODER = msgspec.json.Encoder()


Item = dict[str, Any]


class Rerank(msgspec.Struct, frozen=True, kw_only=True):
    """`most`: how many documents a model takes of which the catalogue says nothing.  `shape` and `spoken`: into the
    vendor's form and out of it, where it has one of its own."""

    name: str
    rules: Sequence[Rule]
    most: int
    path: str = "/rerank"
    clock: Clock = system_clock
    facts: str = ""
    shape: Callable[[Item], Item] = as_it_is
    spoken: Spoken = as_it_is

    def translate(self, body: bytes, asked: RerankRequest, model: str, cap: int | None) -> Translation:
        facts = catalogue.model(self.facts or self.name, model)
        ask = Ask(openai.fields(body), model, facts, cap, stream=False)
        ask.carry(FIELDS)
        ask.body["documents"] = asked.texts
        if asked.return_documents is not None:
            ask.body["return_documents"] = asked.return_documents
        most = facts.inputs or self.most
        if len(asked.documents) > most:
            ask.lose("documents", f"{model} takes {most}, not {len(asked.documents)}", "contract")
        return Translation(_ENCODER.encode(self.shape(ask.body)), tuple(ask.losses))

    def answer(self, body: bytes, model: str) -> tuple[bytes, Usage | None]:
        try:
            said: Any = decode(body)
        except ValueError:
            said = None
        said = said if error_in(said) or not isinstance(said, dict) else self.spoken(said)
        if error_in(said) or not isinstance(said, dict) or not isinstance(said.get("results"), list):
            raise fault(self.name, self.rules, 200, (), body, self.clock)
        spent = count(said.get("usage"), "total_tokens") or count(said.get("usage"), "input_tokens")
        results = [_result(one) for one in listed(said, "results") if isinstance(one, dict)]
        answer = {
            "id": text(said, "id") or text(said, "request_id"),
            "object": "list",
            "model": text(said, "model") or model,
            "results": results,
            "usage": {"prompt_tokens": spent, "total_tokens": spent},
        }
        return _ENCODER.encode(answer), Usage(spent) if spent else None

    def reader(self, model: str, *, include_usage: bool, choices: int = 1) -> Reader:
        del model, include_usage, choices
        raise UpstreamFailed("Rerank has no streams.", advance=False, trips=False)


def _result(given: dict[str, Any]) -> dict[str, Any]:
    """Qianfan and BigModel give a document as a text, DashScope as an object."""
    score = given.get("relevance_score")
    result = {"index": count(given, "index"), "relevance_score": score if isinstance(score, int | float) else 0.0}
    document = given.get("document")
    document = {"text": document} if isinstance(document, str) else document
    return result | {"document": document} if isinstance(document, dict) else result
