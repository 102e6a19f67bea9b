"""What is known of the vendors' hosts and models: dated, sourced, and never guessed (data/models.toml).

>>> territory("https://dashscope-intl.aliyuncs.com/compatible-mode/v1")
'SG'
>>> territory("https://ai.example.com/v1")
''
>>> model("qwen", "qwen3.5-plus").thinks
'default'
"""

import tomllib
from functools import cache, lru_cache
from importlib.resources import files
from typing import Literal
from urllib.parse import urlsplit

import msgspec

Thinks = Literal["", "never", "optional", "default", "always"]
Kind = Literal[
    "chat", "completion", "embedding", "rerank", "moderation", "image", "speech", "transcription", "video"
]  # fmt: skip
"""What a model is asked for."""


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Facts of one model; what is empty is unknown.

    `context` and `max_output` are tokens.  `thinks`: default can be switched off, always cannot.  `switch` is the
    field that does it, `efforts` the values of `reasoning_effort` that it knows.  `marks`: its texts have marks of
    thoughts and boxes.  `refuses` are request fields that it answers with an error.  `stream_only`: a plain request is
    refused, always or when it thinks.  `shut_down` is the day (UTC) on which its vendor ends it.  Of embeddings,
    `dimensions` are those that can be asked for, its default first, and `inputs` is how many texts (of rerank:
    documents) one request takes.
    """

    kind: Kind = "chat"
    context: int = 0
    max_output: int = 0
    thinks: Thinks = ""
    switch: Literal["", "enable_thinking", "thinking"] = ""
    efforts: tuple[str, ...] = ()
    vision: bool | None = None
    marks: bool = False
    refuses: tuple[str, ...] = ()
    stream_only: Literal["", "thinking", "always"] = ""
    shut_down: str = ""
    dimensions: tuple[int, ...] = ()
    inputs: int = 0


class Vendor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`base_url` is where it is reached unless told otherwise.  A model's name that ends in `*` stands for all that
    begin so."""

    base_url: str
    source: str
    models: dict[str, Model]


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`territories`: where requests to a host are processed; a name that begins with a dot stands for all hosts that
    end so."""

    as_of: str
    source: str
    territories: dict[str, str]
    vendors: dict[str, Vendor]


@cache
def catalogue() -> Catalogue:
    text = (files("gapura.providers") / "data" / "models.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Catalogue)


@lru_cache(maxsize=4096)  # callers choose names
def model(provider: str, name: str) -> Model:
    """The facts of a model, by its name or by the longest beginning that is known; all unknown otherwise."""
    vendor = catalogue().vendors.get(provider)
    models = vendor.models if vendor else {}
    if name in models:
        return models[name]
    known = (start for start in models if start.endswith("*") and name.startswith(start[:-1]))
    return models.get(max(known, key=len, default=""), Model())


def embeds(name: str) -> bool:
    """Whether this is the name of a model of embeddings, whoever's."""
    return any(
        name in vendor.models and vendor.models[name].kind == "embedding" for vendor in catalogue().vendors.values()
    )


def base_url(provider: str) -> str:
    return catalogue().vendors[provider].base_url


def territory(url: str) -> str:
    """Where requests to this base URL are processed: an ISO 3166-1 code, "" where no source says so."""
    host = urlsplit(url).hostname or ""
    known = catalogue().territories
    ends = (end for end in known if end.startswith(".") and host.endswith(end))
    return known.get(host) or known.get(max(ends, key=len, default=""), "")
