"""GAPURA_SMTP_URL and [mail.relay]: read with their mistakes named, and without a word of the password."""

from pathlib import Path
from typing import Any

import pytest

from gapura.post.relay import Limits, Relay, read
from gapura.settings import BadSetting, Secret, Settings

HERE = Path()


def found(url: str, **table: Any) -> Relay:
    one = read({"mail": {"relay": table}}, Secret(url), HERE)
    assert one is not None
    return one


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "user", "password"),
    [
        ("smtps://u:p@smtp.example.com", "smtp.example.com", 465, "implicit", "u", "p"),
        ("smtp://u%40example.com:p%2Fq@smtp.example.com", "smtp.example.com", 587, "starttls", "u@example.com", "p/q"),
        ("smtp://smtp.example.com:2525", "smtp.example.com", 2525, "starttls", "", ""),
        ("smtp://localhost?tls=none", "localhost", 25, "none", "", ""),
        ("smtp://u:p@[::1]:1025?tls=none", "::1", 1025, "none", "u", "p"),
    ],
)
def test_a_url_says_where_and_how(url: str, host: str, port: int, tls: str, user: str, password: str) -> None:
    assert Settings.load({"GAPURA_SMTP_URL": url}, {}).smtp_url == url
    one = found(url)
    assert (one.host, one.port, one.tls, one.user, one.password) == (host, port, tls, user, password)
    assert (one.context is None) == (tls == "none")
    assert "p/q" not in repr(one)


@pytest.mark.parametrize(
    "url",
    [
        "smtp.example.com",
        "http://u:hunter2@smtp.example.com",
        "smtp://u:hunter2@",
        "smtp://u:hun/ter2@smtp.example.com",
        "smtp://u:hunter2@smtp.example.com:99999",
        "smtp://u:hunter2@smtp.example.com?tls=maybe",
        "smtps://u:hunter2@smtp.example.com?tls=none",
        "smtp://u:hunter2@smtp.example.com?tls=none",
    ],
)
def test_a_url_that_cannot_be_meant_is_told_without_its_password(url: str) -> None:
    with pytest.raises(BadSetting, match=r"^GAPURA_SMTP_URL: ") as error:
        Settings.load({"GAPURA_SMTP_URL": url}, {})
    assert "hun" not in str(error.value)


def test_a_url_can_be_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("smtps://u:p@smtp.example.com\n")
    assert Settings.load({"GAPURA_SMTP_URL_FILE": "url"}, {}, tmp_path).smtp_url == "smtps://u:p@smtp.example.com"


def test_without_a_url_there_is_no_relay() -> None:
    assert read({}, Secret(""), HERE) is None


def test_a_domain_has_its_own_limits() -> None:
    one = found(
        "smtp://localhost?tls=none", domains={"qq.com": {"messages_per_s": 0.5}}, each_domain={"connections": 9}
    )
    assert one.limits("qq.com") == Limits(0.5, 2)
    assert one.limits("example.com") == Limits(5.0, 9)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"conections": 4}, r"^mail.relay.conections: there is no such field \(did you mean connections\?\)"),
        ({"connections": 0}, r"^mail.relay.connections: Expected `int` >= 1"),
        ({"messages_per_s": -1}, r"^mail.relay.messages_per_s: Expected `float` >= 0"),
        ({"domains": {"qq.com": {"rate": 1}}}, r"^mail.relay.domains.*rate"),
        ({"ca_file": "none.pem"}, r"^mail.relay.ca_file: none.pem cannot be read"),
    ],
)
def test_a_mistake_is_told_by_its_field(table: dict[str, Any], told: str) -> None:
    with pytest.raises(BadSetting, match=told):
        found("smtps://smtp.example.com", **table)
