"""Real front ends with the documented files, the application behind them, and clients from anywhere.

Clients of nginx and Envoy say where they come from in the PROXY protocol, as a load balancer would, and those of
Caddy in `X-Forwarded-For`; so what else they send can be told apart from where they are.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from tests.app.running import PATIENCE_S, Answer, free_port, until
from tests.programs import ROOT

DOCUMENTED = ROOT / "docs" / "how-to" / "authorizer"
SECRET = "as-7Kq2Zt9mVx4Rb6Yw1Hc3Nd8Lf5Js0Pg"
KINDS = ("nginx", "envoy", "caddy")

# Lines of the documented files that are there to be uncommented, by their first and last words.
PROXY_PROTOCOL = {
    "nginx": ("listen 8000 proxy_protocol;", "real_ip_header"),
    "envoy": ("listener_filters:", '"@type": type.googleapis.com/envoy.extensions.filters.listener'),
    "caddy": ("trusted_proxies", "trusted_proxies"),
}
FAIL_OPEN = {"nginx": ("proxy_intercept_errors", "error_page 500 502")}


class Seen(NamedTuple):
    """A request as the application got it: header names are in lower case."""

    headers: dict[str, str]
    body: str


class Application:
    """What stands behind a front end: it keeps what reaches it, and answers in JSON."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        application = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                application.seen.append(Seen(headers, self.rfile.read(length).decode()))
                answer = b'{"served": true}'
                self.send_response(200)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_GET  # noqa: N815 - the name that the base class looks for

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE_S)


class Front:
    """A front end that runs: `kind` is one of KINDS."""

    def __init__(self, kind: str, port: int, process: subprocess.Popen[bytes], *, told: bool) -> None:
        self.kind, self.process = kind, process
        self._port, self._told = port, told

    def ask(self, come: str = "", *, body: bytes | None = None, **headers: str) -> Answer:
        """One request from `come`; the names of headers are written with `_`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if come and self.kind == "caddy":
            written = sent.get("x-forwarded-for")
            sent["x-forwarded-for"] = f"{written}, {come}" if written else come
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        try:
            connection.connect()
            if self._told and self.kind != "caddy":
                family = "TCP6" if ":" in come else "TCP4"
                connection.sock.sendall(f"PROXY {family} {come} {come} 4000 80\r\n".encode())
            connection.request("GET" if body is None else "POST", "/v1/models?a=b", body, sent)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def listens(self) -> bool:
        assert self.process.poll() is None, f"{self.kind} ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0


def program(kind: str) -> str:
    """The program to run.  Where it is not there the test is skipped, except in CI, which must have all."""
    found = {
        "nginx": shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"),
        "caddy": shutil.which("caddy"),
        "envoy": shutil.which("envoy", path=ROOT / ".venv-envoy" / "bin"),
    }[kind]
    if found is None:
        how = f"{kind} is not installed (tests/authorizer/prepare.sh and .ci/run tell how)"
        if os.environ.get("CI"):
            pytest.fail(how)
        pytest.skip(how)
    return found


@contextmanager
def front(
    kind: str, folder: Path, authorizer: str, application: Application, *, told: bool = True, **changes: str
) -> Iterator[Front]:
    """The documented file of this front end, its placeholders replaced.  `told`: it stands behind a load balancer that
    tells where clients are, as the file says for that case.  `changes`: `open` lets everybody in where the authorizer
    is away; `secret` is another one than the gateway's."""
    binary, port = program(kind), free_port()
    folder.mkdir(parents=True, exist_ok=True)
    path, text = _documented(kind)
    if told:
        text = _uncommented(text, *PROXY_PROTOCOL[kind])
    if changes.get("open"):
        text = text.replace("failure_mode_allow: false", "failure_mode_allow: true")
        text = _uncommented(text, *FAIL_OPEN[kind]) if kind in FAIL_OPEN else text
    secret = changes.get("secret", SECRET)
    for placeholder, value in (
        ("listen 8000", f"listen 127.0.0.1:{port}"),
        ("address: 0.0.0.0, port_value: 8000", f"address: 127.0.0.1, port_value: {port}"),
        (":8000 {", f"http://127.0.0.1:{port} {{"),
        ("127.0.0.1:8082", f"127.0.0.1:{urlsplit(authorizer).port}"),
        ("port_value: 8082", f"port_value: {urlsplit(authorizer).port}"),
        ("127.0.0.1:3000", f"127.0.0.1:{application.port}"),
        ("port_value: 3000", f"port_value: {application.port}"),
        ('"SECRET"', f'"{secret}"'),
    ):
        text = text.replace(placeholder, value)
    (folder / path.name).write_text(text)
    command = _command(kind, binary, folder, folder / path.name)
    environ = {"HOME": str(folder), "PATH": os.environ["PATH"], "GAPURA_AUTHORIZER_SECRET": secret}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log, start_new_session=True)
    try:
        running = Front(kind, port, process, told=told)
        until(running.listens)
        yield running
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_S)


def _documented(kind: str) -> tuple[Path, str]:
    path = DOCUMENTED / {"nginx": "nginx.conf", "envoy": "envoy.yaml", "caddy": "Caddyfile"}[kind]
    return path, path.read_text("utf-8")


def _uncommented(text: str, first: str, last: str) -> str:
    """With the comment lines from the one that begins with `first` to the one that begins with `last` put in force.
    What stands for nginx's `listen` is replaced by it."""
    lines, within, found = [], False, False
    for line in text.splitlines():
        bare = line.strip().removeprefix("# ").removeprefix("#")
        within = within or (line.strip().startswith("#") and bare.startswith(first))
        found = found or within
        lines.append(line.replace("# ", "", 1) if within else line)
        within = within and not bare.strip().startswith(last)
    assert found, f"{first} is not in the documented file"
    return (
        "\n".join(line for line in lines if not (first.startswith("listen") and line.strip() == "listen 8000;")) + "\n"
    )


def _command(kind: str, binary: str, folder: Path, config: Path) -> list[str]:
    if kind == "envoy":
        return [binary, "-c", str(config), "--disable-hot-restart", "--log-level", "warning", "--concurrency", "1"]
    if kind == "caddy":
        # Caddy's own admin API would listen on a port that another one has.
        config.write_text("{\n\tadmin off\n\tauto_https off\n}\n" + config.read_text())
        return [binary, "run", "--adapter", "caddyfile", "--config", str(config)]
    stores = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{store}_temp_path {folder}/{store};" for store in stores)
    main = folder / "main.conf"
    main.write_text(
        f"daemon off; worker_processes 1; pid {folder}/pid; error_log stderr;"
        f"events {{}} http {{ access_log off; {temporary} include {config}; }}"
    )
    return [binary, "-p", str(folder), "-e", "stderr", "-c", str(main)]


def body_of(answer: Answer) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(answer.body)
    return found
