"""`gapura programme`, from the offer to the grants, as an operator types it."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Run
from tests.programme.conftest import OFFER, export

from gapura.clock import system_clock, text


@pytest.fixture
def opened(run: Run, tmp_path: Path) -> Path:
    """A programme that is open now, and a folder of claims."""
    day = 86_400 * 1_000_000
    starts, ends = text(system_clock() - day), text(system_clock() + day)
    offer = OFFER.replace("2024-06-25T00:00:00+08:00", starts).replace("2024-08-01T00:00:00+08:00", ends)
    offer = offer.replace("2024-12-31T00:00:00+08:00", text(system_clock() + 90 * day))
    offer = offer.replace("measured_days = 60", "measured_days = 3650")
    (tmp_path / "offer.toml").write_text(offer)
    assert "nothing was kept" in run("programme", "offer", "offer.toml").stderr
    assert run("programme", "offer", "offer.toml", "--confirm", "offer.toml").exit_code == 0
    assert run("programme", "open", "moving", "--confirm", "moving").exit_code == 2, "it says why"
    assert run("programme", "open", "moving", "--confirm", "moving", "--reason", "today").exit_code == 0
    folder = tmp_path / "claims"
    folder.mkdir()
    (folder / "claims.csv").write_text("external_id,company,evidence\na,Acme,a.json\nb,ACME,b.json\nc,Cee,c.json\n")
    for name, tokens in (("a", 1000), ("b", 2000), ("c", 3000)):
        (folder / f"{name}.json").write_bytes(export(tokens))
        run("account", "add", name)
    return folder


def data(run: Run, *args: Any) -> Any:
    done = run(*args, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)["data"]


def test_from_the_table_to_the_grants(run: Run, opened: Path) -> None:
    assert "nothing was filed" in run("programme", "import", "moving", opened).stderr
    assert data(run, "programme", "import", "moving", opened, "--confirm", "claims")["filed"] == 3
    assert data(run, "programme", "vet", "moving", "--dry-run")["moved"] == {"clear": 2, "refused": 1}
    assert "now refused" in run("programme", "vet", "moving").stdout
    (refused,) = data(run, "programme", "claims", "moving", "--state", "refused")
    shown = run("programme", "claim", refused["id"]).stdout
    assert "organisation  refuse" in shown
    assert "former models" in shown
    would = run("programme", "approve", "moving")
    assert "--confirm 2:8000" in would.stderr
    wrong = run("programme", "approve", "moving", "--confirm", "2:8001", "--reason", "x")
    assert wrong.exit_code == 2
    done = data(run, "programme", "approve", "moving", "--confirm", "2:8000", "--reason", "vetted")
    assert (done["granted"], done["left"]) == (2, 10_000_000 - 8000)
    (granted, *_) = data(run, "programme", "claims", "moving", "--state", "granted")
    assert (
        "revoked" in run("programme", "revoke", granted["id"], "--confirm", granted["id"], "--reason", "fraud").stdout
    )
    assert "granted" in run("programme", "show", "moving").stdout
    assert "10000000" in run("programme", "list").stdout


def test_a_person_decides(run: Run, opened: Path) -> None:
    run("programme", "import", "moving", opened, "--confirm", "claims")
    (one, *_) = data(run, "programme", "claims", "moving")
    said = ("programme", "decide", "moving", "refused", one["id"], "--reason", "no")
    assert "nothing was changed" in run(*said).stderr
    assert run(*said, "--confirm", "moving").exit_code == 0
    assert data(run, "programme", "claim", one["id"])["claim"]["by_hand"]


def test_codes_go_to_a_file_of_ones_own(run: Run, opened: Path, tmp_path: Path) -> None:
    done = run("programme", "codes", "draw", "moving", "--batch", "press", "--size", "3")
    assert done.exit_code == 0
    (kept,) = tmp_path.glob("cdb_*.csv")
    assert kept.stat().st_mode & 0o777 == 0o600
    lines = kept.read_text().splitlines()
    assert lines[0] == "code,account"
    assert len(lines) == 4
    assert lines[1].startswith("GP-")
    assert "GP-" not in done.stdout
    batch = kept.stem
    assert "press" in run("programme", "codes", "list", "moving").stdout
    assert "nothing was changed" in run("programme", "codes", "revoke", batch).stderr
    assert run("programme", "codes", "revoke", batch, "--confirm", batch, "--reason", "leaked").exit_code == 0
    invited = data(run, "programme", "codes", "draw", "moving", "--batch", "b", "--for", "a", "--for", "b")
    assert len(invited["codes"]) == 2


def test_a_folder_without_a_table(run: Run, opened: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert run("programme", "import", "moving", tmp_path / "empty").exit_code == 1
