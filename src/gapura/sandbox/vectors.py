"""Embeddings without a model: texts that share words lie near each other, and the same text is the same vector.

>>> near = sum(a * b for a, b in zip(vector("a red car", 64), vector("the red car", 64)))
>>> far = sum(a * b for a, b in zip(vector("a red car", 64), vector("sate ayam", 64)))
>>> near > far
True
"""

import re
from array import array
from base64 import b64encode
from collections.abc import Sequence
from math import sqrt
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from gapura.sandbox.script import tokens
from gapura.sandbox.shape import Call, Wrong, mistyped

_WORD = re.compile(r"\w+")


class Texts(msgspec.Struct):
    """What all four read.  `input`: a text, several, or token ids."""

    model: str = ""
    input: str | list[str | int | list[int]] = ""
    dimensions: int | None = None
    encoding_format: str | None = None

    @property
    def items(self) -> list[Any]:
        if isinstance(self.input, str):
            return [self.input]
        return [self.input] if self.input and isinstance(self.input[0], int) else list(self.input)


class Limits(NamedTuple):
    """`sizes`: by model, the dimensions that it has, its default first.  `most`: texts in one request."""

    sizes: dict[str, Sequence[int]]
    most: int
    any_size: bool = False
    ids: bool = False
    packed: bool = False


_decode = msgspec.json.Decoder(Texts).decode


def embeddings(call: Call, limits: Limits) -> dict[str, Any]:
    """The answer in OpenAI's form.  Raises Wrong for what the vendor refuses."""
    asked = _read(call)
    sizes = limits.sizes.get(asked.model)
    if sizes is None:
        raise Wrong("404", f"The model '{asked.model}' does not exist.", "model")
    items = asked.items
    if not items or len(items) > limits.most:
        raise Wrong("invalid", f"'input' takes 1 to {limits.most} texts, got {len(items)}.", "input")
    if not limits.ids and not all(isinstance(item, str) for item in items):
        raise Wrong("invalid", "'input' must be text.", "input")
    size = asked.dimensions or sizes[0]
    if size not in sizes and not (limits.any_size and size < sizes[0]):
        raise Wrong("invalid", f"'dimensions' must be one of {list(sizes)}.", "dimensions")
    if asked.encoding_format not in {None, "float", *(["base64"] if limits.packed else [])}:
        raise Wrong("invalid", f"'encoding_format' {asked.encoding_format} is not supported.", "encoding_format")
    vectors = [vector(item if isinstance(item, str) else str(item), size) for item in items]
    packed = asked.encoding_format == "base64"
    count = sum(len(tokens(item)) if isinstance(item, str) else len(item) for item in items)
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": pack(one) if packed else one}
            for index, one in enumerate(vectors)
        ],
        "model": asked.model,
        "usage": {"prompt_tokens": count, "total_tokens": count},
    }


def _read(call: Call) -> Texts:
    if call.method != "POST":
        raise Wrong("method")
    try:
        return _decode(call.body)
    except msgspec.ValidationError as error:
        raise mistyped(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Wrong("malformed", f"The body is not valid JSON: {error}") from None


def vector(text: str, size: int) -> list[float]:
    """Of length 1: each word is a direction, by its hash."""
    found = [0.0] * size
    for word in _WORD.findall(text.lower()) or [text]:
        number = crc32(word.encode())
        found[number % size] += 1.0 if number & 1 << 31 else -1.0
    length = sqrt(sum(one * one for one in found)) or 1.0
    return [one / length for one in found]


def pack(numbers: list[float]) -> str:
    """Little-endian 32-bit floats in base64, as OpenAI's SDKs ask for."""
    return b64encode(array("f", numbers).tobytes()).decode()
