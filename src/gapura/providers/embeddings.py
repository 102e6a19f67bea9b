"""Embeddings at vendors that follow OpenAI's form with limits of their own: fewer texts at a time, numbers only.

What the caller sent at once goes out in as many requests as it takes; the answers are joined (`gapura.wire.lists`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from gapura.clock import Clock, system_clock
from gapura.errors import UpstreamFailed
from gapura.providers import catalogue
from gapura.providers.answers import Spoken, as_it_is, count, listed, number_of, text, usage_of
from gapura.providers.ask import Ask
from gapura.providers.base import Reader, Translation
from gapura.providers.faults import Rule, error_in, fault
from gapura.providers.fields import Field, drop, step
from gapura.providers.native import Native
from gapura.providers.said import decode
from gapura.terms.usage import Usage
from gapura.wire import embeddings, openai
from gapura.wire.embeddings import EmbeddingsRequest

FIELDS: Mapping[str, Field] = {
    "model": step("the target's"),
    "input": step("texts, in as many requests as the vendor needs; token ids are refused", "contract"),
    "encoding_format": step("numbers are asked for, and packed here where base64 was"),
    "dimensions": step("kept, where the model has it", "contract"),
    "user": drop("cosmetic"),
}

_ENCODER = msgspec.json.Encoder()

# Once in each vector of an answer of ours, and in nothing else.
MARK = b'"object":"embedding"'


Item = dict[str, Any]


def flat(body: Item, texts: Sequence[str]) -> Item:
    return {**body, "input": texts}


class Embeddings(msgspec.Struct, frozen=True, kw_only=True):
    """`most`: how many texts a model takes of which the catalogue says nothing.  `shape` puts the texts into the body,
    and `spoken` makes OpenAI's object of the answer, where the vendor has a form of its own."""

    name: str
    rules: Sequence[Rule]
    most: int
    path: str = "/embeddings"
    clock: Clock = system_clock
    facts: str = ""
    shape: Callable[[Item, Sequence[str]], Item] = flat
    spoken: Spoken = as_it_is

    def translate(self, body: bytes, asked: EmbeddingsRequest, model: str, cap: int | None) -> Translation:
        facts = catalogue.model(self.facts or self.name, model)
        ask = Ask(openai.fields(body), model, facts, cap, stream=False)
        ask.carry(FIELDS)
        ask.body["encoding_format"] = "float"
        size = asked.dimensions
        if size is not None and facts.dimensions != (size,):
            if facts.dimensions and size not in facts.dimensions:
                ask.lose("dimensions", f"{model} has {', '.join(map(str, facts.dimensions))}, not {size}", "contract")
            ask.body["dimensions"] = size
        texts = asked.texts
        if texts is None:
            ask.lose("input", f"{model} does not read the token ids of OpenAI's models", "contract")
        first, *more = [
            _ENCODER.encode(self.shape(ask.body, some)) for some in batches(texts or [""], facts.inputs or self.most)
        ]
        return Translation(first, tuple(ask.losses), tuple(more))

    def answer(self, body: bytes, model: str) -> tuple[bytes, Usage | None]:
        try:
            said: Any = decode(body)
        except ValueError:
            said = None
        said = said if error_in(said) or not isinstance(said, dict) else self.spoken(said)
        vectors = [] if error_in(said) else _vectors(listed(said, "data"))
        if not vectors:
            raise fault(self.name, self.rules, 200, (), body, self.clock)
        counts = said.get("usage")
        usage = usage_of(counts) or (Usage(spent) if (spent := count(counts, "total_tokens")) else None)
        answer: Item = {"object": "list", "data": vectors, "model": text(said, "model") or model}
        if usage is not None:
            answer["usage"] = {"prompt_tokens": usage.input, "total_tokens": usage.total}
        return _ENCODER.encode(answer), usage

    def compare(self, answer: bytes, sent: bytes) -> None:
        """Raises UpstreamFailed unless each text has its vector: one that is missing would shift all after it."""
        asked = decode(sent)["input"]
        texts = len(asked["texts"] if isinstance(asked, dict) else asked)
        if (vectors := answer.count(MARK)) != texts:
            raise UpstreamFailed(f"The provider gave {vectors} vectors for {texts} texts.")

    def reader(self, model: str, *, include_usage: bool, choices: int = 1) -> Reader:
        del model, include_usage, choices
        raise UpstreamFailed("Embeddings have no streams.", advance=False, trips=False)


class Vectors(Native, frozen=True, kw_only=True):
    """Those of a server that speaks OpenAI's API.  They pass as they came where they have all that OpenAI's have: some
    leave out the numbers of the vectors, or the usage (Gemini's front)."""

    path: str = "/embeddings"
    name: str

    def answer(self, body: bytes, model: str) -> tuple[bytes, Usage | None]:
        _, usage = super().answer(body, model)
        said = decode(body)
        numbered = [isinstance(one, dict) and type(one.get("index")) is int for one in listed(said, "data")]
        if usage is not None and numbered and all(numbered) and text(said, "object") and text(said, "model"):
            return body, usage
        return Embeddings(name=self.name, rules=(), most=1).answer(body, model)


def _vectors(given: list[Any]) -> list[Item]:
    """In the order of the texts, whatever the order of the answer; none where one of them is no vector."""
    numbered: list[Item] = []
    for place, one in enumerate(given):
        vector = _vector(one.get("embedding")) if isinstance(one, dict) else None
        if vector is None:
            return []
        stated = number_of(one.get("index"))
        numbered.append({"object": "embedding", "index": place if stated is None else stated, "embedding": vector})
    return sorted(numbered, key=lambda one: one["index"])


def _vector(said: Any) -> list[float] | None:
    """Numbers, also where the vendor packed them although it was asked for numbers."""
    try:
        said = embeddings.numbers(said) if isinstance(said, str) else said
    except ValueError:
        return None
    return said if isinstance(said, list) and said and isinstance(said[0], int | float) else None


def batches(texts: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    """
    >>> list(batches(["a", "b", "c"], 2))
    [['a', 'b'], ['c']]
    """
    return (texts[at : at + most] for at in range(0, len(texts), most))
