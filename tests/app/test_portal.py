"""Accounts' pages as `gapura serve` serves them: on a listener of their own where there is a public address, and with
neither links nor keys in what the program writes."""

from pathlib import Path

import pytest
from tests.app.running import KEY, Gateway, environment, free_port, request, run

from gapura.settings import Settings

FORM = {"content-type": "application/x-www-form-urlencoded"}


def test_there_are_none_unless_there_is_an_address(tmp_path: Path, runtime: str) -> None:
    with Gateway(tmp_path, environment(tmp_path, runtime)).start("--sandbox") as gateway:
        assert not any(line.startswith("accounts") for line in gateway.banner)


def test_an_account_comes_by_link_and_by_key(tmp_path: Path, runtime: str) -> None:
    port = free_port()
    site = f"http://127.0.0.1:{port}"
    settings = {"GAPURA_PUBLIC_URL": site, "GAPURA_PORTAL_PORT": str(port), "GAPURA_BOOTSTRAP_KEY": KEY}
    env = environment(tmp_path, runtime, **settings, GAPURA_LOG_LEVEL="debug")
    with Gateway(tmp_path, env).start("--sandbox") as gateway:
        assert f"accounts    {site}, served on 127.0.0.1:{port}\n" in gateway.banner
        assert request(f"{site}/account").headers["location"] == "/"
        entered = request(f"{site}/enter", "POST", f"key={KEY}".encode(), FORM)
        assert entered.status == 303, entered
        cookie = {"cookie": entered.headers["set-cookie"].partition(";")[0]}
        assert b"Nothing is known against your account" in request(f"{site}/account?lang=en", headers=cookie).body
        found = request(f"{site}/account.json", headers={"authorization": f"Bearer {KEY}"})
        assert found.status == 200 and b'"cases":[]' in found.body
        name = found.body.partition(b'"account":"')[2].partition(b'"')[0].decode()
        made = run(tmp_path, env, "appeal", "link", name, "--reason", "asked by phone", "--json")
        assert made.code == 0, made
        link = made.lines[0]["data"]["url"]
        opened = request(link)
        assert (opened.status, opened.headers["location"]) == (303, "/account")
        assert request(f"{site}/account", headers={"host": "evil.example"}).status in {400, 421, 403}
    written = (tmp_path / "serve.err").read_text() + "".join(gateway.banner)
    assert link.rpartition("/")[2] not in written and KEY not in written and "Traceback" not in written


@pytest.mark.parametrize("url", ["notice.example.com", "https://notice.example.com/pages", "ftp://a", "https://a?b=c"])
def test_an_address_that_cannot_be_meant(url: str) -> None:
    with pytest.raises(ValueError, match=r"GAPURA_PUBLIC_URL.*without a path"):
        Settings.load({"GAPURA_PUBLIC_URL": url}, {})
