"""Vendors' real vocabularies, where an installed package has one: none is shipped, and none is downloaded.

OpenAI's o200k comes with litellm (a cache of tiktoken's), Qwen's with Alibaba's own SDK dashscope; both need tiktoken.
Of ERNIE and GLM no package has one.
"""

import importlib
import importlib.util
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

Count = Callable[[str], int]

PACKAGES = {"openai": "litellm", "qwen": "dashscope"}
"""Provider → the package that brings its vocabulary."""

CACHE_DIR = "TIKTOKEN_CACHE_DIR"


@cache
def vocabulary(provider: str) -> Count | None:
    """How many tokens the vendor's own vocabulary makes of a text; None where none is installed."""
    folder = _folder(PACKAGES.get(provider, ""))
    if folder is None or importlib.util.find_spec("tiktoken") is None:
        return None
    return _o200k(folder) if provider == "openai" else _qwen()


def _folder(package: str) -> Path | None:
    """Where a package is, without importing it: these take seconds."""
    found = importlib.util.find_spec(package) if package else None
    return Path(found.origin).parent if found is not None and found.origin else None


def _o200k(folder: Path) -> Count | None:
    """tiktoken reads files named by the hash of their address, and checks what is in them against a hash of its own."""
    vocabularies = folder / "litellm_core_utils" / "tokenizers"
    if not vocabularies.is_dir():
        return None
    tiktoken = importlib.import_module("tiktoken")
    before = os.environ.get(CACHE_DIR)
    os.environ[CACHE_DIR] = str(vocabularies)
    try:
        encoding = tiktoken.get_encoding("o200k_base")
    except (OSError, ValueError):  # not among the files: it would be downloaded, and is not
        return None
    finally:
        if before is None:
            del os.environ[CACHE_DIR]
        else:
            os.environ[CACHE_DIR] = before
    return lambda text: len(encoding.encode(text, disallowed_special=()))


def _qwen() -> Count:
    tokenizer = importlib.import_module("dashscope").get_tokenizer("qwen-plus")
    return lambda text: len(tokenizer.encode(text))
