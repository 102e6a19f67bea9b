"""Models that their vendor ends: said in every answer from some time before, so that nobody learns it by an error.

>>> ending("openai", "gpt-5").told
b'ends=2026-12-11;counterpart=openai/gpt-6.1-sol'
>>> ending("openai", "gpt-4o")
"""

from functools import lru_cache
from typing import NamedTuple

from gapura.clock import SECOND, instant
from gapura.providers.catalogue import model
from gapura.providers.counterparts import counterpart

# Vendors announce the end of a model three to six months before (developers.openai.com/api/docs/deprecations).
BEFORE = 90 * 86_400 * SECOND


class Ending(NamedTuple):
    """`day` (UTC) of the end; `since` is when it begins to be told (UTC microseconds), in the header `told`."""

    day: str
    since: int
    counterpart: str
    told: bytes


@lru_cache(maxsize=4096)
def ending(provider: str, name: str) -> Ending | None:
    """None for a model of which no end is known."""
    if not (day := model(provider, name).shut_down):
        return None
    other = counterpart(name, provider)
    instead = f"{provider}/{other}" if other else ""
    told = f"ends={day}" + (f";counterpart={instead}" if instead else "")
    return Ending(day, instant(f"{day}T00:00:00+00:00") - BEFORE, instead, told.encode())
