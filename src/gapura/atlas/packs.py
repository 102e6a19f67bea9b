"""The packs that come with Gapura: what each provider's own list says of each territory, dated and sourced.

One TOML file each in `data/packs`, written by `tools/make_packs.py`.  A pack is read literally: a territory that a
list does not name is not listed, whoever its sovereign is.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import msgspec

from gapura.terms.rulebook import Pack

_FOLDER = files(__package__) / "data/packs"
_NONE: Mapping[str, Pack] = MappingProxyType({})


@cache
def _all() -> dict[str, Pack]:
    found = (msgspec.toml.decode(file.read_bytes(), type=Pack) for file in _FOLDER.iterdir() if file.is_file())
    return {pack.name: pack for pack in sorted(found, key=lambda pack: pack.name)}


def names() -> list[str]:
    """In alphabetical order."""
    return list(_all())


def pack(name: str, own: Mapping[str, Pack] = _NONE) -> Pack:
    """One of these, or of the operator's `own`.  Raises ValueError for a name that is not there, with the nearest."""
    there_are = {**_all(), **own}
    if name in there_are:
        return there_are[name]
    close = get_close_matches(name, there_are, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(there_are)}"
    raise ValueError(f"no pack is called {name!r}; {hint}")


def guarding(provider: str, host: str) -> list[str]:
    """The packs of APIs that apply to a provider reached at this host: the policies of who has written none.

    `openai/api` holds for whatever is configured as provider `openai`, also at a base URL of one's own, since the
    gateway cannot see whose service stands behind it; a pack with `hosts` holds for these alone, and one of another
    product than the API for nothing that passes through here.
    """
    return [
        name
        for name, one in _all().items()
        if provider in one.guards and (not one.hosts or host.lower() in one.hosts) and one.product == "api"
    ]
