"""docs/how-to/warn-before-you-block.md: its commands are typed as written, against a gateway and a mail server."""

import asyncio
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.app.running import serving
from tests.post.relaying import Mailbox, running
from tests.test_readme import ROOT, blocks, masked

PAGE = "docs/how-to/warn-before-you-block.md"
MAIL = '[mail]\nfrom = "Example Notices <notices@example.com>"\n'
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:00:00Z")


@contextmanager
def mail_server(mailbox: Mailbox) -> Iterator[int]:
    """Its port; on a loop of its own, since the commands are waited for here."""
    loop, begun, port = asyncio.new_event_loop(), threading.Event(), 0
    stop = asyncio.Event()

    async def serve() -> None:
        nonlocal port
        async with running(mailbox) as port:
            begun.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    begun.wait()
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@pytest.mark.timeout(300)
def test_the_path_from_a_list_to_a_campaign(tmp_path: Path) -> None:
    mailbox = Mailbox()
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    with (
        mail_server(mailbox) as port,
        serving(tmp_path, MAIL, GAPURA_SMTP_URL=f"smtp://127.0.0.1:{port}?tls=none") as gateway,
    ):
        path = f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}"
        environ = {**gateway.env, "PATH": path, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
        script, expected = ["set -e"], []
        for code, shown in blocks(PAGE, ""):
            script += [
                code.replace("http://127.0.0.1:8081", gateway.told("admin").removesuffix("/api/v1")),
                "echo ----",
            ]
            expected.append(shown)
        ran = subprocess.run(
            ["bash", "-c", "\n".join(script)], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        for said, shown in zip(ran.stdout.split("----\n"), expected, strict=False):
            assert _masked(said) == _masked(shown), said
        drawn = subprocess.run(
            ["gapura", "campaign", "report", "list-of-2026", "--html", "report.html", "--accounts"],
            cwd=tmp_path, env=environ, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert "may have arrived twice\nnone" in drawn and "affected" in drawn
    assert "Campaign list-of-2026" in (tmp_path / "report.html").read_text("utf-8")
    (letter,) = mailbox.messages()
    assert letter["To"] == "you@example.com" and letter["Content-Language"] == "en"
    assert "OpenAI API" in str(letter["Subject"])
    previews = sorted((tmp_path / "letters").iterdir())
    assert {one.stem.partition("-")[2] for one in previews} == {"zh-Hans", "id", "en"}
    assert all("<html" in one.read_text("utf-8") for one in previews)


def _masked(text: str) -> list[str]:
    return [line for line in masked(DATE.sub("DATE", text)) if line]
