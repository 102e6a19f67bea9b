"""One client of `/api/v1`, three ways to reach it.

the keeper's Unix socket      where a process holds the home
--url and a token             any keeper, also on another machine
the same API in this process  where nobody holds the home: under its lock, so that no keeper starts meanwhile
"""

import functools
import http.client
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

import click

from gapura import runtime
from gapura.cli import ending
from gapura.cli.ending import Failed
from gapura.cli.output import Output
from gapura.settings import Settings

PREFIX = "/api/v1"
TIMEOUT_S = 60.0
# A keeper that starts or stops has the lock but no socket, for a tenth of this; commands wait for one another.  It is
# waited for each holder: where one comes after the other, nothing is stuck.
PATIENCE_S = 30.0
PAUSE_S = 0.05
CHUNK = 64 * 1024
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Answer(Protocol):
    status: int

    def read(self, amount: int = -1, /) -> bytes: ...


Send = Callable[[str, str, Mapping[str, str], bytes], Answer]


class Api:
    """Calls by method and path; whatever is no success is raised as Failed."""

    def __init__(self, send: Send, headers: Mapping[str, str]) -> None:
        self._send, self._headers = send, dict(headers)

    def get(self, path: str, **query: Any) -> Any:
        return _decoded(self.ask("GET", path, query))

    def post(self, path: str, body: Any, **query: Any) -> Any:
        return _decoded(self.ask("POST", path, query, body))

    def patch(self, path: str, body: Any) -> Any:
        return _decoded(self.ask("PATCH", path, {}, body))

    def every(self, path: str, *, after: Any = None, **query: Any) -> Iterator[Any]:
        """The items of all pages, or of those behind `after`."""
        while True:
            page = self.get(path, limit=1000, after=after, **query)
            yield from page["items"]
            if not (after := page["next"]):
                return

    def chunks(self, method: str, path: str, **query: Any) -> Iterator[bytes]:
        """A long answer in pieces."""
        answer = self.ask(method, path, query)
        while piece := answer.read(CHUNK):
            yield piece

    def ask(self, method: str, path: str, query: Mapping[str, Any], body: Any = None) -> Answer:
        given = {name: _plain(value) for name, value in query.items() if value is not None}
        target = PREFIX + quote(path) + ("?" + urlencode(given) if given else "")
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        try:
            answer = self._send(method, target, self._headers, raw)
            if answer.status >= http.client.BAD_REQUEST:
                raise _refused(answer.status, answer.read())
        except (OSError, http.client.HTTPException) as error:
            raise Failed(
                f"the keeper does not answer: {error or type(error).__name__}",
                exit_code=ending.UNREACHABLE,
                code="unreachable",
                hint="is it running? its log tells more",
            ) from error
        return answer


def account_id(api: Api, name: str, organisation: str = "") -> str:
    """Of `acc_…`, or of an external id within the organisation."""
    if name.startswith("acc_"):
        return name
    found = api.get("/accounts", external_id=name, organisation=organisation or None)["items"]
    if not found:
        where = f" in organisation {organisation}" if organisation else ""
        raise Failed(
            f"there is no account {name}{where}", code="not_found", hint="give its acc_… id, or --organisation"
        )
    return str(found[0]["id"])


def speaks(command: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A command that talks to a keeper: it gets an `Api` and an `Output`, and the options that go with them."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(connect: Callable[[], AbstractContextManager[Api]], out: Output, **given: Any) -> Any:
            with connect() as api:
                return function(api, out, **given)

        return may_speak(command)(run)

    return decorate


def may_speak(command: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A command that can do without a keeper, too: it gets what connects to one, in place of the `Api`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @click.option("--home", type=click.Path(path_type=Path), help="Folder of the state, instead of GAPURA_HOME.")
        @click.option("--url", help="Another keeper, as https://keeper.example:8081; needs a token.")
        @click.option(
            "--token-file",
            type=click.Path(path_type=Path),
            help="File with the admin token, instead of GAPURA_ADMIN_TOKEN.",
        )
        @click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document.")
        @functools.wraps(function)
        def run(*, home: Path | None, url: str | None, token_file: Path | None, as_json: bool, **given: Any) -> Any:
            out = Output(command, as_json=as_json)
            return function(lambda: connected(home, url, token_file, out), out, **given)

        return run

    return decorate


@contextmanager
def connected(home: Path | None, url: str | None, token_file: Path | None, out: Output) -> Iterator[Api]:
    if url:
        yield remote(url, token_file, out)
        return
    settings = Settings.load(os.environ, flags={"home": home})
    holder, deadline = "", 0.0
    while True:
        if send := _socket(runtime.keeper_socket(settings.home)):
            yield Api(send, {})
            return
        try:
            held = runtime.hold(settings.home)
        except runtime.HomeTaken as error:
            if str(error) != holder:
                holder, deadline = str(error), time.monotonic() + PATIENCE_S
            elif time.monotonic() > deadline:
                raise
            time.sleep(PAUSE_S)
            continue
        with held:
            from gapura.cli.offline import opened  # noqa: PLC0415 - the whole API, which a running keeper spares us

            with opened(settings) as send:
                yield Api(send, {})
        return


def remote(url: str, token_file: Path | None, out: Output) -> Api:
    """A keeper by its address.  The token never stands on the command line, where every user of the machine reads."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        scheme, host, port = "", "", None
    if scheme not in {"http", "https"} or not host:
        raise Failed(f"--url {url}: expected http(s)://host[:port]", exit_code=ending.USAGE, code="usage", field="url")
    token = token_file.read_text().strip() if token_file else os.environ.get("GAPURA_ADMIN_TOKEN", "").strip()
    if not token and (named := os.environ.get("GAPURA_ADMIN_TOKEN_FILE", "")):
        token = Path(named).read_text().strip()
    if not token:
        raise Failed(
            "a token is needed with --url",
            exit_code=ending.AUTHENTICATION,
            code="unauthenticated",
            hint="set GAPURA_ADMIN_TOKEN, or name a file with --token-file",
        )
    if scheme == "http" and host not in LOOPBACK:
        out.warn(f"the admin token goes to {host} unencrypted; use https")
    kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    return Api(_over(lambda: kind(host, port, timeout=TIMEOUT_S)), {"authorization": f"Bearer {token}"})


def _socket(path: Path | None) -> Send | None:
    """None where nobody listens: there is no keeper, or not yet, or no more."""
    if path is None:
        return None
    with suppress(OSError):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
        return _over(lambda: UnixConnection(path))
    return None


def _over(connect: Callable[[], http.client.HTTPConnection]) -> Send:
    def send(method: str, target: str, headers: Mapping[str, str], body: bytes) -> http.client.HTTPResponse:
        connection = connect()
        try:
            connection.request(method, target, body, {**headers, "connection": "close"})
            answer = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:
            connection.sock.close()  # our hold on it: the answer has its own, and ends with it
        return answer

    return send


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _decoded(answer: Answer) -> Any:
    try:
        return json.loads(answer.read())
    except ValueError as error:
        raise _stranger(answer.status) from error


def _refused(status: int, body: bytes) -> Failed:
    try:
        said = json.loads(body)["error"]
        return Failed(
            said["message"],
            exit_code=ending.BY_STATUS.get(status, ending.FAILED),
            code=said["code"],
            field=said["field"],
            hint=said["hint"],
        )
    except (ValueError, KeyError, TypeError):
        return _stranger(status)


def _stranger(status: int) -> Failed:
    message = f"this is no gapura keeper: its answer ({status}) is not what one says"
    return Failed(message, exit_code=ending.UNREACHABLE, code="unreachable")


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
