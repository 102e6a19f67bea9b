"""A secret in each input of a gateway, and a look into everything that comes out of it.

ALLOWED is the whole list of where an input may be found again; docs/explanation/secrets.md gives the reasons.
"""

import base64
import json
import os
import secrets
import signal
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.app.echo import echoing
from tests.app.running import Answer, Ended, Gateway, environment, free_port, request, run, runtime_folder, until

CALLERS = ("valid key", "unknown key", "revoked key", "header", "cookie", "query", "prompt", "asserted place")
OURS = ("openai key", "qwen key", "ernie key", "glm key", "secret", "authorizer secret", "relay password", "comment")
ADMINS = ("token", "wrong token", "made key", "made token", "contact", "contact of a bug", "reason")
PAGES = ("made link",)
NAMES = (*CALLERS, *OURS, *ADMINS, *PAGES, "answer")

STORE = {"files of the home", "backup"}
ALLOWED: Mapping[str, set[str]] = {
    "answer": {"answers"},
    "prompt": {"answers"},  # a vendor's refusal quotes it to whoever sent it
    "made key": {"key create"},
    "made token": {"principal create"},
    "made link": {"appeal link"},
    "contact": {"accounts", "audit evidence", *STORE},
    "reason": {"audit list", "audit export", "audit evidence", *STORE},
}

DOCUMENT = """
# {comment}
{routes}
[mail]
from = "notices@example.com"
returns = {{ maildir = "returned" }}
"""
MODELS = ("ok", "hang", "html", "garbage", "broken", "400", "401", "403", "404", "429", "500", "503")

# Bugs: one that a caller comes upon and one that an operator does, each with all that it has at hand in its words.
BUGS = """
import gapura.request.pipeline as pipeline
import gapura.store.accounts as accounts

def bent(plain, marked):
    def bug(*args, **named):
        if marked in repr(args):
            try:
                raise KeyError(repr(args))
            except KeyError:
                raise ValueError(repr(args))
        return plain(*args, **named)
    return bug

pipeline.locate = bent(pipeline.locate, "x-bug")
accounts.upsert = bent(accounts.upsert, "bug@")
"""


class Found(NamedTuple):
    """What came out, by where it did; `log` is one of them; what was put in, by name; the statuses of answers."""

    places: dict[str, bytes]
    log: str
    canaries: dict[str, str]
    statuses: list[int]


class Story:
    def __init__(self, gateway: Gateway, canaries: dict[str, str], env: dict[str, str]) -> None:
        self.gateway, self.canaries, self.env = gateway, canaries, env
        self.places: dict[str, bytes] = {}
        self.statuses: list[int] = []
        self.admin = "http://" + gateway.told("admin").removeprefix("http://").split()[0].rstrip("/")

    def note(self, place: str, data: bytes) -> None:
        self.places[place] = self.places.get(place, b"") + data

    def heard(self, answer: Answer, place: str = "answers") -> Answer:
        self.statuses.append(answer.status)
        self.note(place, repr(answer.headers).encode() + answer.body)
        return answer

    def ask(self, model: str, *, key: str = "valid key", more: str = "", **headers: str) -> Answer:
        text = f'{{"model":"{model}","messages":[{{"role":"user","content":"{self.canaries["prompt"]}"}}]{more}}}'
        sent = {
            "authorization": f"Bearer {self.canaries.get(key, key)}",
            "x-note": self.canaries["header"],
            "cookie": f"session={self.canaries['cookie']}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        url = f"{self.gateway.url}/chat/completions?key={self.canaries['query']}"
        return self.heard(request(url, "POST", text.encode(), sent))

    def cli(self, *args: str, place: str = "commands", code: int = 0) -> Ended:
        ended = run(self.gateway.folder, self.env, *args)
        assert ended.code == code, (args, ended)
        self.note(place, (ended.out + ended.err).encode())
        return ended

    def callers(self) -> None:
        for model in MODELS:
            if model != "hang":
                self.ask(f"openai-{model}")
        for model in ("ok", "garbage", "broken"):
            self.ask(f"openai-{model}", more=',"stream":true')
        for model in ("qwen-401", "qwen-400", "ernie-ok", "glm-ok", "no-such-model"):
            self.ask(model)
        self.ask("openai-ok", key="unknown key")
        self.ask("openai-ok", key="revoked key")
        self.ask("openai-ok", key=f"{self.canaries['valid key'][:-1]}")
        self.ask("openai-ok", more=',"stream":7')
        self.ask("openai-ok", more=",")
        self.ask("openai-ok", gapura_client_address=self.canaries["asserted place"])
        self.ask("openai-ok", content_length="5")
        self.ask("openai-ok", transfer_encoding=self.canaries["header"])
        self.ask("openai-ok", x_bug="please")
        for _ in range(6):  # until its circuit is open
            self.ask("openai-500")

    def killed(self) -> None:
        """A gate dies amid an answer."""
        head, _, port = self.gateway.url.removeprefix("http://").removesuffix("/v1").rpartition(":")
        said = f'[{{"role":"user","content":"{self.canaries["prompt"]}"}}]'
        body = f'{{"model":"openai-hang","stream":true,"messages":{said}}}'
        lines = "POST /v1/chat/completions HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer "
        lines += f"{self.canaries['valid key']}\r\n"
        with socket.create_connection((head, int(port)), 20) as caller:
            caller.sendall(f"{lines}content-length: {len(body)}\r\n\r\n{body}".encode())
            self.note("answers", caller.recv(65_536))
            gate = [int(pid) for pid in children(self.gateway.process.pid)][-1]
            os.kill(gate, signal.SIGKILL)
            self.note("answers", caller.recv(65_536))
        until(lambda: self.ask("openai-ok").status == 200)

    def operators(self) -> None:
        for token in ("wrong token", "token"):
            given = {"authorization": f"Bearer {self.canaries[token]}"}
            for path in ("/api/v1/status", "/api/v1/audit", "/metrics", "/api/v1/nothing"):
                self.heard(request(self.admin + path, headers=given), "admin API")
        rows = {"table.csv": "contact", "bugs.csv": "contact of a bug"}
        for file, name in rows.items():
            who = "bug@" if file == "bugs.csv" else ""
            table = f"external_id,contact_billing\nacme{who},{who or 'a@'}{self.canaries[name]}.example\n"
            (self.gateway.folder / file).write_text(table)
        self.cli("account", "import", "table.csv", "--confirm", "table.csv")
        self.cli("account", "import", "bugs.csv", "--confirm", "bugs.csv", code=1)
        self.cli("account", "show", "acme", place="accounts")
        self.cli("account", "list", "--json", place="accounts")
        self.cli("account", "suspend", "acme", "--reason", self.canaries["reason"], "--confirm", "acme")
        self.cli("audit", "list", place="audit list")
        self.cli("audit", "list", "--json", place="audit list")
        self.cli("audit", "export", place="audit export")
        self.cli("audit", "evidence", "acme", "-o", "pack")
        for kind in ("json", "html"):
            self.note("audit evidence", (self.gateway.folder / f"pack.{kind}").read_bytes())
        for args in ("audit verify", "usage", "key list", "principal list", "record export", "doctor"):
            self.cli(*args.split())
            self.cli(*args.split(), "--json")
        self.cli("backup", "kept.db")
        self.note("backup", (self.gateway.folder / "kept.db").read_bytes())

    def pages(self) -> None:
        """An account's own, by its link and by keys."""
        site, link = self.env["GAPURA_PUBLIC_URL"], self.canaries["made link"]
        self.heard(request(f"{site}/enter/{link}"), "pages")
        self.heard(request(f"{site}/enter/{link}x/object?lang={link}"), "pages")
        for key in ("valid key", "unknown key", "revoked key"):
            form = {"content-type": "application/x-www-form-urlencoded"}
            self.heard(request(f"{site}/enter", "POST", f"key={self.canaries[key]}".encode(), form), "pages")
            given = {"authorization": f"Bearer {self.canaries[key]}", "cookie": f"gapura={self.canaries[key]}"}
            for path in ("/account", "/account.json", "/objections/apl_1.json"):
                self.heard(request(site + path, headers=given), "pages")

    def rest(self) -> None:
        """What is there without being asked for."""
        for pid in [str(self.gateway.process.pid), *children(self.gateway.process.pid)]:
            self.note("command lines", Path(f"/proc/{pid}/cmdline").read_bytes())
        self.heard(request(self.gateway.url.removesuffix("/v1") + "/metrics"), "metrics of a gate")
        for path in sorted(self.gateway.home.rglob("*")):
            if path.is_file():
                self.note("files of the home", path.name.encode() + path.read_bytes())


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def spellings(canary: str) -> Iterator[bytes]:
    """As it is, and what of it stands in base64 and in hex, wherever in a text it begins."""
    yield canary.encode()
    yield canary.encode().hex().encode()
    for before in range(3):
        encoded = base64.b64encode(b"x" * before + canary.encode())
        yield encoded[4 if before else 0 : -4]


@pytest.fixture(scope="module", params=["text", "json"])
def found(request: pytest.FixtureRequest, folder: Path) -> Iterator[Found]:
    canaries = {name: f"sk-gp-{secrets.token_hex(20)}" for name in NAMES}
    canaries["glm key"] = f"{secrets.token_hex(16)}.{secrets.token_hex(8)}"
    here = folder / request.param
    (here / "patch").mkdir(parents=True)
    (here / "patch" / "sitecustomize.py").write_text(BUGS)
    for part in ("new", "cur", "tmp"):
        (here / "returned" / part).mkdir(parents=True)
    (here / "qwen.key").write_text(canaries["qwen key"] + "\n")
    vendors = ("openai", "qwen", "ernie", "glm")
    routes = [f'[routes.{v}-{m}]\ntargets = ["{v}/{m}"]\nfirst_token_s = 5' for v in vendors for m in MODELS]
    (here / "gapura.toml").write_text(DOCUMENT.format(comment=canaries["comment"], routes="\n".join(routes)))
    with echoing(canaries["answer"]) as port, runtime_folder() as runtime:
        pages = free_port()
        settings = {
            "GAPURA_PUBLIC_URL": f"http://127.0.0.1:{pages}",
            "GAPURA_PORTAL_PORT": str(pages),
            "GAPURA_SITE_TERRITORY": "SG",
            "GAPURA_LOG_LEVEL": "debug",
            "GAPURA_LOG_FORMAT": request.param,
            "GAPURA_BOOTSTRAP_KEY": canaries["valid key"],
            "GAPURA_ADMIN_TOKEN": canaries["token"],
            "GAPURA_SECRET": canaries["secret"],
            "GAPURA_AUTHORIZER_SECRET": canaries["authorizer secret"],
            "GAPURA_AUTHORIZER_PEERS": "127.0.0.0/8",
            "GAPURA_SMTP_URL": f"smtp://mail:{canaries['relay password']}@127.0.0.1:1?tls=none",
            "GAPURA_AUTHORIZER_PORT": "0",
            "OPENAI_API_KEY": canaries["openai key"],
            "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
            "DASHSCOPE_API_KEY_FILE": "qwen.key",
            "DASHSCOPE_BASE_URL": f"http://127.0.0.1:{port}/v1",
            "QIANFAN_API_KEY": canaries["ernie key"],
            "QIANFAN_BASE_URL": f"https://127.0.0.1:{port}/v1",  # which speaks no TLS
            "ZHIPUAI_API_KEY": canaries["glm key"],
            "ZHIPUAI_BASE_URL": "http://vendor.invalid/v1",
        }
        env = environment(here, runtime, **settings)
        with Gateway(here, {**env, "PYTHONPATH": str(here / "patch")}) as gateway:
            yield told(Story(gateway, canaries, env))


def told(story: Story) -> Found:
    gateway = story.gateway
    made = story.cli("key", "create", "--account", "default", "--json", place="key create")
    story.canaries["made key"] = json.loads(made.out)["data"]["secret"]
    revoked = json.loads(run(gateway.folder, story.env, "key", "create", "--account", "default", "--json").out)["data"]
    story.canaries["revoked key"] = revoked["secret"]
    story.cli("key", "revoke", revoked["key"]["id"], "--confirm", revoked["key"]["id"], "--reason", "tried")
    principal = ("principal", "create", "--role", "auditor", "--name", "Ayu", "--json")
    story.canaries["made token"] = json.loads(story.cli(*principal, place="principal create").out)["data"]["token"]
    link = ("appeal", "link", "default", "--reason", "tried", "--json")
    url = json.loads(story.cli(*link, place="appeal link").out)["data"]["url"]
    story.canaries["made link"] = url.rpartition("/")[2]
    story.pages()
    story.callers()
    story.killed()
    story.operators()
    story.rest()
    assert gateway.stop() == 0
    story.note("logs", gateway.err.encode())
    story.note("banner", gateway.out.encode())
    return Found(story.places, gateway.err, story.canaries, story.statuses)


@pytest.mark.parametrize("name", NAMES)
def test_an_input_is_found_only_where_it_may_be(found: Found, name: str) -> None:
    wanted = list(spellings(found.canaries[name]))
    places = {place for place, data in found.places.items() if any(one in data for one in wanted)}
    assert places == ALLOWED.get(name, set())


def test_all_of_it_has_happened(found: Found) -> None:
    for line in ("a request met a bug", "a target is left alone", "died, starts again", "journal was closed"):
        assert line in found.log, found.log
    assert {200, 400, 401, 403, 404, 429, 500, 502, 503} <= set(found.statuses)


@pytest.mark.parametrize(
    "settings",
    [
        {"OPENAI_BASE_URL": "https://user:{}@api.example.com/v1"},
        {"OPENAI_BASE_URL": "https://api.example.com/v1?key={}"},
        {"GAPURA_DATABASE": "postgres://user:{}@db.example.com/gapura"},
        {"GAPURA_SECRET": "{}", "GAPURA_SECRET_FILE": "x"},
        {"GAPURA_ADMIN_TOKEN": "{}" + "\0" * 0 + "é"},
        {"OPENAI_API_KEY": "{} é"},
    ],
)
def test_a_start_that_is_refused_repeats_no_secret(tmp_path: Path, settings: dict[str, str]) -> None:
    canary = secrets.token_hex(10)
    given = {name: value.format(canary) for name, value in settings.items()}
    with runtime_folder() as runtime:
        ended = run(tmp_path, environment(tmp_path, runtime, **given), "serve")
    assert ended.code and ended.err
    assert canary not in ended.out + ended.err
