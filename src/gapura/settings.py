"""What the operator decides before the process starts: read once, checked whole, never changed.

The environment (`GAPURA_PORT`) wins over `gapura.toml` (`port = …` at its top level).  What may change at run time
(routes, policies, providers and their like) is not a setting: those tables of the file are handed on as they stand, in
`documents`.  A name that is not known stops the start, and so does a value that cannot be meant.

    >>> Settings.load({"GAPURA_PORT": "9000"}, {}).port
    9000
    >>> Settings.load({"GAPURA_PROT": "9000"}, {})
    Traceback (most recent call last):
    ...
    gapura.settings.BadSetting: GAPURA_PROT is not a setting (did you mean GAPURA_PORT?)
"""

import difflib
import re
import tomllib
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from gapura import checks, crash

PREFIX = "GAPURA_"
DOCUMENTS = ("routes", "packs", "policies", "tests", "lints", "providers", "atlas")
PROVIDER_VARIABLES = {"openai": "OPENAI", "qwen": "DASHSCOPE", "ernie": "QIANFAN", "glm": "ZHIPUAI"}
"""Provider → what the names of its variables begin with: `…_API_KEY`, `…_API_KEY_FILE`, `…_BASE_URL`."""

LEAST_SECRET = 32
# What a message does not repeat of a URL.
PRIVATE, HIDDEN = re.compile(r"(?<=://).*(?=@)|(?<=\?)[^']*"), "[hidden]"
MIB = 1024 * 1024
Source = Literal["default", "file", "environment", "command line"]
Nothing: Mapping[str, Any] = types.MappingProxyType({})


class BadSetting(ValueError):
    """Names the setting as the operator wrote it, and the way out."""


class Secret(str):
    """A string that keeps itself out of logs and tracebacks.  Empty: not set."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(***)" if self else "Secret()"


Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """Each setting, once: type, default, limits, description."""

    host: Annotated[str, Meta(min_length=1, description="Address on which the gates listen.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535, description="Port of the gates; 0 takes a free one.")] = 8080
    admin_host: Annotated[str, Meta(min_length=1, description="Address on which the keeper listens.")] = "127.0.0.1"
    admin_port: Annotated[int, Meta(ge=0, le=65_535, description="Port of the keeper; 0 takes a free one.")] = 8081
    home: Annotated[Path, Meta(description="Folder of the state; made on the first start.")] = Path("gapura-data")
    config: Annotated[
        str, Meta(description="The file to read instead of the `gapura.toml` in the folder that it is started in.")
    ] = ""
    database: Annotated[str, Meta(description="`sqlite:///path`; empty: `gapura.db` in the home.")] = ""
    workers: Annotated[int, Meta(ge=0, le=1024, description="Number of gates; 0: one a core.")] = 0
    trusted_proxies: Annotated[
        tuple[str, ...], Meta(description="Networks (CIDR) whose forwarding headers are believed.")
    ] = ()
    client_header: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9-]{0,64}\Z",
            description="One more header in which trusted proxies name the client, as `CF-Connecting-IP`.",
        ),
    ] = ""
    proxy_protocol: Annotated[
        Literal["off", "required"],
        Meta(description="Whether trusted proxies begin each connection with a PROXY header of version 2."),
    ] = "off"
    site_territory: Annotated[
        str, Meta(description="Where callers with a private or no address are; empty: guarded providers refuse them.")
    ] = ""
    egress_territory: Annotated[str, Meta(description="Where this gateway itself calls from; empty: not judged.")] = ""
    egress_addresses: Annotated[
        tuple[str, ...], Meta(description="Public addresses that this gateway calls from; placed by the atlas.")
    ] = ()
    notice_page: Annotated[
        str, Meta(description="A page for callers who are warned (`Link: rel=sunset`); empty: the list's own source.")
    ] = ""
    secret: Annotated[Secret, Meta(description="Seals what is stored; empty: a file in the home.")] = Secret("")
    bootstrap_key: Annotated[Secret, Meta(description="An API key that exists from the first start.")] = Secret("")
    admin_token: Annotated[Secret, Meta(description="A token for the admin API, from the first start.")] = Secret("")
    authorizer_secret: Annotated[
        Secret, Meta(description="What front ends prove themselves with; empty: there is no authorizer.")
    ] = Secret("")
    authorizer_peers: Annotated[
        tuple[str, ...], Meta(description="Networks (CIDR) of the front ends that may ask the authorizer.")
    ] = ()
    authorizer_host: Annotated[str, Meta(min_length=1, description="Address on which the authorizer listens.")] = (
        "127.0.0.1"
    )
    authorizer_port: Annotated[
        int, Meta(ge=0, le=65_535, description="Port of the authorizer; 0 takes a free one.")
    ] = 8082
    authorizer_product: Annotated[
        str, Meta(description="The product that is meant where a front end names none, as `openai/chatgpt`.")
    ] = ""
    authorizer_on_error: Annotated[
        Literal["deny", "allow"], Meta(description="What the authorizer answers while it cannot decide.")
    ] = "deny"
    snapshot_max_age: Annotated[
        Seconds, Meta(description="Seconds without the keeper after which guarded providers answer 503.")
    ] = 900.0
    allowed_hosts: Annotated[
        tuple[str, ...], Meta(description="Names accepted in `Host` by the gates; empty: any.")
    ] = ()
    max_body_bytes: Annotated[int, Meta(ge=1024, le=1024 * MIB, description="Largest body of a request.")] = 32 * MIB
    max_header_bytes: Annotated[int, Meta(ge=1024, le=MIB, description="Largest head of a request.")] = 64 * 1024
    max_headers: Annotated[int, Meta(ge=10, le=1000, description="Most headers of a request.")] = 100
    header_s: Annotated[Seconds, Meta(description="Seconds for a request's head to arrive.")] = 10.0
    body_s: Annotated[Seconds, Meta(description="Seconds for a request's body to arrive.")] = 60.0
    read_s: Annotated[Seconds, Meta(description="Seconds that a caller may leave an answer unread.")] = 60.0
    keep_alive_s: Annotated[Seconds, Meta(description="Seconds that an idle connection is kept.")] = 75.0
    drain_s: Annotated[Seconds, Meta(description="Seconds that begun requests get when the gateway stops.")] = 30.0
    journal_fsync_ms: Annotated[
        int, Meta(ge=0, le=10_000, description="Time between two syncs of a journal; 0: as fast as the disk allows.")
    ] = 100
    journal_segment_bytes: Annotated[
        int, Meta(ge=64 * 1024, le=1024 * MIB, description="Size of a journal file, allocated beforehand.")
    ] = 16 * MIB
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="Least level logged.")] = "info"
    log_format: Annotated[Literal["text", "json"], Meta(description="For people, or for machines.")] = "text"


class Settings(Declared, frozen=True, kw_only=True):
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
            provider_keys=_provider_keys(environ, folder),
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


DECLARED = {field.name: field for field in msgspec.structs.fields(Declared)}
HINTS = get_type_hints(Declared, include_extras=True)
SECRETS = tuple(name for name, hint in HINTS.items() if get_args(hint)[0] is Secret)
VARIABLE_NAMES = (*DECLARED, *(f"{name}_file" for name in SECRETS))
FILE_NAMES = tuple(name for name in VARIABLE_NAMES if name != "config")


def describe() -> str:
    """docs/reference/settings.md, made from the declaration."""
    rows = [f"| `{PREFIX}{name.upper()}` | {_told_default(name)} | {_told(name)} |" for name in DECLARED]
    keys = [f"| `{stem}_API_KEY` | `{stem}_BASE_URL` | `{name}` |" for name, stem in PROVIDER_VARIABLES.items()]
    return "\n".join([*_HEAD, *rows, *_BETWEEN, *keys, *_TAIL, ""])


_HEAD = """\
# Settings

Made from `src/gapura/settings.py`; a test compares. The environment wins over `gapura.toml`, where the same names
stand in lower case and without prefix (`port = 9000`) above the first table. Relative paths start at the folder
that Gapura is started in. An empty variable is one that is not set. A name that is not here stops the start.

Secrets have at least 32 characters and can be read from a file: `GAPURA_SECRET_FILE`, `GAPURA_BOOTSTRAP_KEY_FILE`,
`GAPURA_ADMIN_TOKEN_FILE`, `GAPURA_AUTHORIZER_SECRET_FILE`, and likewise for each provider's key.

| variable | default | meaning |
|---|---|---|""".splitlines()

_BETWEEN = """
## Providers

A provider is there when its key is.

| key (or `…_FILE`) | base URL | provider |
|---|---|---|""".splitlines()

_TAIL = f"""
## For tests

`{crash.VARIABLE}` kills a process, as by `kill -9`, where it comes by a named point:
{", ".join(f"`{name}`" for name in crash.POINTS)}.
With `:n` behind the name, the nth time. Never set it where somebody counts on the answer; `docs/explanation/crashes.md`
tells what it is for.""".splitlines()


def _told_default(name: str) -> str:
    default = DECLARED[name].default
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`" if default not in ("", ()) else "–"


def _told(name: str) -> str:
    kind, *metas = get_args(HINTS[name])
    choices = f" One of {', '.join(f'`{choice}`' for choice in get_args(kind))}." if get_origin(kind) is Literal else ""
    least = next((meta.ge for meta in metas if meta.ge is not None), None)
    most = next((meta.le for meta in metas if meta.le is not None), None)
    limits = f" {least} to {most}." if least is not None else f" At most {most}." if most is not None else ""
    return f"{metas[-1].description}{choices}{limits}"


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
    **dict.fromkeys(SECRETS, _secret),
}


def _provider_keys(environ: Mapping[str, str], folder: Path) -> dict[str, Secret]:
    keys = {}
    for provider, stem in PROVIDER_VARIABLES.items():
        variable = f"{stem}_API_KEY"
        direct, named = environ.get(variable, "").strip(), environ.get(f"{variable}_FILE", "").strip()
        if direct and named:
            raise BadSetting(f"{variable}: both the secret and a file for it are given; give one")
        text = _secret_file(named, variable, folder) if named else direct
        if not re.fullmatch(r"[!-~]*", text):
            raise BadSetting(f"{variable}: holds characters that cannot stand in a header")
        if text:
            keys[provider] = Secret(text)
    return keys


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
