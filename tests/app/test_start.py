"""What goes wrong at a start, and the stated answer: one clear line, an exit code, nothing left running."""

import os
import pty
import re
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.app.running import HELLO, KEY, TOKEN, Ended, Gateway, environment, request, run, serving, until

CANARY = "sk-canary-0Pq7Lt3mVx9Rb2Yw5Hc8Nd1Lf4Js6Pg0Ua3Te7"


def fails(folder: Path, runtime: str, code: int, *words: str, **settings: str) -> Ended:
    """`gapura serve` does not start: one line on standard error, with all of these words."""
    ended = run(folder, environment(folder, runtime, **settings), "serve")
    assert ended.code == code, ended
    assert ended.err.startswith("gapura: ") and ended.err.count("\n") == 1, ended.err
    assert all(word in ended.err for word in words), ended.err
    assert "Traceback" not in ended.err and "serves" not in ended.out
    return ended


def start(folder: Path, runtime: str, **settings: str) -> Gateway:
    return Gateway(folder, environment(folder, runtime, **settings)).start()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"GAPURA_PROT": "9000"}, ("GAPURA_PROT", "did you mean GAPURA_PORT?")),
        ({"GAPURA_PORT": "many"}, ("GAPURA_PORT", "'many'")),
        ({"GAPURA_TRUSTED_PROXIES": "10.0.0.1/8"}, ("GAPURA_TRUSTED_PROXIES", "10.0.0.1/8")),
        ({"GAPURA_SITE_TERRITORY": "Singapore"}, ("GAPURA_SITE_TERRITORY", "two-letter")),
        ({"GAPURA_CONFIG": "elsewhere.toml"}, ("GAPURA_CONFIG", "elsewhere.toml")),
        ({"OPENAI_API_KEY_FILE": "none.txt"}, ("OPENAI_API_KEY", "none.txt")),
        ({"OPENAI_BASE_URL": "api.example.com"}, ("OPENAI_BASE_URL", "http(s)://host")),
        ({"GAPURA_BOOTSTRAP_KEY": "too-short"}, ("GAPURA_BOOTSTRAP_KEY", "32 random characters")),
        ({"GAPURA_SECRET": "too-short"}, ("GAPURA_SECRET", "32 random characters")),
    ],
)
def test_a_setting_that_cannot_be_meant(
    tmp_path: Path, runtime: str, settings: dict[str, str], words: tuple[str, ...]
) -> None:
    ended = fails(tmp_path, runtime, 2, *words, **settings)
    assert "too-short" not in ended.err
    assert list(tmp_path.iterdir()) == []  # it was found before anything was made


@pytest.mark.parametrize("name", ["GAPURA_BOOTSTRAP_KEY", "GAPURA_ADMIN_TOKEN", "GAPURA_SECRET"])
@pytest.mark.parametrize("weak", ["a" * 64, "ab" * 40, "password" * 8])
def test_a_secret_that_is_long_but_not_random(tmp_path: Path, runtime: str, name: str, weak: str) -> None:
    ended = fails(tmp_path, runtime, 1, name, "32 random characters", **{name: weak})
    assert weak not in ended.err + ended.out


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [
        ("prot = 9000", 2, ("prot", "did you mean port?")),
        ("[routes.x", 2, ("gapura.toml", "Expected ']'")),
        ('[routes.x]\ntargets = ["opnai/gpt-4o"]', 1, ("routes.x.targets[0]", "did you mean openai?")),
        ('[routes.x]\ntargets = ["openai/gpt-4o"]\nfirst_tokn_s = 1', 1, ("routes.x", "first_tokn_s", "first_token_s")),
        ("[routes.x]\ntargets = []", 1, ("routes.x.targets",)),
        ('[[policies]]\npack = "openai/apis"', 1, ("policies[0].pack", "did you mean openai/api?")),
        (
            '[[policies]]\npack = "openai/api"\nphases = [{ effect = "block", from = 2024-07-09 }]',
            1,
            ("policies[0].phases[0].from", "bare date"),
        ),
        (
            '[[policies]]\npack = "openai/api"\nrules = [{ id = "a", effect = "block", territories = ["Hong Konk"] }]',
            1,
            ("policies[0].rules[0].territories[0]", "Hong Kong"),
        ),
        ('[providers.qwen]\nprocessing_territory = "Nowhere"', 1, ("providers.qwen.processing_territory",)),
    ],
)
def test_a_document_that_cannot_be_meant(
    tmp_path: Path, runtime: str, document: str, code: int, words: tuple[str, ...]
) -> None:
    (tmp_path / "gapura.toml").write_text(document)
    fails(tmp_path, runtime, code, *words)


@pytest.mark.parametrize("name", ["GAPURA_PORT", "GAPURA_ADMIN_PORT"])
def test_a_port_in_use(tmp_path: Path, runtime: str, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        fails(tmp_path, runtime, 1, f"127.0.0.1:{port}", "in use", name, **{name: str(port)})


def test_a_second_serve_on_the_same_state(tmp_path: Path, runtime: str) -> None:
    with start(tmp_path, runtime) as first:
        fails(tmp_path, runtime, 1, str(first.home), f"process {first.process.pid}", "GAPURA_HOME")
        assert request(first.url.removesuffix("/v1") + "/readyz").status == 200
        with start(tmp_path, runtime, GAPURA_HOME="another") as second:
            assert second.stop() == 0
        assert first.stop() == 0 and first.gone()


@pytest.mark.parametrize("damage", ["whole", "head", "page"])
def test_a_damaged_database(tmp_path: Path, runtime: str, damage: str) -> None:
    with start(tmp_path, runtime) as gateway:
        assert gateway.stop() == 0
    path = gateway.home / "gapura.db"
    found = bytearray(path.read_bytes())
    spots = {"whole": slice(None), "head": slice(0, 64), "page": slice(4096, 8192)}[damage]
    found[spots] = os.urandom(len(found[spots]))
    path.write_bytes(found)
    fails(tmp_path, runtime, 1, str(path), "backup")
    assert path.read_bytes() == found  # what may still be saved is not touched


def test_a_state_folder_that_is_a_file(tmp_path: Path, runtime: str) -> None:
    (tmp_path / "gapura-data").write_text("mine")
    fails(tmp_path, runtime, 1, "gapura-data")
    assert (tmp_path / "gapura-data").read_text() == "mine"


def test_a_provider_of_ones_own_makes_a_home_real_too(tmp_path: Path, runtime: str) -> None:
    (tmp_path / "gapura.toml").write_text('[providers.lab]\nkind = "vllm"\nbase_url = "http://127.0.0.1:9/v1"\n')
    with start(tmp_path, runtime, GAPURA_SITE_TERRITORY="SG", LAB_API_KEY=CANARY) as gateway:
        assert "SANDBOX" not in gateway.out
        assert gateway.stop() == 0
    fails(tmp_path, runtime, 1, "real providers", "LAB_API_KEY")


def test_a_home_of_real_providers_never_turns_into_a_sandbox(tmp_path: Path, runtime: str) -> None:
    real = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    with start(tmp_path, runtime, GAPURA_SITE_TERRITORY="SG", GAPURA_BOOTSTRAP_KEY=KEY, **real) as gateway:
        assert "SANDBOX" not in gateway.out
        answer = gateway.chat()
        assert (answer.status, answer.code) == (502, "upstream_unreachable") and "gapura-sandbox" not in answer.headers
        assert gateway.stop() == 0
    fails(tmp_path, runtime, 1, "real providers", "OPENAI_API_KEY")
    ended = run(tmp_path, environment(tmp_path, runtime, **real), "serve", "--sandbox")
    assert ended.code == 1 and "GAPURA_HOME" in ended.err and ended.err.count("\n") == 1
    with start(
        tmp_path, runtime, DASHSCOPE_API_KEY=CANARY
    ) as other:  # one of several is gone: told, and no reason to stop
        other.until("note        openai was set up before and has no key now")


def test_no_secret_is_told(tmp_path: Path, runtime: str) -> None:
    """Neither the vendors' keys, nor those of callers, nor what they ask and are answered."""
    ours = {"GAPURA_BOOTSTRAP_KEY": KEY, "GAPURA_ADMIN_TOKEN": TOKEN, "GAPURA_SECRET": CANARY[::-1]}
    real = {"ZHIPUAI_API_KEY": f"{CANARY}.zhipu", "OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    with start(tmp_path, runtime, GAPURA_LOG_LEVEL="debug", GAPURA_SITE_TERRITORY="SG", **ours, **real) as gateway:
        answers = [
            gateway.chat(),
            gateway.chat(key=CANARY),
            gateway.post(b'{"model":"openai/x","messages":"' + CANARY.encode()),
        ]
        assert [answer.status for answer in answers] == [502, 401, 400]
        shown = [gateway.cli("account", "list"), gateway.cli("key", "list"), gateway.cli("policy", "show")]
        doctor = run(tmp_path, gateway.env, "doctor")
        metrics = request(gateway.url.removesuffix("/v1") + "/metrics").body.decode()
        assert gateway.stop() == 0
    told = f"{gateway.out}{gateway.err}{answers}{shown}{doctor}{metrics}"
    kept = b"".join(path.read_bytes() for path in gateway.home.rglob("*") if path.is_file())
    for secret in (CANARY, KEY, TOKEN, CANARY[::-1]):
        assert secret not in told
        assert secret.encode() not in kept
    assert b"Selamat" not in kept and "Selamat" not in gateway.err


def test_first_secrets_go_to_a_file_that_only_we_can_read(tmp_path: Path, runtime: str) -> None:
    with start(tmp_path, runtime) as gateway:
        assert gateway.told("secrets").startswith(str(gateway.home / "bootstrap.txt"))
        assert not re.search("sk-gp-|gt-", gateway.out + gateway.err)
        path = gateway.home / "bootstrap.txt"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(gateway.home.stat().st_mode) == 0o700
        secrets = dict(re.findall(r"^(sign-in|API key) +(\S+)$", path.read_text(), re.M))
        assert gateway.chat("qwen/qwen-plus", key=secrets["API key"]).status == 200
        admin = gateway.told("admin").removesuffix("/api/v1") + "/api/v1/accounts"
        assert request(admin, headers={"authorization": f"Bearer {secrets['sign-in']}"}).status == 200
        assert request(admin).status == 401
        assert gateway.stop() == 0
    path.unlink()
    with start(tmp_path, runtime) as again:
        assert again.chat("qwen/qwen-plus", key=secrets["API key"]).status == 200
        assert again.stop() == 0
    assert not path.exists() and not re.search("sk-gp-|gt-|^secrets", again.out, re.MULTILINE)


def test_first_secrets_are_shown_on_a_terminal(tmp_path: Path, runtime: str) -> None:
    ours, theirs = pty.openpty()
    try:
        with Gateway(tmp_path, environment(tmp_path, runtime)).start(terminal=theirs) as gateway:
            os.close(theirs)
            shown = ""
            while "rules" not in shown:
                shown += os.read(ours, 4096).decode()
            assert re.search(r"sign-in +gt-\w+ +\(shown once\)", shown)
            key = re.search(r"API key +(sk-gp-\w+) +\(shown once\)", shown)
            url = re.search(r"serves +(http://\S+)", shown)
            assert key and url
            models = request(f"{url[1]}/models", headers={"authorization": f"Bearer {key[1]}"})
            assert models.status == 200 and not (gateway.home / "bootstrap.txt").exists()
            assert gateway.stop() == 0 and gateway.gone()
    finally:
        os.close(ours)


@pytest.mark.parametrize(("number", "group"), [(signal.SIGTERM, False), (signal.SIGINT, True)])
def test_a_begun_stream_ends_whole_when_the_gateway_is_stopped(folder: Path, number: int, group: bool) -> None:
    """As a service manager stops it, and as Ctrl-C does, which goes to all of its processes."""
    with serving(folder / f"drain-{number}", GAPURA_SITE_TERRITORY="SG", GAPURA_WORKERS="2") as gateway:
        with gateway.client() as client:
            stream = client.chat.completions.create(model="openai/sandbox-stream-40-40", messages=HELLO, stream=True)
            chunks = iter(stream)
            said: list[Any] = [next(chunks), next(chunks)]
            (os.killpg if group else os.kill)(gateway.process.pid, number)
            said += list(chunks)
        assert said[-1].choices[0].finish_reason == "stop"
        assert sum(bool(chunk.choices[0].delta.content) for chunk in said) == 40
        assert gateway.ended() == 0 and gateway.gone()
        with pytest.raises(ConnectionRefusedError):
            gateway.chat()
    rows = run(gateway.folder, gateway.env, "record", "export").lines  # with no keeper it reads the state itself
    assert [(row["outcome"], row["output"]) for row in rows] == [("complete", 40)]


@pytest.mark.parametrize(
    ("kept", "behind", "last"),
    [
        (0, b"", "complete"),
        (0, b"\x07", "complete"),
        (0, os.urandom(3000) + b"\x07", "complete"),
        (0, b"\x20\x00\x00\x00" + os.urandom(7) + b"\x07", "complete"),
        (0, b"\x08\x00\x00\x00" + os.urandom(21) + b"\x07", "complete"),
        (-3, b"", "failed"),  # as a power cut leaves it: nobody can know any more how the last one ended
    ],
    ids=["whole", "a byte", "garbage", "a head", "a wrong sum", "cut short"],
)
def test_a_journal_with_a_torn_end(tmp_path: Path, kept: int, behind: bytes, last: str) -> None:
    with serving(tmp_path, GAPURA_SITE_TERRITORY="SG") as gateway:
        ids = [gateway.chat().headers["gapura-request-id"] for _ in range(5)]
        gateway.kill()
        (journal,) = (gateway.home / "journal").rglob("*.gj")
        written = journal.read_bytes().rstrip(b"\0")
        journal.write_bytes(written[: len(written) + kept] + behind)
        gateway.start()
        until(lambda: " torn=" in gateway.err)
        torn = re.findall(r" torn=(\d+)", gateway.err)
        assert torn == [str(len(behind))] if not kept else int(torn[0]) > 0
        rows = outcomes(gateway)
        assert [rows[one] for one in ids] == ["complete"] * 4 + [last]
        assert gateway.chat().status == 200


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 4 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_read_only_state_folder(tmp_path: Path, runtime: str, small_disk: Path) -> None:
    home = str(small_disk / "home")
    with start(tmp_path, runtime, GAPURA_HOME=home, GAPURA_JOURNAL_SEGMENT_BYTES="65536") as gateway:
        assert gateway.stop() == 0
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    fails(tmp_path, runtime, 1, home, "Read-only", GAPURA_HOME=home)


def test_a_full_disk_refuses_new_requests_and_lets_begun_ones_end(tmp_path: Path, small_disk: Path) -> None:
    settings = {"GAPURA_HOME": str(small_disk / "home"), "GAPURA_JOURNAL_SEGMENT_BYTES": "65536"}
    with serving(tmp_path, GAPURA_SITE_TERRITORY="SG", **settings) as gateway, gateway.client() as client:
        ready = gateway.url.removesuffix("/v1") + "/readyz"
        stream = client.chat.completions.create(model="openai/sandbox-stream-60-50", messages=HELLO, stream=True)
        chunks = iter(stream)
        said: list[Any] = [next(chunks)]
        filler = fill(small_disk)
        ids = []
        while (answer := gateway.chat()).status == 200:
            ids.append(answer.headers["gapura-request-id"])
        assert (answer.status, answer.error["type"]) == (503, "server_error") and "full" in answer.error["message"]
        assert float(answer.headers["retry-after"]) > 0
        assert request(ready).status == 503
        assert request(ready.replace("readyz", "livez")).status == 200
        said += list(chunks)
        assert said[-1].choices[0].finish_reason == "stop"
        assert sum(bool(chunk.choices[0].delta.content) for chunk in said) == 60
        filler.unlink()
        until(lambda: request(ready).status == 200)
        until(lambda: gateway.chat().status == 200)
        ids.append(stream.response.headers["gapura-request-id"])
        until(lambda: {**dict.fromkeys(ids, "complete"), **outcomes(gateway)} == outcomes(gateway))
        assert "Traceback" not in gateway.err


def test_a_disk_that_is_full_at_the_start(tmp_path: Path, runtime: str, small_disk: Path) -> None:
    """It is told what is missing; that the journal's first file does not fit is found by a gate."""
    home = {"GAPURA_HOME": str(small_disk / "home")}
    ended = run(tmp_path, environment(tmp_path, runtime, **home), "serve")
    assert ended.code == 1 and "serves" not in ended.out
    assert "no room for a journal of 16777216 bytes" in ended.err and "Traceback" not in ended.err
    fill(small_disk)
    fails(tmp_path, runtime, 1, home["GAPURA_HOME"], "full", **home, GAPURA_JOURNAL_SEGMENT_BYTES="65536")


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler


def outcomes(gateway: Gateway) -> dict[str, str]:
    return {row["id"]: row["outcome"] for row in run(gateway.folder, gateway.env, "record", "export").lines}
