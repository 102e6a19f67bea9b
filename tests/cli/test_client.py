"""The three ways to a keeper, and what is said where there is none."""

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from gapura import runtime
from gapura.cli import ending


def data(result: Any) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["data"]


def token(run: Any, tmp_path: Path, role: str = "owner") -> Path:
    made = data(run("principal", "create", "--role", role, "--name", role, "--json"))
    path = tmp_path / "token"
    path.write_text(made["token"] + "\n")
    return path


def test_all_three_ways_lead_to_the_same(run: Any, keeper: int, tmp_path: Path) -> None:
    made = data(run("account", "add", "acme", "--json"))
    by_url = run(
        "account", "list", "--json", "--url", f"http://127.0.0.1:{keeper}", "--token-file", token(run, tmp_path)
    )
    assert data(by_url) == [made] == data(run("account", "list", "--json"))


def test_without_a_keeper_the_store_is_opened_under_its_lock(run: Any, tmp_path: Path) -> None:
    made = data(run("account", "add", "acme", "--json"))
    assert data(run("account", "list", "--json")) == [made]
    assert not runtime.is_held(tmp_path / "gapura-data")
    assert data(run("account", "list", "--json", "--home", tmp_path / "other")) == []


def test_two_commands_wait_for_one_another(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gapura", "account", "add", "--json"]
    running = [subprocess.Popen([*command, f"c{n}"], cwd=tmp_path, stdout=subprocess.PIPE) for n in range(3)]
    ids = {json.loads(one.communicate()[0])["data"]["id"] for one in running}
    assert len(ids) == 3 and all(one.returncode == 0 for one in running)


def test_a_holder_that_does_not_answer_is_named(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gapura.cli.client.PATIENCE_S", 0.0)
    with runtime.hold(tmp_path / "gapura-data"):
        result = run("account", "list")
    assert result.exit_code == ending.FAILED and "in use by process" in result.stderr


def test_holders_that_follow_one_another_are_waited_for_each(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gapura.cli.client.PATIENCE_S", 0.0)
    hold, holders = runtime.hold, iter(("process 1", "process 2"))

    def taken(home: Path) -> runtime.Held:
        for holder in holders:
            raise runtime.HomeTaken(holder)
        return hold(home)

    monkeypatch.setattr(runtime, "hold", taken)
    assert run("account", "list").exit_code == 0


@pytest.mark.parametrize(
    "said",
    [b"HTTP/1.1 200 OK\r\n\r\n", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno", b""],
)
def test_what_is_no_keeper_is_told(run: Any, said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPURA_ADMIN_TOKEN", "t" * 32)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with listener.accept()[0] as peer:
                peer.recv(65536)
                peer.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        result = run("account", "list", "--url", f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
    assert result.exit_code == ending.UNREACHABLE and result.stderr.count("\n") == 1


def test_nobody_there(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPURA_ADMIN_TOKEN", "t" * 32)
    with socket.socket() as unbound:
        unbound.bind(("127.0.0.1", 0))
        result = run("account", "list", "--json", "--url", f"http://127.0.0.1:{unbound.getsockname()[1]}")
    assert result.exit_code == ending.UNREACHABLE and json.loads(result.stderr)["error"]["code"] == "unreachable"


def test_tokens(run: Any, keeper: int, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{keeper}"
    missing = run("account", "list", "--url", url)
    assert missing.exit_code == ending.AUTHENTICATION and "--token-file" in missing.stderr
    (tmp_path / "wrong").write_text("gt-nobody")
    assert run("account", "list", "--url", url, "--token-file", tmp_path / "wrong").exit_code == ending.AUTHENTICATION
    auditor = run("account", "add", "x", "--url", url, "--token-file", token(run, tmp_path, "auditor"))
    assert auditor.exit_code == ending.AUTHENTICATION and "auditor may not account.write" in auditor.stderr


def test_a_token_is_not_sent_in_the_clear_unnoticed(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("account", "list", "--url", "ftp://keeper").exit_code == ending.USAGE
    assert run("account", "list", "--url", "http://[").exit_code == ending.USAGE


def test_names_are_looked_up_in_their_organisation(run: Any) -> None:
    made = data(run("account", "add", "acme", "--organisation", "org-a", "--json"))
    missing = run("account", "show", "acme")
    assert missing.exit_code == ending.FAILED and "--organisation" in missing.stderr
    for name in (["acme", "--organisation", "org-a"], [made["id"]]):
        assert data(run("account", "show", *name, "--json"))["id"] == made["id"]
