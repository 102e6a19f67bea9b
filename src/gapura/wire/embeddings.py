"""OpenAI's POST /v1/embeddings: texts, or token ids of OpenAI's own; vectors as numbers, or in base64."""

import re
from array import array
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from sys import byteorder
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw

from gapura.errors import BadRequest
from gapura.wire import openai, tokens
from gapura.wire.dialect import Dialect
from gapura.wire.fates import HONOURED, Line

# What OpenAI takes in one request (openai-openapi 2.3.0).
MOST = 2048

FIELDS: Mapping[str, Line] = {
    "model": HONOURED,
    "input": HONOURED,
    "dimensions": HONOURED,
    "encoding_format": HONOURED,
    "user": HONOURED,
}


class EmbeddingsRequest(msgspec.Struct, kw_only=True):
    """`input`: a text, several, the tokens of one, or those of several."""

    model: Annotated[str, Meta(min_length=1, max_length=openai.MAX_NAME)]
    input: Annotated[str, Meta(min_length=1)] | Annotated[list[str | int | list[int]], Meta(min_length=1)]
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    encoding_format: Literal["float", "base64"] | None = None

    stream = False
    n = None
    wants_usage = False
    output_limit = 0

    @property
    def texts(self) -> list[str] | None:
        """What is to be embedded; None where it came as token ids."""
        return texts_of(self.input)

    def bound(self, body: bytes) -> int:
        return tokens.bound(body)


def texts_of(given: str | Sequence[object]) -> list[str] | None:
    """A text, or several; None where anything else is among them.

    >>> texts_of("a"), texts_of(["a", "b"]), texts_of([1, 2])
    (['a'], ['a', 'b'], None)
    """
    if isinstance(given, str):
        return [given]
    texts = [one for one in given if isinstance(one, str)]
    return texts if len(texts) == len(given) else None


_READ = msgspec.json.Decoder(EmbeddingsRequest)
_ANSWER = msgspec.json.Decoder(dict[str, Raw])
_ITEMS = msgspec.json.Decoder(list[dict[str, Any]])
_ENCODER = msgspec.json.Encoder()

_VECTOR = re.compile(rb'"embedding"\s*:\s*(["\[])')


def read(body: bytes) -> EmbeddingsRequest:
    """Raises BadRequest, also for more texts than OpenAI takes, and for a list of several kinds."""
    asked = openai.decode(_READ, body)
    if not isinstance(asked.input, str):
        if len(asked.input) > MOST:
            raise BadRequest(f"'input' takes at most {MOST} texts, got {len(asked.input)}.", param="input")
        if len({type(one) for one in asked.input}) > 1:
            raise BadRequest("'input' must be texts, or tokens, not both.", param="input")
    return asked


def shaped(asked: EmbeddingsRequest, body: bytes) -> bytes:
    """The vectors in the form that was asked for, whichever the provider has: little-endian 32-bit floats in base64, or
    numbers."""
    found = _VECTOR.search(body)
    packed = asked.encoding_format == "base64"
    if found is None or packed == (found[1] == b'"'):
        return body
    answer = _ANSWER.decode(body)
    items = _ITEMS.decode(answer["data"])
    for item in items:
        item["embedding"] = _packed(item["embedding"]) if packed else numbers(item["embedding"])
    return _ENCODER.encode({**answer, "data": items})


def _packed(vector: list[float]) -> str:
    return b64encode(_little(array("f", vector)).tobytes()).decode()


def numbers(packed: str) -> list[float]:
    """Raises ValueError where it is no base64, or of no such numbers."""
    vector = array("f")
    vector.frombytes(b64decode(packed, validate=True))
    return _little(vector).tolist()


def _little(vector: "array[float]") -> "array[float]":
    if byteorder == "big":
        vector.byteswap()
    return vector


EMBEDDINGS = Dialect("embeddings", read, openai.render, openai.render_event, finish=shaped)
