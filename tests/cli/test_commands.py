"""The contract of every command: lazy, JSON in an envelope, exit codes, one line of error."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from gapura.cli import COMMANDS, ending, gapura

HEAVY = (
    "starlette",
    "uvicorn",
    "apsw",
    "uvloop",
    "httptools",
    "asyncio",
    "gapura.store",
    "gapura.console",
    "gapura.app",
)
OTHERS = {"serve", "sandbox"}


def commands() -> dict[str, click.Command]:
    """`account list` → the command, for all that are described here."""
    found: dict[str, click.Command] = {}
    for name in COMMANDS.keys() - OTHERS:
        command = gapura.get_command(click.Context(gapura), name)
        assert command is not None
        found |= dict(_all(name, command))
    return found


def _all(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for verb, one in command.commands.items():
            yield from _all(f"{name} {verb}", one)
    else:
        yield name, command


LOADED = f"""
import sys
from gapura.cli import gapura
try:
    gapura.main(sys.argv[1:])
except SystemExit as end:
    assert not end.code
print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""


@pytest.mark.parametrize("command", ["--help", "--version", "account --help", "policy explain --help"])
def test_help_loads_nothing_heavy(command: str) -> None:
    run = [sys.executable, "-c", LOADED, *command.split()]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout and done.stderr == "[]\n"


def test_a_command_that_a_keeper_answers_loads_nothing_heavy(keeper: int, tmp_path: Path) -> None:
    run = [sys.executable, "-c", LOADED, "usage", "--json"]
    done = subprocess.run(run, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert json.loads(done.stdout)["schema"] == "gapura.usage/1" and done.stderr == "[]\n"


def test_the_short_helps_agree() -> None:
    for name, (_, line) in COMMANDS.items():
        if name not in OTHERS:
            command = gapura.get_command(click.Context(gapura), name)
            assert command is not None and command.short_help == line


def test_every_command_has_json_and_help() -> None:
    for name, command in commands().items():
        options = {option for parameter in command.params for option in parameter.opts}
        assert "--json" in options, name
        assert command.help and all(one.help for one in command.params if isinstance(one, click.Option)), name


VERBS = ("approve", "close", "codes revoke", "decide", "import", "offer", "open", "revoke")
PROGRAMMES = {f"programme {verb}" for verb in VERBS}


def test_everything_that_asks_for_confirmation(run: Any) -> None:
    asking = {
        name for name, one in commands().items() if any("--confirm" in parameter.opts for parameter in one.params)
    }
    assert asking == {
        "appeal decide",
        "exception add",
        "exception end",
        "webhook remove",
        "webhook replay",
        "webhook rotate",
        "account import",
        "account suspend",
        "atlas correct",
        "atlas update",
        "campaign approve",
        "campaign finish",
        "campaign recall",
        "campaign resume",
        "campaign start",
        "key revoke",
        "ledger archive",
        "ledger close",
        "policy activate",
        "principal revoke",
        *PROGRAMMES,
        "restore",
    }


@pytest.mark.parametrize(
    ("command", "schema"),
    [
        ("account list", "gapura.account.list/1"),
        ("account add acme", "gapura.account.add/1"),
        ("key list", "gapura.key.list/1"),
        ("principal list", "gapura.principal.list/1"),
        ("policy show", "gapura.policy.show/1"),
        ("policy explain SG", "gapura.policy.explain/1"),
        ("route show", "gapura.route.show/1"),
        ("atlas show", "gapura.atlas.show/1"),
        ("atlas lookup 192.0.2.1", "gapura.atlas.lookup/1"),
        ("atlas corrections", "gapura.atlas.corrections/1"),
        ("usage", "gapura.usage/1"),
        ("audit list", "gapura.audit.list/1"),
        ("audit verify", "gapura.audit.verify/1"),
        ("doctor", "gapura.doctor/1"),
    ],
)
def test_json_comes_in_one_envelope(run: Any, command: str, schema: str) -> None:
    result = run(*command.split(), "--json")
    said = json.loads(result.stdout)
    assert set(said) == {"schema", "data", "warnings"} and said["schema"] == schema and result.stderr == ""


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("nothing", ending.USAGE, "No such command"),
        ("account", ending.USAGE, "Usage"),
        ("account show", ending.USAGE, "see gapura account show --help"),
        ("account show acc_none", ending.FAILED, "no account acc_none"),
        ("account import none.csv --confirm none.csv", ending.USAGE, "does not exist"),
        ("key create --account acme --expires 2027-01-01", ending.USAGE, "offset"),
        ("policy explain Atlantis", ending.FAILED, "Atlantis"),
        ("route try nothing SG", ending.FAILED, "nothing"),
        ("record export --limit 0", ending.USAGE, "--limit"),
        ("key create --account acme --expires tomorrow", ending.USAGE, "'tomorrow' is no instant; write e.g. 2024-"),
        ("budget set --amount 5", ending.USAGE, "say whose budget it is"),
        ("price show glm-5.3", ending.USAGE, "write PROVIDER/MODEL"),
        ("", ending.USAGE, "\nCommands:\n  account"),
        ("account", ending.USAGE, "\nCommands:\n  add"),
    ],
)
def test_exit_codes_of_real_processes(tmp_path: Path, command: str, code: int, words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gapura", *command.split()], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (code, "") and words in done.stderr, done
    if code == ending.FAILED:
        assert done.stderr.startswith("gapura: ") and done.stderr.count("\n") == 1


def test_errors_as_json(run: Any) -> None:
    for command, code in (("account show acc_none --json", "not_found"), ("account show --json", "usage")):
        result = run(*command.split())
        error = json.loads(result.stderr)["error"]
        assert error["code"] == code and error["message"] and result.stdout == ""


def test_a_misspelt_setting_is_a_usage_error(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPURA_PROT", "1")
    result = run("account", "list")
    assert result.exit_code == ending.USAGE and "GAPURA_PORT" in result.stderr


def test_commands_stand_in_the_order_of_the_alphabet() -> None:
    assert list(COMMANDS) == sorted(COMMANDS)


def test_no_key_is_made_where_its_secret_could_not_be_kept(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run("account", "add", "acme")
    before = run("key", "list", "--json").stdout
    monkeypatch.setattr("gapura.cli.output.os.access", lambda *_: False)
    refused = run("key", "create", "--account", "acme")
    assert refused.exit_code == ending.FAILED and "the secret cannot be written into" in refused.stderr
    assert run("key", "list", "--json").stdout == before


def test_an_interrupt_is_130(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gapura.cli.client.connected", interrupted)
    assert run("account", "list").exit_code == ending.INTERRUPTED


def test_a_reader_that_leaves_is_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m gapura policy show --json | true; exit ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


def test_a_bug_keeps_its_traceback(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gapura.cli.client.connected", lambda *_: 1 / 0)
    assert isinstance(run("account", "list").exception, ZeroDivisionError)


def test_prices(run: Any) -> None:
    Path("gapura.toml").write_text('[prices."glm/glm-9"]\ncurrency = "CNY"\ninput = 8\noutput = 28.5\n')
    listed = run("price", "list", "--provider", "glm")
    assert listed.exit_code == 0 and "28.5" in listed.stdout and "as of" in listed.stdout
    shown = run("price", "show", "glm/glm-9")
    assert shown.exit_code == 0 and "gapura.toml" in shown.stdout
    unknown = run("price", "show", "glm/glm-10")
    assert unknown.exit_code == ending.FAILED and "nobody has told" in unknown.stderr
