"""What the operator decides before the process starts: read once, checked whole, never changed.

The environment (`GAPURA_PORT`) wins over `gapura.toml` (`port = …` at its top level).  What may change at run time
(routes, policies, providers and their like) is not a setting: those tables of the file are handed on as they stand, in
`documents`.  A name that is not known stops the start, and so does a value that cannot be meant.

    >>> Settings.load({"GAPURA_PORT": "9000"}, {}).port
    9000
    >>> Settings.load({"GAPURA_PROT": "9000"}, {})
    Traceback (most recent call last):
    ...
    gapura.settings.bad.BadSetting: GAPURA_PROT is not a setting (did you mean GAPURA_PORT?)
"""

import difflib
import re
import tomllib
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self, get_args, get_origin
from urllib.parse import urlsplit

import msgspec

from gapura import checks, crash
from gapura.settings.bad import BadSetting
from gapura.settings.declared import (
    DECLARED,
    DOCUMENTS,
    FILE_NAMES,
    HINTS,
    LEAST_SECRET,
    PREFIX,
    PROVIDER_VARIABLES,
    SECRETS,
    VARIABLE_NAMES,
    Declared,
    Secret,
    Source,
)
from gapura.settings.keys import provider_keys

# What a message does not repeat of a URL.
PRIVATE, HIDDEN = re.compile(r"(?<=://).*(?=@)|(?<=\?)[^']*"), "[hidden]"
Nothing: Mapping[str, Any] = types.MappingProxyType({})


class Settings(Declared, msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the operator decided.

    `provider_keys` and `base_urls` are by provider name, from the variables of `PROVIDER_VARIABLES`; `documents` are
    the tables of the file that the rulebook is read from.
    """

    provider_keys: dict[str, Secret] = {}
    base_urls: dict[str, str] = {}
    documents: dict[str, Any] = {}
    sources: dict[str, Source] = {}

    @classmethod
    def load(
        cls,
        environ: Mapping[str, str],
        toml: Mapping[str, Any] | None = None,
        cwd: Path | None = None,
        flags: Mapping[str, Any] = Nothing,
    ) -> Self:
        """Reads the file by itself where `toml` is None.  `flags` (by field name; None: not given) win over all.

        Relative paths, also those in the file, start at `cwd`.  Raises BadSetting.
        """
        folder = cwd or Path.cwd()
        variables = _known_variables(environ)
        contents = _read_file(variables.get("config", ""), folder) if toml is None else toml
        _refuse_unknown(contents, [*FILE_NAMES, *DOCUMENTS], "{} is not a setting in gapura.toml")
        given: dict[str, tuple[Source, str, Any]] = {}
        for name in DECLARED:
            if flags.get(name) is not None:
                given[name] = "command line", "--" + name.replace("_", "-"), flags[name]
            elif (text := _value(name, variables, PREFIX + name.upper(), folder)) is not None:
                given[name] = "environment", PREFIX + name.upper(), text
            elif (value := _value(name, contents, f"{name} in gapura.toml", folder)) is not None:
                given[name] = "file", f"{name} in gapura.toml", value
        values = {name: _decode(name, label, value, source) for name, (source, label, value) in given.items()}
        values["home"] = folder / values.get("home", DECLARED["home"].default)
        if values.get("proxy_protocol") == "required" and not values.get("trusted_proxies"):
            raise BadSetting("GAPURA_PROXY_PROTOCOL: `required` serves nobody without GAPURA_TRUSTED_PROXIES")
        if bool(values.get("authorizer_secret")) != bool(values.get("authorizer_peers")):
            raise BadSetting(
                "the authorizer needs both GAPURA_AUTHORIZER_SECRET and GAPURA_AUTHORIZER_PEERS, or neither"
            )
        if database := values.get("database"):
            values["database"] = f"sqlite:///{folder / database.removeprefix('sqlite:///')}"
        return cls(
            **values,
            provider_keys=provider_keys(environ, contents.get("providers", {}), folder, _secret_file),
            base_urls=_base_urls(environ),
            documents={name: contents[name] for name in DOCUMENTS if name in contents},
            sources={name: source for name, (source, _, _) in given.items()},
        )

    def origin(self, name: str) -> Source:
        """Where the value of a setting came from."""
        return self.sources.get(name, "default")

    @property
    def database_path(self) -> Path:
        return Path(self.database.removeprefix("sqlite:///")) if self.database else self.home / "gapura.db"

    @property
    def authorizes(self) -> bool:
        """Whether other front ends may ask for decisions."""
        return bool(self.authorizer_secret)

    @property
    def admin_hosts(self) -> frozenset[str]:
        """Names accepted in `Host` by the keeper (without port), against pages that rebind their own name."""
        return frozenset({"localhost", "127.0.0.1", "[::1]", self.admin_host, *self.allowed_hosts})

    @property
    def portal_hosts(self) -> frozenset[str]:
        """Names accepted in `Host` by accounts' pages (without port)."""
        return frozenset({_host(self.public_url), *self.allowed_hosts})


def _host(url: str) -> str:
    """As `Host` has it: an IPv6 address in brackets."""
    name = urlsplit(url).hostname or ""
    return f"[{name}]" if ":" in name else name


def _refuse_unknown(names: Iterable[str], known: Iterable[str], sentence: str) -> None:
    valid = list(known)
    for name in sorted(set(names) - set(valid)):
        near = difflib.get_close_matches(name, valid, n=1)
        raise BadSetting(sentence.format(name) + (f" (did you mean {near[0]}?)" if near else ""))


def _known_variables(environ: Mapping[str, str]) -> dict[str, str]:
    ours = [name for name in environ if name.startswith(PREFIX) and name != crash.VARIABLE]
    if (where := environ.get(crash.VARIABLE, "")) and not crash.is_armable(where):
        raise BadSetting(f"{crash.VARIABLE}: expected one of {', '.join(crash.POINTS)}, and :n (given: {where!r})")
    _refuse_unknown(ours, [PREFIX + name.upper() for name in VARIABLE_NAMES], "{} is not a setting")
    return {name.removeprefix(PREFIX).lower(): environ[name] for name in ours if environ[name].strip()}


def _read_file(config: str, folder: Path) -> dict[str, Any]:
    path = folder / (config or "gapura.toml")
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if config:
            raise BadSetting(f"GAPURA_CONFIG: there is no file {path}") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadSetting(f"{path}: {error}") from None


def _value(name: str, given: Mapping[str, Any], label: str, folder: Path) -> Any:
    """What stands there for a setting; for a secret also what the file holds that is named instead."""
    direct, named = given.get(name), given.get(f"{name}_file") if name in SECRETS else None
    direct = None if direct == "" else direct
    if named is None:
        return direct
    if direct is not None:
        raise BadSetting(f"{label}: both the secret and a file for it are given; give one")
    return _secret_file(named, label, folder)


def _secret_file(named: Any, label: str, folder: Path) -> str:
    try:
        text: str = folder.joinpath(named).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError, TypeError) as error:
        raise BadSetting(f"{label}: its file cannot be read: {error}") from None
    if not text:
        raise BadSetting(f"{label}: its file {named} is empty")
    return text


def _decode(name: str, label: str, value: Any, source: Source) -> Any:
    """The value as declared.  Text from the environment may stand for a number or a list; a file means its types."""
    kind = get_args(HINTS[name])[0]
    if isinstance(value, str):
        value = [part for part in re.split(r"[\s,]+", value) if part] if get_origin(kind) is tuple else value.strip()
    try:
        plain = msgspec.convert(value, HINTS[name], strict=source == "file", dec_hook=_custom)
        return CHECKS[name](plain) if name in CHECKS else plain
    except ValueError as error:
        wanted = re.sub(r", got `\w+`", "", str(error))
        shown = "" if kind is Secret else f" (given: {PRIVATE.sub(HIDDEN, repr(value))})"
        raise BadSetting(f"{label}: {wanted}{shown}") from None


def _custom(kind: type, value: Any) -> Any:
    if not isinstance(value, str | Path):
        raise ValueError(f"Expected `str`, got `{type(value).__name__}`")  # noqa: TRY004 - becomes the one BadSetting
    return kind(value)


def _secret(value: Secret) -> Secret:
    if len(value) < LEAST_SECRET:
        raise ValueError(f"a secret has at least {LEAST_SECRET} random characters; try `openssl rand -hex 32`")
    return value


CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "trusted_proxies": checks.networks,
    "authorizer_peers": checks.networks,
    "site_territory": checks.territory,
    "egress_territory": checks.territory,
    "egress_addresses": checks.public_addresses,
    "database": checks.database,
    "notice_page": checks.page,
    "public_url": checks.site,
    **dict.fromkeys(SECRETS, _secret),
    "smtp_url": checks.relay_url,
    "ledger_url": checks.ledger_url,
}


def _base_urls(environ: Mapping[str, str]) -> dict[str, str]:
    urls = {}
    for provider, stem in PROVIDER_VARIABLES.items():
        variable = f"{stem}_BASE_URL"
        if url := environ.get(variable, "").strip().rstrip("/"):
            urls[provider] = base_url(url, variable)
    return urls


def base_url(url: str, label: str) -> str:
    """The URL, if it is one that requests can be sent below; BadSetting names `label`."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or parts.username is not None or parts.query or parts.fragment:
        raise BadSetting(f"{label}: expected http(s)://host[:port][/path], not {PRIVATE.sub(HIDDEN, repr(url))}")
    return url
