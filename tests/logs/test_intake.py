"""Every layout, clean and dirty, plain and packed, tells the same story."""

import gzip
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.logs.conftest import Ask

from gapura.clock import SECOND, instant, text
from gapura.errors import BadRequest
from gapura.logs import engine
from gapura.logs.fields import BadField, Fields
from gapura.logs.result import Backtest
from gapura.terms.caller import Account

FIRST = instant("2026-07-08T16:00:00+00:00")
# address, account, seconds after FIRST, tokens: two requests from China, one of them on the next day; one from Germany.
STORY = (("114.114.114.114", "acme", 0, 10), ("114.114.114.114", "acme", 40_000, 20), ("185.220.101.1", "beta", 1, 5))


def clf(seconds: int) -> str:
    hour, rest = divmod(seconds, 3600)
    return f"{9 + hour // 24:02}/Jul/2026:{hour % 24:02}:{rest // 60:02}:{rest % 60:02} +0800"


def iso(seconds: int) -> str:
    return text(FIRST + seconds * SECOND)


def lines(form: Callable[[str, str, int, int], str]) -> bytes:
    return "".join(form(*row) + "\n" for row in STORY).encode()


def jsonl(form: Callable[[str, str, int, int], Any]) -> bytes:
    return lines(lambda *row: json.dumps(form(*row)))


def combined(address: str, account: str, seconds: int, _: int) -> str:
    return f'{address} - {account} [{clf(seconds)}] "POST /v1/chat/completions HTTP/1.1" 200 17 "-" "curl/8 (a [b])"'


LAYOUTS: dict[str, tuple[str, bytes, Fields]] = {
    "nginx combined": ("combined", lines(combined), Fields()),
    "Apache common": ("combined", lines(lambda *row: combined(*row).partition(' "-" ')[0]), Fields()),
    "Apache vhost_combined": ("combined", lines(lambda *row: f"api.example:443 {combined(*row)}"), Fields()),
    "combined with pairs": (
        "combined",
        lines(lambda a, c, s, t: f'{combined("10.0.0.1", "-", s, t)} client={a} account="{c}" tokens={t}'),
        Fields(address="client", account="account", tokens="tokens"),
    ),
    "combined with extras": (
        "combined",
        lines(lambda a, c, s, t: f'{combined("10.0.0.1", "-", s, t)} "{a}" "{c}"'),
        Fields(address="extra1", account="extra2"),
    ),
    "Envoy": (
        "json",
        jsonl(lambda a, c, s, t: {"start_time": iso(s), "downstream_remote_address": f"{a}:4711", "x-account-id": c}),
        Fields(),
    ),
    "Caddy": (
        "json",
        jsonl(
            lambda a, c, s, t: {
                "ts": FIRST / SECOND + s + 0.25,
                "request": {"remote_ip": "10.0.0.1", "client_ip": a, "headers": {"X-Account": [c]}},
            }
        ),
        Fields(account="request.headers.X-Account"),
    ),
    "CloudFront JSON": (
        "json",
        jsonl(lambda a, c, s, t: {"timestamp(ms)": str((FIRST + s * SECOND) // 1000), "c-ip": a, "x-account-id": c}),
        Fields(),
    ),
    "CloudFront": (
        "w3c",
        b"#Version: 1.0\n#Fields: date time c-ip cs(X-Account) sc-status\n"
        + lines(lambda a, c, s, t: "\t".join((iso(s)[:10], iso(s)[11:19], a, c, "200"))),
        Fields(account="cs(X-Account)"),
    ),
    "own record": (
        "json",
        jsonl(
            lambda a, c, s, t: {
                "id": "req_1",
                "account": c,
                "key": "key_" + "0" * 32,
                "address": a,
                "territory": "US",
                "opened_at": FIRST + s * SECOND,
                "input": t - 1,
                "output": 1,
                "attempts": [],
            }
        ),
        Fields(),
    ),
    "CSV": (
        "csv",
        b"Client IP;Customer;When;Tokens\r\n" + lines(lambda a, c, s, t: f'{a};"{c}";{iso(s)};{t}\r'),
        Fields(address="Client IP", account="Customer", time="When"),
    ),
    "CSV in seconds": (
        "csv",
        b"ip,account_id,timestamp\n" + lines(lambda a, c, s, t: f"{a},{c},{FIRST // SECOND + s}"),
        Fields(),
    ),
}


def packed(content: bytes, how: str, path: Path) -> Path:
    """By what it is, not by its name."""
    if how == "zstd":
        plain = path.with_suffix(".plain")
        plain.write_bytes(content)
        layout = "header=false, delim='\x02', quote='', escape='', auto_detect=false"
        source = f"read_csv('{plain}', columns={{'line': 'VARCHAR'}}, {layout})"
        written = "header false, delimiter '\x02', quote '', escape '', compression zstd"
        duckdb.connect().execute(f"COPY (FROM {source}) TO '{path}' (FORMAT csv, {written})").fetchall()
    else:
        path.write_bytes(gzip.compress(content) if how == "gzip" else content)
    return path


def story(found: Backtest) -> None:
    assert found.reading.files[0].broken == ""
    assert (found.reading.lines, found.reading.unreadable) == (3, 0)
    assert (found.seen.requests, found.seen.accounts, found.seen.addresses) == (3, 2, 2)
    assert (found.hit.requests, found.hit.accounts, found.hit.only_here) == (2, 1, 1)
    assert [(row.account, row.days) for row in found.accounts] == [("acme", 2)]
    assert (found.reading.first // SECOND, found.reading.last // SECOND) == (FIRST // SECOND, FIRST // SECOND + 40_000)


@pytest.mark.parametrize("how", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_recognised(layout: str, how: str, ask: Ask, tmp_path: Path) -> None:
    kind, content, wanted = LAYOUTS[layout]
    found = ask(packed(content, how, tmp_path / "log"), wanted=wanted, min_days=2)
    story(found)
    assert found.reading.files[0].kind == kind
    if found.reading.has_tokens:
        assert (found.hit.tokens, found.seen.tokens) == (30, 35)


@pytest.mark.parametrize("stamp", ["TIMESTAMPTZ", "TIMESTAMP", "BIGINT", "VARCHAR"])
def test_parquet(stamp: str, ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "it's [a] log*"
    rows = ", ".join(f"('{a}', '{c}', {FIRST + s * SECOND}::BIGINT, {t})" for a, c, s, t in STORY)
    made = {"BIGINT": "t", "VARCHAR": "make_timestamptz(t)::VARCHAR"}.get(stamp, f"make_timestamptz(t)::{stamp}")
    quoted = str(path).replace("'", "''")
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'").fetchall()
    connection.execute(
        f"COPY (SELECT a AS ip, c AS account, {made} AS time, n AS tokens FROM (VALUES {rows}) v(a, c, t, n))"
        f" TO '{quoted}' (FORMAT parquet)"
    ).fetchall()
    found = ask(path, min_days=2)
    story(found)
    assert found.hit.tokens == 30


def test_standard_input(ask: Ask) -> None:
    for content in (lines(combined), gzip.compress(lines(combined))):
        found = ask("-", stdin=content, min_days=2)
        story(found)
        assert found.reading.files[0].path == "standard input"


def test_patterns_name_each_file_once(ask: Ask, tmp_path: Path) -> None:
    for n, row in enumerate(STORY):
        (tmp_path / f"access.log.{n}").write_text(combined(*row))
    found = ask(tmp_path / "access.log.*", tmp_path / "access.log.0", min_days=2)
    assert len(found.reading.files) == 3
    story(found)


def test_what_cannot_be_read_is_counted_and_shown_without_secrets(ask: Ask, tmp_path: Path) -> None:
    log = tmp_path / "log"
    dirt = [
        b"Jul  9 nginx: worker exited",
        b"\xff\xfe is no UTF-8",
        b"x" * 3_000_000,
        b"",
        b"GET / key=sk-proj-abcdefghijklmnopqrstuvwxyz0123456789",
        b'1.2.4.8 - - [yesterday] "GET / HTTP/1.1" 200 1',
    ]
    log.write_bytes(b"\n".join([*lines(combined).splitlines(), *dirt]))
    found = ask(log, min_days=2)
    assert (found.reading.lines, found.reading.unreadable) == (8, 5)
    assert found.hit.requests == 2
    shown = {one.why: one.line for one in found.reading.samples}
    assert set(shown) == {"no address", "no time", "invalid encoding", "line size over maximum"}
    assert all(len(one.line) <= 121 and one.file == str(log) for one in found.reading.samples)
    assert not any("abcdefgh" in one.line for one in found.reading.samples)


def test_json_that_is_none(ask: Ask, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(LAYOUTS["Envoy"][1] + b'{"broken": \n[1, 2]\n"text"\n{"downstream_remote_address": null}\n')
    found = ask(log)
    assert (found.reading.lines, found.reading.unreadable, found.seen.requests) == (7, 4, 3)


def test_csv_with_ragged_lines(ask: Ask, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(LAYOUTS["CSV in seconds"][1] + b"1.2.4.8,x\n1.2.4.8,x,1,2,3\n")
    found = ask(log)
    assert (found.reading.lines, found.reading.unreadable, found.seen.requests) == (5, 2, 3)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize("how", ["gzip", "zstd", "parquet", "gone", "none of ours", "unreadable"])
def test_a_broken_file_is_named_and_the_rest_goes_on(how: str, ask: Ask, tmp_path: Path) -> None:
    whole, bad = tmp_path / "1.log", tmp_path / "2.log"
    whole.write_bytes(lines(combined))
    if how == "parquet":
        duckdb.connect().execute(
            f"COPY (SELECT '1.2.4.8' AS ip FROM range(10000)) TO '{bad}' (FORMAT parquet)"
        ).fetchall()
        bad.write_bytes(cut(bad.read_bytes()))
    elif how in {"gzip", "zstd"}:
        many = "\n".join(combined(a, f"{c}{n}", s, t) for n in range(5000) for a, c, s, t in STORY).encode()
        bad.write_bytes(cut(packed(many, how, bad).read_bytes()))
    elif how == "none of ours":
        bad.write_bytes(b"Dear diary,\n\ntoday it rained.\n")
    elif how == "gone":
        bad.symlink_to("nowhere")
    else:
        bad.write_bytes(b"\x00\x01\x02" * 1000)
    found = ask(bad, whole, min_days=2) if how != "gone" else ask(tmp_path / "*.log", min_days=2)
    broken = {file.path: file.broken for file in found.reading.files}
    assert broken.pop(str(whole)) == ""
    assert all(broken.values()) and (how == "gone" or list(broken) == [str(bad)])
    assert (found.reading.lines, found.hit.requests, found.hit.only_here) == (3, 2, 1)


def test_nothing_that_can_be_read(ask: Ask, tmp_path: Path) -> None:
    bad = tmp_path / "log"
    bad.write_bytes(cut(gzip.compress(lines(combined) * 5000)))
    with pytest.raises(BadRequest, match=r"none of the files could be read; .*/log: .*GZIP"):
        ask(bad)
    with pytest.raises(BadRequest, match="there is no such file"):
        ask(tmp_path / "*.gz")
    with pytest.raises(BadRequest, match="is a folder"):
        ask(tmp_path)


def test_an_empty_file_is_no_mistake(ask: Ask, tmp_path: Path) -> None:
    for name, content in (("a", b""), ("b", lines(combined))):
        (tmp_path / name).write_bytes(content)
    story(ask(tmp_path / "a", tmp_path / "b", min_days=2))


def test_a_field_that_is_not_there(ask: Ask, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(LAYOUTS["CSV in seconds"][1])
    with pytest.raises(BadField, match=r"no field acount_id \(did you mean account_id\?\).*account_id, ip, timestamp"):
        ask(log, wanted=Fields(account="acount_id"))
    log.write_bytes(b"who,when\nacme,1\n")
    with pytest.raises(BadField, match=r"--address-field.*when, who"):
        ask(log)


def test_a_window_needs_times(ask: Ask, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(LAYOUTS["CSV in seconds"][1])
    found = ask(log, since=FIRST + SECOND, until=FIRST + 40_000 * SECOND)
    assert (found.seen.requests, found.reading.outside, found.hit.requests) == (1, 2, 0)
    log.write_bytes(b"ip,account\n1.2.4.8,acme\n")
    assert ask(log).days == ()
    for question in ({"since": 1}, {"until": 1}, {"min_days": 2}):
        with pytest.raises(BadRequest, match="--time-field"):
            ask(log, **question)


def test_keys_are_shortened_and_stand_for_accounts(ask: Ask, tmp_path: Path) -> None:
    secret, public = "sk-proj-abcdefghijklmnopqrstuvwxyz", "key_" + "a" * 32
    log, out = tmp_path / "log", tmp_path / "out.parquet"
    log.write_text(f"ip,api_key\n1.2.4.8,Bearer {secret}\n1.2.4.8,{secret}\n1.2.4.8,{public}\n1.2.4.8,short\n")
    found = ask(log, parquet=out)
    shown = f"sk-proj…{hashlib.sha256(secret.encode()).hexdigest()[:8]}"
    assert {(row.account, row.key, row.hit_requests) for row in found.accounts} == {
        (shown, shown, 2), (public, public, 1), ("short", "short", 1),
    }  # fmt: skip
    assert secret.encode() not in out.read_bytes()


def test_an_asserted_territory_stands_in_for_an_address(ask: Ask, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        '{"account": "a", "address": "", "territory": "cn"}\n{"account": "b", "address": "", "territory": "EU?"}\n'
    )
    found = ask(log)
    assert {row.territory: row.hit.requests for row in found.territories} == {"CN": 1, "uncertain": 0}
    assert found.seen.addresses == 0


def test_hops_are_walked_from_the_right(ask: Ask, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('x_forwarded_for,account\n"8.8.8.8, 114.114.114.114, 192.0.2.7",acme\n')
    assert ask(log).hit.requests == 1  # 192.0.2.7 is nobody's address, and no proxy that anybody trusts
    found = ask(log, trusted=("192.0.2.0/24",))
    assert [row.territory for row in found.territories] == ["CN"]


def test_accounts_of_the_directory_are_judged_as_they_are(ask: Ask, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(lines(combined))
    blocked = {"rules": [{"id": "owners", "effect": "block", "ownership": ["CN"]}]}
    directory = {"beta": Account("acc_1", "beta", "", ownership="CN")}
    assert ask(log, following=blocked).hit.accounts == 1
    assert ask(log, following=blocked, directory=directory).hit.accounts == 2


def test_private_addresses_are_at_the_site(ask: Ask, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("ip,account\n10.0.0.1,a\n")
    assert [row.territory for row in ask(log).territories] == ["absent"]
    assert [row.territory for row in ask(log, site_territory="SG").territories] == ["SG"]


def test_the_file_for_a_campaign(ask: Ask, tmp_path: Path) -> None:
    log, out = tmp_path / "log", tmp_path / "it's.parquet"
    log.write_bytes(LAYOUTS["own record"][1])
    found = ask(log, parquet=out, top=1)
    rows = duckdb.connect().execute(
        "SELECT account, key, standing, days, requests, hit_requests, hit_tokens, effect, territories, prefixes,"
        " epoch_us(first), epoch_us(last) FROM read_parquet(?)", [str(out)],
    ).fetchall()  # fmt: skip
    key = "key_" + "0" * 32
    last = FIRST + 40_000 * SECOND
    assert rows == [("acme", key, "only-here", 2, 2, 2, 30, "block", {"CN": 2}, ["114.114.114.0/24"], FIRST, last)]
    assert found.accounts[0].prefixes == ("114.114.114.0/24",)


def test_memory_is_bounded_and_the_rest_goes_to_disk(tmp_path: Path) -> None:
    with engine.opened(128, within=tmp_path) as opened:
        told = opened.row("SELECT current_setting('memory_limit'), current_setting('temp_directory')")
        assert told == ("122.0 MiB", str(opened.folder / "spilled"))
        opened.run("CREATE TABLE t AS SELECT i, hash(i)::VARCHAR || hash(i + 1) AS h FROM range(2000000) r(i)")
        assert opened.row("SELECT count(*) FROM (SELECT h, count(*), min(i) FROM t GROUP BY h)") == (2_000_000,)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_fetched_from_a_network(tmp_path: Path) -> None:
    with engine.opened(within=tmp_path) as opened, pytest.raises(duckdb.Error):
        opened.run("SELECT * FROM read_csv('https://localhost:1/x.csv')")


@pytest.mark.parametrize("package", ["duckdb", "numpy"])
def test_without_the_extra_it_says_what_to_install(package: str, tmp_path: Path) -> None:
    program = (
        f"import sys; sys.modules['{package}'] = None; from gapura.cli import main;"
        " sys.argv = ['gapura', 'policy', 'backtest', 'x', '--policy', 'p.toml']; main()"
    )
    (tmp_path / "p.toml").write_text('[[policies]]\npack = "openai/api"\n')
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    how = "pip install 'gapura[backtest]', or in a checkout: make extras"
    assert ran.stderr == f"gapura: {package} is not installed; it comes with: {how}\n"
