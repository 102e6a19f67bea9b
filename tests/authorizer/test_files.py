"""The documented files name the headers that there are, and let none of a client's pass for ours."""

import re

import pytest
from tests.authorizer.fronts import DOCUMENTED

from gapura.gate.authorizer import STATED

GIVEN = {"effect", "territory", "certainty", "policy", "notice", "decision"}
ASKED = {name.decode().removeprefix("gapura-") for name in STATED}
FILES = ("nginx.conf", "envoy.yaml", "Caddyfile", "traefik.yml")


def named(text: str) -> set[str]:
    return {name.lower() for name in re.findall(r"\b[Gg]apura-([A-Za-z-]+)\b", text)}


@pytest.mark.parametrize("file", FILES)
def test_headers_are_ours(file: str) -> None:
    text = (DOCUMENTED / file).read_text("utf-8")
    roles = {"ask", "authorizer", "forget"}  # of Traefik's middlewares, and nginx's location
    assert named(text) - GIVEN - ASKED - roles == set()


def test_every_file_hands_on_what_was_decided() -> None:
    texts = {file: (DOCUMENTED / file).read_text("utf-8") for file in FILES}
    assert named("\n".join(re.findall(r"proxy_set_header (Gapura-\w+) +\$gapura_", texts["nginx.conf"]))) == GIVEN
    assert named("".join(re.findall(r"copy_headers (.*)", texts["Caddyfile"]))) == GIVEN
    assert named("".join(re.findall(r"authResponseHeaders:\s*\[(.*)\]", texts["traefik.yml"]))) == GIVEN
    assert "prefix: gapura-" in texts["envoy.yaml"]


def test_traefik_replaces_every_header_of_ours() -> None:
    asking = (DOCUMENTED / "traefik.yml").read_text("utf-8").partition("gapura-ask:\n")[2].partition("forwardAuth:")[0]
    assert named("\n".join(re.findall(r"^ +(Gapura-[\w-]+): ", asking, re.MULTILINE))) == GIVEN | ASKED
