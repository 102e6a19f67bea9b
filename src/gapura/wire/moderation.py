"""OpenAI's POST /v1/moderations: whether a text, several, or images are harmful, by OpenAI's categories."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gapura.wire import openai, tokens
from gapura.wire.dialect import Dialect
from gapura.wire.embeddings import texts_of
from gapura.wire.fates import HONOURED, Line

FIELDS: Mapping[str, Line] = {"model": HONOURED, "input": HONOURED}

# What OpenAI takes where nothing is said.
DEFAULT = "omni-moderation-latest"


class ModerationRequest(msgspec.Struct, kw_only=True):
    """`input`: a text, several, or parts as in chat (`text`, `image_url`)."""

    input: str | Annotated[list[str | dict[str, Any]], Meta(min_length=1)]
    model: Annotated[str, Meta(min_length=1, max_length=openai.MAX_NAME)] = DEFAULT

    stream = False
    n = None
    wants_usage = False
    output_limit = 0

    @property
    def texts(self) -> list[str] | None:
        """None where parts are among them."""
        return texts_of(self.input)

    def bound(self, body: bytes) -> int:
        return tokens.bound(body)


_READ = msgspec.json.Decoder(ModerationRequest)


def read(body: bytes) -> ModerationRequest:
    return openai.decode(_READ, body)


MODERATION = Dialect("moderation", read, openai.render, openai.render_event)
