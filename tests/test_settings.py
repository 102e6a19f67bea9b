"""Settings: what is read, from where, and what stops the start."""

import re
from pathlib import Path
from typing import Any

import pytest

from gapura.settings import DECLARED, BadSetting, Secret, Settings, base_url, describe

LONG = "0123456789abcdef" * 2
MANUAL = Path(__file__).parents[1] / "docs" / "reference" / "settings.md"


def test_the_manual_is_the_declaration() -> None:
    assert MANUAL.read_text("utf-8") == describe()


def test_defaults(tmp_path: Path) -> None:
    settings = Settings.load({}, cwd=tmp_path)
    assert (settings.host, settings.port, settings.admin_host, settings.admin_port) == (
        "127.0.0.1", 8080, "127.0.0.1", 8081,
    )  # fmt: skip
    assert settings.home == tmp_path / "gapura-data"
    assert settings.database_path == tmp_path / "gapura-data" / "gapura.db"
    assert settings.max_body_bytes == 32 * 1024 * 1024 and settings.keep_alive_s == 75
    assert {settings.origin(name) for name in DECLARED} == {"default"}


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "gapura.toml").write_text('port = 1\nworkers = 1\nhost = "::1"\nlog_level = "debug"\n')
    settings = Settings.load(
        {"GAPURA_PORT": "2", "GAPURA_WORKERS": "2"}, cwd=tmp_path, flags={"workers": 3, "host": None}
    )
    assert (settings.host, settings.port, settings.workers) == ("::1", 2, 3)
    names = ("host", "port", "workers", "admin_port")
    assert [settings.origin(name) for name in names] == ["file", "environment", "command line", "default"]


def test_the_documents_are_handed_on_as_they_stand(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(
        'port = 9\n[routes.m]\ntargets = ["qwen/x"]\n[[policies]]\npack = "openai/api"\n'
    )
    settings = Settings.load({"GAPURA_CONFIG": "other.toml"}, cwd=tmp_path)
    assert settings.port == 9
    assert settings.documents == {"routes": {"m": {"targets": ["qwen/x"]}}, "policies": [{"pack": "openai/api"}]}


def test_lists_come_as_text_or_as_lists() -> None:
    expected = ("10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32")
    text = "10.0.0.0/8, 2001:db8::/32 192.0.2.1"
    assert Settings.load({"GAPURA_TRUSTED_PROXIES": text}, {}).trusted_proxies == expected
    assert Settings.load({}, {"trusted_proxies": text}).trusted_proxies == expected
    assert Settings.load({}, {"trusted_proxies": list(expected)}).trusted_proxies == expected


@pytest.mark.parametrize(
    ("environ", "toml", "message"),
    [
        ({"GAPURA_PROT": "9"}, {}, "GAPURA_PROT is not a setting (did you mean GAPURA_PORT?)"),
        ({"GAPURA_PORT_FILE": "x"}, {}, "GAPURA_PORT_FILE is not a setting"),
        ({}, {"prot": 9}, "prot is not a setting in gapura.toml (did you mean port?)"),
        ({}, {"route": {}}, "route is not a setting in gapura.toml (did you mean routes?)"),
        ({}, {"config": "x"}, "config is not a setting in gapura.toml"),
        ({"GAPURA_PORT": "high"}, {}, "GAPURA_PORT: Expected `int` (given: 'high')"),
        ({"GAPURA_PORT": "70000"}, {}, "GAPURA_PORT: Expected `int` <= 65535 (given: '70000')"),
        ({}, {"port": "9000"}, "port in gapura.toml: Expected `int` (given: '9000')"),
        ({}, {"port": True}, "port in gapura.toml: Expected `int` (given: True)"),
        ({}, {"home": 3}, "home in gapura.toml: Expected `str` (given: 3)"),
        ({"GAPURA_BODY_S": "nan"}, {}, "GAPURA_BODY_S: Expected `float` > 0.0"),
        ({"GAPURA_TRUSTED_PROXIES": "10.0.0.1/8"}, {}, "GAPURA_TRUSTED_PROXIES: 10.0.0.1/8 has host bits set"),
        ({"GAPURA_TRUSTED_PROXIES": "proxy"}, {}, "GAPURA_TRUSTED_PROXIES: 'proxy' does not appear to be an IPv4"),
        ({"GAPURA_SITE_TERRITORY": "china"}, {}, "GAPURA_SITE_TERRITORY: a territory is a two-letter code"),
        (
            {"GAPURA_NOTICE_PAGE": "example.com"},
            {},
            "GAPURA_NOTICE_PAGE: expected a URL, as https://example.com/notice",
        ),
        ({"GAPURA_NOTICE_PAGE": 'https://a/"><b>'}, {}, "GAPURA_NOTICE_PAGE: expected a URL"),
        ({"GAPURA_DATABASE": "postgres://db"}, {}, "GAPURA_DATABASE: this version keeps its state in SQLite"),
        ({"GAPURA_BOOTSTRAP_KEY": "short"}, {}, "GAPURA_BOOTSTRAP_KEY: a secret has at least 32 random characters"),
        ({"GAPURA_ADMIN_TOKEN": "x" * 31}, {}, "GAPURA_ADMIN_TOKEN: a secret has at least 32 random characters"),
        ({"GAPURA_LOG_FORMAT": "xml"}, {}, "GAPURA_LOG_FORMAT: Invalid enum value 'xml'"),
        ({"OPENAI_API_KEY": "sk-a\nb"}, {}, "OPENAI_API_KEY: holds characters that cannot stand in a header"),
        ({"OPENAI_BASE_URL": "api.openai.com"}, {}, "OPENAI_BASE_URL: expected http(s)://host"),
        ({"GAPURA_CRASH_AT": "after-opne"}, {}, "GAPURA_CRASH_AT: expected one of while-leasing, before-open,"),
        ({"GAPURA_CRASH_AT": "after-open:0"}, {}, "GAPURA_CRASH_AT: expected one of while-leasing, before-open,"),
        ({"GAPURA_CONFIG": "gone.toml"}, None, "GAPURA_CONFIG: there is no file"),
    ],
)
def test_what_cannot_be_meant_stops_the_start(
    tmp_path: Path, environ: dict[str, str], toml: dict[str, Any] | None, message: str
) -> None:
    with pytest.raises(BadSetting) as caught:
        Settings.load(environ, toml, tmp_path)
    assert str(caught.value).startswith(message)


def test_the_variable_for_tests_is_no_setting_and_stops_no_start() -> None:
    assert Settings.load({"GAPURA_CRASH_AT": "after-open:7"}, {}).sources == {}


def test_a_broken_file_is_named_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "gapura.toml").write_text("port = \n")
    with pytest.raises(BadSetting, match=r"gapura\.toml: Invalid value \(at line 1"):
        Settings.load({}, cwd=tmp_path)


def test_secrets_are_read_from_files_and_stripped(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"  {LONG}\n")
    (tmp_path / "key").write_text("sk-openai\n")
    settings = Settings.load(
        {"GAPURA_SECRET_FILE": "secret", "OPENAI_API_KEY_FILE": str(tmp_path / "key")}, {}, tmp_path
    )
    assert settings.secret == LONG and settings.provider_keys == {"openai": "sk-openai"}
    assert Settings.load({}, {"secret_file": "secret"}, tmp_path).secret == LONG


@pytest.mark.parametrize(
    "environ",
    [
        {"GAPURA_SECRET": LONG, "GAPURA_SECRET_FILE": "secret"},
        {"GAPURA_SECRET_FILE": "gone"},
        {"GAPURA_SECRET_FILE": "empty"},
        {"ZHIPUAI_API_KEY": "x", "ZHIPUAI_API_KEY_FILE": "secret"},
        {"ZHIPUAI_API_KEY_FILE": "empty"},
    ],
)
def test_a_secret_that_is_ambiguous_or_not_there_is_refused(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "secret").write_text(LONG)
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(BadSetting, match=next(iter(environ)).removesuffix("_FILE")):
        Settings.load(environ, {}, tmp_path)


def test_secrets_are_never_shown() -> None:
    settings = Settings.load({"GAPURA_SECRET": LONG, "QIANFAN_API_KEY": "bce-v3/key"}, {})
    assert LONG not in repr(settings) and "bce-v3" not in repr(settings)
    assert repr(Secret(LONG)) == "Secret(***)" and str(Secret(LONG)) == LONG
    with pytest.raises(BadSetting) as caught:
        Settings.load({"GAPURA_SECRET": "hunter2"}, {})
    assert "hunter2" not in str(caught.value)


def test_providers_by_their_own_variables() -> None:
    settings = Settings.load(
        {"DASHSCOPE_API_KEY": "a", "QIANFAN_API_KEY": "", "ZHIPUAI_BASE_URL": "http://127.0.0.1:9/api/paas/v4/"}, {}
    )
    assert settings.provider_keys == {"qwen": "a"}
    assert settings.base_urls == {"glm": "http://127.0.0.1:9/api/paas/v4"}


def test_an_empty_variable_is_not_set() -> None:
    assert Settings.load({"GAPURA_PORT": " ", "GAPURA_SITE_TERRITORY": ""}, {"site_territory": ""}).port == 8080


def test_territories_are_upper_cased() -> None:
    assert Settings.load({"GAPURA_SITE_TERRITORY": "sg"}, {"egress_territory": "hk"}).egress_territory == "HK"


def test_paths_start_where_the_program_was_started(tmp_path: Path) -> None:
    settings = Settings.load({"GAPURA_HOME": "state"}, {"database": "sqlite:///elsewhere/g.db"}, tmp_path)
    assert settings.home == tmp_path / "state"
    assert settings.database_path == tmp_path / "elsewhere" / "g.db"
    absolute = Settings.load({"GAPURA_DATABASE": "sqlite:////srv/g.db"}, {}, tmp_path)
    assert absolute.database_path == Path("/srv/g.db")


def test_the_keeper_answers_to_loopback_names_and_its_own() -> None:
    settings = Settings.load({"GAPURA_ADMIN_HOST": "192.0.2.7", "GAPURA_ALLOWED_HOSTS": "gate.example"}, {})
    assert settings.admin_hosts == {"localhost", "127.0.0.1", "[::1]", "192.0.2.7", "gate.example"}


@pytest.mark.parametrize(
    "url", ["http://a:b@host", "https://", "https://h:99999", "https://h/?q=1", "http://[x", "//h"]
)
def test_a_base_url_names_a_host_and_nothing_secret(url: str) -> None:
    with pytest.raises(BadSetting, match=r"^X: expected"):
        base_url(url, "X")


def keys_of(tables: dict[str, Any], environ: dict[str, str], folder: Path) -> dict[str, str]:
    return dict(Settings.load(environ, {"providers": tables}, folder).provider_keys)


def test_a_provider_of_ones_own_has_its_key_from_its_variable_or_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-a-file\n")
    environ = {"LLAMA_CPP_API_KEY": "a", "TEAM_API_KEY_FILE": "secret", "OTHER_API_KEY": "c", "UNUSED_API_KEY": "d"}
    tables: dict[str, Any] = {
        "llama.cpp": {},
        "two": {"key_variable": "TEAM_API_KEY"},
        "three": {"key_file": "secret"},
        "four": {},
    }
    tables |= {"five": {"keyless": True}, "openai": {"key_variable": "OTHER_API_KEY"}}
    assert keys_of(tables, environ, tmp_path) == {
        "openai": "c",
        "llama.cpp": "a",
        "two": "from-a-file",
        "three": "from-a-file",
        "five": "",
    }


@pytest.mark.parametrize(
    ("table", "environ", "told"),
    [
        ({"key": "sk-1"}, {}, "providers.mine.key: a key does not belong into a file of rules"),
        ({"api_key": "sk-1"}, {}, "providers.mine.api_key: a key does not belong"),
        ({"key_variable": "GAPURA_SECRET"}, {}, "providers.mine.key_variable: expected the name of a variable"),
        ({"key_variable": "GAPURA_X_API_KEY"}, {}, "providers.mine.key_variable"),
        ({"key_variable": "HOME"}, {}, "providers.mine.key_variable"),
        ({"key_variable": 3}, {}, "providers.mine.key_variable"),
        ({"key_file": "nowhere"}, {}, "MINE_API_KEY: its file cannot be read"),
        ({"key_file": "nowhere"}, {"MINE_API_KEY": "x"}, "MINE_API_KEY: both the secret and a file"),
        ({"keyless": True}, {"MINE_API_KEY": "x"}, "providers.mine.keyless: there is a key for it"),
        ({}, {"MINE_API_KEY": "a b"}, "MINE_API_KEY: holds characters that cannot stand in a header"),
    ],
)
def test_a_bad_way_to_a_key_is_named(table: dict[str, Any], environ: dict[str, str], told: str, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=re.escape(told)) as caught:
        keys_of({"mine": table}, environ, tmp_path)
    assert "sk-1" not in str(caught.value)
