"""`gapura webhook`: a rehearsal until confirmed, and a secret that is not printed into a pipe."""

import json
from pathlib import Path

from tests.cli.conftest import Run


def test_from_adding_to_removing(run: Run, tmp_path: Path) -> None:
    made = json.loads(run("webhook", "add", "https://example.com/", "--topic", "grant.*", "--json").stdout)["data"]
    webhook, secret = made["webhook"]["id"], made["secret"]
    assert secret.startswith("whsec_")
    assert "grant.*" in run("webhook", "list").stdout
    assert run("webhook", "test", webhook).exit_code == 0
    assert "webhook.test" in run("webhook", "deliveries", webhook).stdout
    assert "rotated       no" in run("webhook", "rotate", webhook).stdout
    done = run("webhook", "rotate", webhook, "--confirm", webhook, "--reason", "it leaked")
    assert "whsec_" not in done.stdout
    rotated = (tmp_path / f"{webhook}-1.secret").read_text().strip()
    assert rotated.startswith("whsec_") and rotated != secret
    since = ("--since", "2026-01-01T00:00:00Z")
    assert "sent again" in run("webhook", "replay", webhook, *since).stdout
    assert run("webhook", "remove", webhook, "--confirm", webhook).exit_code == 2, "it says why"
    assert "nothing was changed" in run("webhook", "remove", webhook).stderr
    done = run("webhook", "remove", webhook, "--confirm", webhook, "--reason", "moved")
    assert "removed  yes" in done.stdout
    assert run("webhook", "list").stdout.strip() == "none"


def test_the_secret_goes_to_a_file(run: Run, tmp_path: Path) -> None:
    done = run("webhook", "add", "https://example.com/")
    assert "whsec_" not in done.stdout
    (kept,) = tmp_path.glob("whk_*.secret")
    assert kept.read_text().startswith("whsec_")


def test_a_url_that_cannot_be_meant(run: Run) -> None:
    done = run("webhook", "add", "example.com", "--json")
    assert (done.exit_code, json.loads(done.stderr)["error"]["field"]) == (1, "url")
