"""How a provider of the operator's speaks: by its `kind`, which is one of ours or of another distribution.

    [providers.local]  kind = "vllm"       →  provider("local", "vllm", {})
    [providers.glm]    tokens = true       →  provider("glm", "", {"tokens": True})

A distribution offers kinds by entry points of the group `gapura.providers`, each a `Provider`
(docs/how-to/write-a-provider.md).  It is loaded when a provider of its kind is set up, and not before.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import msgspec
from msgspec.structs import replace

from gapura.providers import PROVIDERS, catalogue
from gapura.providers.azure import GA, Azure
from gapura.providers.base import Provider
from gapura.providers.compatible import Quirks, compatible, known_servers, servers
from gapura.providers.dashscope import EVENTS
from gapura.providers.vendor import Vendor
from gapura.providers.zai import with_tokens

GROUP = "gapura.providers"

# What the river asks of one (`providers.base.Provider`); a test compares.
ASKED = (
    *("name", "path", "expires"),
    *("operation", "headers", "fault", "translate", "answer", "reader"),
)


class BadKind(Exception):
    """`field` of the provider's table is wrong; the text says what, and the way out."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Tokens(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of BigModel and Z.ai: `tokens` sends a token signed with the key, good for minutes, in the key's place."""

    tokens: bool = False


class Version(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of Azure: `version` is the `api-version` of each request; `v1` is the path without dates."""

    version: str = GA


class Frames(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of DashScope's own protocol: `cumulative` where each frame repeats the whole text in spite of
    `incremental_output`, as some servers in front of it do."""

    cumulative: bool = False


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of all others of ours."""


def known() -> tuple[str, ...]:
    """Every kind, those of other distributions last."""
    return tuple(dict.fromkeys((*PROVIDERS, *servers(), *(one.name for one in _plugs()))))


def home(name: str, kind: str = "") -> str:
    """Where a provider is reached unless told otherwise; "" where each of its kind has its own."""
    kind = kind or name
    if (vendor := catalogue.catalogue().vendors.get(kind)) is not None:
        return vendor.base_url
    server = servers().get(kind)
    return server.base_url if server is not None else known_servers().hosts.get(kind, "")


def models_of(kind: str) -> str:
    """The vendor in the catalogue whose models a kind of ours has: `openai` for `azure`."""
    ours = PROVIDERS[kind]
    return "openai" if isinstance(ours, Azure) else (ours.facts or kind) if isinstance(ours, Vendor) else kind


def known_as(name: str, kind: str, host: str) -> frozenset[str]:
    """The names under which lists of places may mean a provider: its own, its kind's, and that of whose host it is.
    A provider is not another one for being called otherwise."""
    told = known_servers().known_as
    kind = kind or name
    return frozenset({name, kind, told.kinds.get(kind, kind), told.hosts.get(host.lower(), name)})


def provider(name: str, kind: str = "", quirks: Mapping[str, Any] | None = None) -> Provider:
    """The provider `name`, which is of the kind of that name where no other is stated.  Raises BadKind."""
    kind, given = kind or name, quirks or {}
    if kind in PROVIDERS:
        return _ours(name, kind, given)
    if kind in servers():
        stated = {field: getattr(servers()[kind], field) for field in Quirks.__struct_fields__}
        merged = {**stated, **given, "fields": {**stated["fields"], **_table(given.get("fields", {}))}}
        return _made(lambda: compatible(name, _read(Quirks, msgspec.to_builtins(merged))))
    found = [plug for plug in _plugs() if plug.name == kind]
    if not found:
        raise BadKind("kind", f"there is no kind {kind!r}; known are {', '.join(known())}")
    if len(found) > 1:
        raise BadKind("kind", f"{' and '.join(_from(plug) for plug in found)} both offer {kind!r}; remove one of them")
    if given:
        raise BadKind("quirks", f"{kind!r} of {_from(found[0])} takes none")
    return _plugged(found[0])


def _ours(name: str, kind: str, given: Mapping[str, Any]) -> Provider:
    ours = PROVIDERS[kind]
    if isinstance(ours, Azure):
        return replace(ours, name=name, version=_read(Version, given).version)
    if not isinstance(ours, Vendor):
        _read(Nothing, given)
        return replace(ours, name=name)  # type: ignore[type-var] # OpenAI's is a struct, too
    named = replace(ours, name=name, facts=ours.facts or ours.name)
    if kind in {"glm", "zai"}:
        return with_tokens(named) if _read(Tokens, given).tokens else named
    if kind == "dashscope":
        return replace(named, events=EVENTS[_read(Frames, given).cumulative])
    _read(Nothing, given)
    return named


def _plugged(plug: EntryPoint) -> Provider:
    try:
        loaded = plug.load()
    except Exception as error:
        raise BadKind("kind", f"{_from(plug)} cannot be loaded: {type(error).__name__}: {error}") from error
    lacking = [name for name in ASKED if not hasattr(loaded, name)]
    if isinstance(loaded, type) or lacking:
        what = "is a class; offer an instance" if isinstance(loaded, type) else f"lacks {', '.join(lacking)}"
        raise BadKind("kind", f"{plug.value} of {_from(plug)} is no provider: it {what}")
    return loaded  # type: ignore[no-any-return] # looked at above


def _plugs() -> Iterable[EntryPoint]:
    """Those of other distributions.  One that has the name of ours is never asked."""
    return [one for one in entry_points(group=GROUP) if one.name not in PROVIDERS and one.name not in servers()]


def _from(plug: EntryPoint) -> str:
    return f"the distribution {plug.dist.name}" if plug.dist is not None else f"the entry point {plug.value}"


def _read(kind: type[Any], given: object) -> Any:
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        said, _, where = str(error).replace("`", "").partition(" - at $")
        raise BadKind(f"quirks{where}", said[0].lower() + said[1:]) from None


def _made(make: Callable[[], Vendor]) -> Vendor:
    try:
        return make()
    except ValueError as error:
        raise BadKind("quirks", str(error)) from None


def _table(given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise BadKind("quirks.fields", "expected a table")
    return dict(given)
