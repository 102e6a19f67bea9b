"""Each setting, once: its name, type, default, limits and meaning."""

from pathlib import Path
from typing import Annotated, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta

PREFIX = "GAPURA_"
DOCUMENTS = ("routes", "packs", "policies", "tests", "lints", "providers", "models", "atlas", "prices", "mail")
PROVIDER_VARIABLES = {
    "openai": "OPENAI",
    "qwen": "DASHSCOPE",
    "ernie": "QIANFAN",
    "glm": "ZHIPUAI",
    "azure": "AZURE_OPENAI",
    "anthropic": "ANTHROPIC",
    "zai": "ZAI",
}
"""Provider → what the names of its variables begin with: `…_API_KEY`, `…_API_KEY_FILE`, `…_BASE_URL`.  Others are there
when `[providers.NAME]` is, and have their key from `NAME_API_KEY` or as that table says (`settings.keys`)."""

LEAST_SECRET = 32
MIB = 1024 * 1024
Source = Literal["default", "file", "environment", "command line"]


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
    public_url: Annotated[
        str,
        Meta(description="Where accounts reach their pages, as `https://notice.example.com`; empty: there are none."),
    ] = ""
    portal_host: Annotated[str, Meta(min_length=1, description="Address on which accounts' pages are served.")] = (
        "127.0.0.1"
    )
    portal_port: Annotated[int, Meta(ge=0, le=65_535, description="Port of accounts' pages; 0 takes a free one.")] = (
        8083
    )
    smtp_url: Annotated[
        Secret,
        Meta(description="The relay that takes our mail, as `smtps://user:password@smtp.example.com`; empty: none."),
    ] = Secret("")
    ledger_url: Annotated[
        Secret,
        Meta(
            description="A Postgres server that keeps the ledger of several gateways, as"
            " `postgresql://user:password@host/database`; empty: the store of this home."
        ),
    ] = Secret("")
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
    keep_texts_days: Annotated[
        int,
        Meta(
            ge=0, le=36_500, description="Days that reasons in the audit and texts of objections are kept; 0: for ever."
        ),
    ] = 0
    keep_letters_days: Annotated[
        int,
        Meta(
            ge=0,
            le=36_500,
            description="Days after the end of a campaign that its letters' words are kept; 0: for ever. Hashes stay.",
        ),
    ] = 365
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


DECLARED = {field.name: field for field in msgspec.structs.fields(Declared)}
HINTS = get_type_hints(Declared, include_extras=True)
SECRETS = tuple(name for name, hint in HINTS.items() if get_args(hint)[0] is Secret)
VARIABLE_NAMES = (*DECLARED, *(f"{name}_file" for name in SECRETS))
FILE_NAMES = tuple(name for name in VARIABLE_NAMES if name != "config")
