import json
import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gapura.cli import ending
from gapura.store import campaigns
from gapura.store.base import Connection
from gapura.store.rulebooks import By
from gapura.store.sqlite import Store
from gapura.terms.campaign import Campaign


@pytest.fixture(autouse=True)
def ports(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GAPURA_PORT", "GAPURA_ADMIN_PORT"):
        monkeypatch.setenv(name, "0")


def found(result: Any) -> dict[str, tuple[str, str]]:
    return {row["check"]: (row["state"], row["found"]) for row in json.loads(result.stdout)["data"]}


def test_a_folder_that_was_never_used_is_well(run: Any, tmp_path: Path) -> None:
    result = run("doctor", "--json")
    assert result.exit_code == 0, result.output
    assert found(result)["home"][0] == "note" and found(result)["sqlite"][0] == "ok"
    assert not (tmp_path / "gapura-data").exists()


def test_a_home_in_use_is_well(run: Any, keeper: int) -> None:
    run("account", "add", "acme", "--budget", "100")
    result = run("doctor", "--json")
    checks = found(result)
    assert result.exit_code == 0 and "in use by a gateway" in checks["home"][1]
    assert {checks[name][0] for name in ("store", "ledger", "journals", "audit")} == {"ok"}


def test_each_fault_is_found(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "gapura-data"
    run("account", "add", "acme")

    def wrong(check: str) -> str:
        result = run("doctor", "--json")
        state, told = found(result)[check]
        assert (result.exit_code, state) == (ending.NO, "wrong"), result.output
        return told

    home.chmod(0o755)
    assert "chmod 700" in wrong("home")
    home.chmod(0o700)
    (home / "secret").chmod(0o644)
    assert "chmod 600" in wrong("secret")
    (home / "secret").chmod(0o600)
    (tmp_path / "gapura.toml").write_text('[routes."m"]\ntargets = ["opnai/m"]\n')
    assert "did you mean openai?" in wrong("policies")
    (tmp_path / "gapura.toml").unlink()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("GAPURA_PORT", str(taken.getsockname()[1]))
        assert "in use" in wrong("port")
    monkeypatch.setenv("GAPURA_PORT", "0")
    with closing(sqlite3.connect(home / "gapura.db")) as db, db:
        db.execute("INSERT INTO incarnation (id, boot, state, begun_at, missing) VALUES ('inc_1', '', 'closed', 0, 3)")
    assert "3 entries are missing" in wrong("journals")
    (home / "gapura.db").write_bytes(b"no database" * 100)
    for log in home.glob("gapura.db-*"):
        log.unlink()
    assert "not a database" in wrong("store")
    monkeypatch.setenv("GAPURA_PROT", "0")
    assert "GAPURA_PORT" in wrong("settings")


@pytest.mark.parametrize(
    ("product", "state", "told"),
    [
        ("", "ok", "asked by product, for 10.0.0.0/24"),
        ("openai/chatgpt", "ok", "openai/chatgpt, for 10.0.0.0/24"),
        ("anthropic/api", "note", "no policy guards anthropic/api; everybody is let in"),
        ("openai/chatpgt", "wrong", "no policy guards openai/chatpgt; every question is refused"),
    ],
)
def test_the_authorizer(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, product: str, state: str, told: str
) -> None:
    assert "authorizer" not in found(run("doctor", "--json"))
    (tmp_path / "gapura.toml").write_text('[[policies]]\npack = "openai/chatgpt"\n')
    monkeypatch.setenv("GAPURA_AUTHORIZER_SECRET", "s" * 32)
    monkeypatch.setenv("GAPURA_AUTHORIZER_PEERS", "10.0.0.0/24")
    monkeypatch.setenv("GAPURA_AUTHORIZER_PRODUCT", product)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("GAPURA_AUTHORIZER_PORT", str(taken.getsockname()[1]))
        checks = found(run("doctor", "--json"))
    assert checks["authorizer"] == (state, told)
    assert checks["authorizer port"][0] == "wrong" and "in use" in checks["authorizer port"][1]


def test_mail_is_read_whole_and_its_key_in_dns_is_told(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found(run("doctor", "--json"))["mail"] == ("note", "there is no table [mail]: no letter is sent")
    key = generate_private_key(65_537, 2_048)
    (tmp_path / "dkim.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    table = '[mail]\nfrom = "Notices <notices@example.com>"\n'
    signed = '[[mail.dkim]]\ndomain = "example.com"\nselector = "g"\nkey_file = "dkim.pem"\n'
    (tmp_path / "gapura.toml").write_text(table + signed)
    checks = found(run("doctor", "--json"))
    assert checks["mail"] == ("ok", "notices@example.com, in en, id, zh-Hans") and checks["relay"][0] == "note"
    assert checks["dkim"][1].startswith("g._domainkey.example.com TXT v=DKIM1; k=rsa; p=MII")
    monkeypatch.setenv("GAPURA_SMTP_URL", "smtps://u:hunter2@smtp.example.com")
    result = run("doctor", "--json")
    assert found(result)["relay"] == ("ok", "smtp.example.com:465, TLS implicit") and "hunter2" not in result.stdout
    (tmp_path / "gapura.toml").write_text(table + '[mail.returns]\nmaildir = "nowhere"\n')
    result = run("doctor", "--json")
    assert result.exit_code == ending.NO and "mail.returns.maildir: " in found(result)["mail"][1]


def test_a_campaign_that_cannot_write_is_found(run: Any, tmp_path: Path) -> None:
    run("account", "add", "acme")
    spec = Campaign(name="june", policy="openai/api", effective_at=2**60)
    by = By("test", "a test", 1)

    def work(db: Connection) -> None:
        kept = campaigns.write(db, spec, by)
        for move in ("preview", "test"):
            campaigns.move(db, kept.id, move, by)
        campaigns.approve(db, kept.id, By("another", "a test", 1))
        campaigns.start(db, kept.id, by)

    with closing(Store.open(tmp_path / "gapura-data" / "gapura.db")) as store:
        store.write(work).result()
    told = [row for row in json.loads(run("doctor", "--json").stdout)["data"] if row["check"] == "campaign"]
    assert [row["state"] for row in told] == ["ok", "wrong", "note"]
    assert "GAPURA_SMTP_URL is not set" in told[1]["found"] and "not in force" in told[2]["found"]
