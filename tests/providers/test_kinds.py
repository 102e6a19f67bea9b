"""How a provider of the operator's speaks, and what other distributions may offer: these are built and installed."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gapura.providers import PROVIDERS, base, catalogue, kinds
from gapura.providers.compatible import servers
from gapura.providers.kinds import BadKind, provider
from gapura.wire import openai

HELLO = b'{"model":"m","messages":[{"role":"user","content":"Halo"}],"temperature":1.5,"seed":3}'

ACME = """
from msgspec.structs import replace
from gapura.providers.glm import GLM

ACME = replace(GLM, name="acme", facts="glm", path="/v9/chat")
"""

PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

# As much of a build backend (PEP 517) as a module and its entry point need.
BACKEND = """
from pathlib import Path
from zipfile import ZipFile

INFO = "gapura_acme-1.0.dist-info"

def build_wheel(folder, settings=None, metadata=None):
    with ZipFile(Path(folder) / "gapura_acme-1.0-py3-none-any.whl", "w") as wheel:
        wheel.write("gapura_acme.py")
        wheel.writestr(f"{INFO}/METADATA", "Metadata-Version: 2.1\\nName: gapura-acme\\nVersion: 1.0\\n")
        wheel.writestr(f"{INFO}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{INFO}/entry_points.txt", "[gapura.providers]\\nacme = gapura_acme:ACME\\n")
        wheel.writestr(f"{INFO}/RECORD", "")
    return "gapura_acme-1.0-py3-none-any.whl"
"""


def distribution(folder: Path, name: str, module: str, **points: str) -> None:
    """A distribution as an installer leaves it: a module, and its metadata beside it."""
    folder.joinpath(f"{name}.py").write_text(module)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = "".join(f"{kind} = {value}\n" for kind, value in points.items())
    info.joinpath("entry_points.txt").write_text(f"[gapura.providers]\n{lines}")


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed distributions."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_another_distribution_brings_a_provider(beside: Path) -> None:
    distribution(beside, "gapura_acme", ACME, acme="gapura_acme:ACME")
    assert "acme" in kinds.known()
    found = provider("acme")
    assert (found.name, found.path) == ("acme", "/v9/chat")
    done = found.translate(HELLO, openai.read(HELLO), "acme-1", None)
    assert b'"temperature":1.0' in done.body and done.losses[0].field == "temperature"


def test_one_that_was_installed(tmp_path: Path) -> None:
    """From its sources, into a folder of its own; read by a process that has this folder."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    for name, text in {"pyproject.toml": PROJECT, "backend.py": BACKEND, "gapura_acme.py": ACME}.items():
        source.joinpath(name).write_text(text)
    pip = ["uv", "pip"] if shutil.which("uv") else [sys.executable, "-m", "pip"]
    where = ["--target", str(target), str(source)]
    install = [*pip, "install", "--quiet", "--no-deps", "--no-build-isolation", *where]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = "from gapura.providers.kinds import provider; print(provider('acme').path)"
    run = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(target)!r}); {told}"]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "/v9/chat\n"


@pytest.mark.parametrize(
    ("module", "value", "told"),
    [
        ("raise RuntimeError('no licence')", "m_bad:ACME", "m_bad cannot be loaded: RuntimeError: no licence"),
        ("", "m_bad:ACME", "cannot be loaded: AttributeError"),
        ("", "nowhere:ACME", "cannot be loaded: ModuleNotFoundError"),
        ("ACME = 3", "m_bad:ACME", "m_bad:ACME of the distribution m_bad is no provider: it lacks name, path"),
        ("class ACME:\n    name = path = 'x'", "m_bad:ACME", "is a class; offer an instance"),
    ],
)
def test_a_bad_one_names_its_distribution(
    beside: Path, monkeypatch: pytest.MonkeyPatch, module: str, value: str, told: str
) -> None:
    monkeypatch.delitem(sys.modules, "m_bad", raising=False)
    distribution(beside, "m_bad", module, bad=value)
    with pytest.raises(BadKind, match=told) as caught:
        provider("mine", "bad")
    assert caught.value.field == "kind"


def test_two_that_offer_the_same_are_both_named(beside: Path) -> None:
    distribution(beside, "one", ACME, acme="one:ACME")
    distribution(beside, "two", ACME, acme="two:ACME")
    with pytest.raises(BadKind, match=r"the distribution (one|two) and the distribution (one|two) both offer 'acme'"):
        provider("acme")


def test_a_name_of_ours_is_never_taken(beside: Path) -> None:
    distribution(beside, "thief", ACME, openai="thief:ACME", deepseek="thief:ACME")
    assert provider("openai").path == "/chat/completions" == provider("deepseek").path


def test_what_is_not_set_up_is_not_loaded(beside: Path) -> None:
    distribution(beside, "m_never", "raise SystemExit('loaded')", never="m_never:ACME")
    assert provider("qwen").name == "qwen" and "m_never" not in sys.modules


def test_the_members_asked_for_are_those_of_the_protocol() -> None:
    members = {name for kind in (base.Provider, base.Operation) for name in vars(kind) if not name.startswith("_")}
    assert set(kinds.ASKED) == members


@pytest.mark.parametrize("kind", [*PROVIDERS, *servers()])
def test_each_kind_of_ours_speaks_under_a_name_of_the_operators(kind: str) -> None:
    named = provider("mine", kind)
    assert named.name == "mine"
    assert named.translate(HELLO, openai.read(HELLO), "m", None).body
    assert "mine" in named.fault(401, (), b"").message


@pytest.mark.parametrize(
    ("kind", "quirks", "field", "told"),
    [
        ("openai", {"version": "v1"}, "quirks", "unknown field version"),
        ("azure", {"version": 1}, "quirks.version", "expected str"),
        ("glm", {"tokens": "yes"}, "quirks.tokens", "expected bool"),
        ("vllm", {"limit": "max"}, "quirks.limit", "invalid enum value 'max'"),
        ("vllm", {"fields": []}, "quirks.fields", "expected a table"),
        ("vllm", {"fields": {"n": "lost"}}, "quirks.fields[...]", "invalid enum value 'lost'"),
        ("vllm", {"fields": {"n": {"least": 1.0}}}, "quirks", "fields.n: a range has `least` and `most`"),
        ("nobody", {}, "kind", "there is no kind 'nobody'; known are openai, qwen"),
    ],
)
def test_quirks_that_cannot_be_meant_are_named(kind: str, quirks: dict[str, Any], field: str, told: str) -> None:
    with pytest.raises(BadKind) as caught:
        provider("mine", kind, quirks)
    assert caught.value.field == field and told in str(caught.value)


def test_quirks_change_how_it_speaks() -> None:
    assert b"api-key" in dict(provider("az", "azure").headers("k"))
    v1 = provider("az", "azure", {"version": "v1"}).translate(HELLO, openai.read(HELLO), "prod", None)
    assert v1.path == "/openai/v1/chat/completions"
    signed = provider("glm", "", {"tokens": True})
    assert signed.expires and dict(signed.headers("id.secret"))[b"authorization"].startswith(b"Bearer eyJ")
    assert dict(provider("glm").headers("id.secret"))[b"authorization"] == b"Bearer id.secret"


def test_each_kind_of_ours_has_a_vendors_models() -> None:
    vendors = catalogue.catalogue().vendors
    assert {kind: kinds.models_of(kind) for kind in PROVIDERS if kinds.models_of(kind) != kind} == {
        "azure": "openai",
        "dashscope": "qwen",
        "zai": "glm",
    }
    assert all(kinds.models_of(kind) in vendors for kind in PROVIDERS)
