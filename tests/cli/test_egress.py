"""`gapura doctor egress`: what is stated, what a page of the operator's choice says, and what becomes of answers that
are none."""

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.atlas.place_data import files, folder

from gapura.cli import ending, probe

PLACES = {"8.8.8.0/24": "US", "9.9.9.0/24": "HK", "11.0.0.0/8": "EU", "2a00::/32": "SG"}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n"


class Page:
    """Answers one connection after the other with these bytes, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer, self.asked = HEAD + b"8.8.8.8\n", b""
        self.patient = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/ip?form=text"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                self.asked = connection.recv(1000)
                if not self.asked:
                    return
                connection.sendall(self.answer)
                if not self.answer.endswith(b"\n"):
                    self.patient.wait(60)

    def close(self) -> None:
        self.patient.set()
        with socket.create_connection(self._listener.getsockname()) as last:
            last.shutdown(socket.SHUT_WR)
            self._thread.join()
        self._listener.close()


@pytest.fixture
def page() -> Iterator[Page]:
    made = Page()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def home(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path / "gapura-data" / "atlas", files(PLACES))
    (tmp_path / "gapura-data").chmod(0o700)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-2")


def told(result: Any, code: int) -> list[tuple[str, ...]]:
    assert result.exit_code == code, result.output
    items = json.loads(result.stdout)["data"]["items"]
    return [(one["provider"], one["egress"], one["territory"], one["may"], one["known_by"]) for one in items]


def test_what_is_stated_is_judged(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPURA_EGRESS_ADDRESSES", "8.8.8.8, 2a00::1")
    assert told(run("doctor", "egress", "--json"), ending.OK) == [
        ("openai", "8.8.8.8", "US", "yes", "stated"), ("openai", "2a00::1", "SG", "yes", "stated"),
        ("qwen", "8.8.8.8", "US", "yes", "stated"), ("qwen", "2a00::1", "SG", "yes", "stated"),
    ]  # fmt: skip
    monkeypatch.setenv("GAPURA_EGRESS_TERRITORY", "HK")
    assert ("openai", "HK", "HK", "no", "stated") in told(run("doctor", "egress", "--json"), ending.NO)


@pytest.mark.parametrize(
    ("address", "territory", "may"), [("9.9.9.9", "HK", "no"), ("11.0.0.1", "", "unknown"), ("12.0.0.1", "", "unknown")]
)
def test_what_may_not_be_or_is_not_certain_is_an_answer_of_no(run: Any, address: str, territory: str, may: str) -> None:
    guarded, free = told(run("doctor", "egress", address, "--json"), ending.NO)
    assert guarded == ("openai", address, territory, may, "given")
    assert free == ("qwen", address, territory, "yes", "given")


def test_nothing_known_is_no_answer_of_yes(run: Any) -> None:
    result = run("doctor", "egress")
    assert result.exit_code == ending.NO and "set GAPURA_EGRESS_ADDRESSES" in result.stderr


def test_a_page_of_the_operators_choice_tells(run: Any, page: Page) -> None:
    assert told(run("doctor", "egress", "--probe", page.url, "--json"), ending.OK)[0] == (
        "openai", "8.8.8.8", "US", "yes", "probe",
    )  # fmt: skip
    assert page.asked.startswith(b"GET /ip?form=text HTTP/1.0\r\nHost: 127.0.0.1:")
    page.answer = HEAD + b"9.9.9.9\n"
    assert told(run("doctor", "egress", "--probe", page.url, "--json"), ending.NO)[0][3] == "no"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (HEAD + b"10.0.0.1\n", "'10.0.0.1', which is no public address"),
        (HEAD + b"<html>\n", "'<html>', which is no"),
        (HEAD + b"8.8.8.8 9.9.9.9\n", "no public address"),
        (HEAD + b"\xff\xfe\n", "no public address"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\n\r\n", "answers with 302"),
        (b"HTTP/1.1 500 Oops\r\n\r\n8.8.8.8\n", "answers with 500"),
        (b"hello\n", "answers with no HTTP"),
        (HEAD + b"8.8.8.8" + b" " * 10_000 + b"\n", "not with 200 and an address"),
    ],
)
def test_an_answer_that_is_no_address_is_refused(run: Any, page: Page, answer: bytes, words: str) -> None:
    page.answer = answer
    result = run("doctor", "egress", "--probe", page.url)
    assert result.exit_code == ending.FAILED and words in result.stderr


def test_who_never_ends_is_not_waited_for(run: Any, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PATIENCE_S", 0.2)
    page.answer = HEAD + b"8.8.8.8"  # and then silence, on an open connection
    result = run("doctor", "egress", "--probe", page.url)
    assert result.exit_code == ending.UNREACHABLE and "does not answer (IPv4: " in result.stderr


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("http://ip.example/", ending.USAGE, "use https"),
        ("ftp://127.0.0.1/", ending.USAGE, "expected https://host"),
        ("https://user:x@ip.example/", ending.USAGE, "expected https://host"),
        ("https:///ip", ending.USAGE, "expected https://host"),
        ("https://ip.example/a b", ending.USAGE, "expected https://host"),
        ("https://ip.example:99999/", ending.USAGE, "expected https://host"),
        ("https://127.0.0.1:1/", ending.UNREACHABLE, "does not answer (IPv4: "),
    ],
)
def test_what_cannot_be_asked_is_said(run: Any, url: str, code: int, words: str) -> None:
    result = run("doctor", "egress", "--probe", url)
    assert result.exit_code == code and words in result.stderr


def test_a_stated_address_that_cannot_be_meant_names_its_setting(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPURA_EGRESS_ADDRESSES", "8.8.8.8:443")
    result = run("doctor", "egress")
    assert result.exit_code == ending.USAGE and "GAPURA_EGRESS_ADDRESSES" in result.stderr
