"""What stands for what: applications keep sending names that are shut, or that another vendor has.

>>> counterpart("gpt-3.5-turbo-0125", "glm")
'glm-5.3-flash'
>>> counterpart("ERNIE-3.5-8K", "qwen"), counterpart("somebody-s-own", "qwen")
('qwen-flash', '')
"""

import tomllib
from functools import cache, lru_cache
from importlib.resources import files

import msgspec

from gapura.providers.catalogue import Kind


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`names` that ask for the same; `to`: provider → its models that do the same work, first choice first."""

    names: tuple[str, ...]
    to: dict[str, tuple[str, ...]]
    kind: Kind = "chat"
    note: str = ""


class Counterparts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    as_of: str
    source: str
    entries: tuple[Entry, ...]


@cache
def counterparts() -> Counterparts:
    text = (files("gapura.providers") / "data" / "counterparts.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Counterparts)


@cache
def _by_name() -> tuple[dict[str, Entry], list[tuple[str, Entry]]]:
    """Whole names, and beginnings, the longest first."""
    whole = {name: entry for entry in counterparts().entries for name in entry.names if not name.endswith("*")}
    starts = [(name[:-1], entry) for entry in counterparts().entries for name in entry.names if name.endswith("*")]
    return whole, sorted(starts, key=lambda pair: -len(pair[0]))


@lru_cache(maxsize=4096)  # callers choose names
def find(name: str) -> Entry | None:
    """What is known of a name, whoever's it is."""
    name = name.lower()
    whole, starts = _by_name()
    return whole.get(name) or next((entry for start, entry in starts if name.startswith(start)), None)


def counterpart(name: str, provider: str) -> str:
    """The model of `provider` that does the work of `name`; "" where nobody said one."""
    entry = find(name)
    return entry.to.get(provider, ("",))[0] if entry else ""
