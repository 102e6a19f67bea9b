"""Builds the wheel with the way of a request as machine code, where COMPILED_WHEEL is set: see
docs/decisions/0015-compiled.md.  Without it the wheel is pure Python, and so is every checkout."""

import os
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# What runs for each request, and holds no msgspec.Struct: mypyc forgets how such a class was declared (`frozen`).
COMPILED = (
    "gapura/gate/head.py",
    "gapura/gate/http.py",
    "gapura/gate/purses.py",
    "gapura/providers/transport.py",
    "gapura/request/accept.py",
    "gapura/request/decide.py",
    "gapura/request/identify.py",
    "gapura/request/locate.py",
    "gapura/request/meter.py",
    "gapura/request/pipeline.py",
    "gapura/request/route.py",
    "gapura/request/settle.py",
    "gapura/request/translate.py",
    "gapura/store/journal.py",
    "gapura/terms/ids.py",
    "gapura/wire/tokens.py",
)


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # the name that hatchling looks for
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel" or version == "editable" or not os.environ.get("COMPILED_WHEEL"):
            return
        built = compiled(Path(self.root) / "src", Path(tempfile.mkdtemp(prefix="gapura-compiled-")))
        build_data["force_include"].update(built)
        build_data.update(pure_python=False, infer_tag=True)


def compiled(src: Path, to: Path) -> dict[str, str]:
    """Compiles COMPILED below `src` into the folder `to`; file → its place in the wheel."""
    from mypyc.build import mypycify  # noqa: PLC0415 - only where it is wanted
    from setuptools import Distribution  # noqa: PLC0415 - likewise

    options = ["--config-file=", "--explicit-package-bases", "--ignore-missing-imports"]
    os.environ["MYPYPATH"] = str(src)
    extensions = mypycify([*options, *(str(src / name) for name in COMPILED)], target_dir=str(to / "c"))
    building = Distribution({"name": "gapura", "ext_modules": extensions}).get_command_obj("build_ext")
    building.build_lib, building.build_temp = str(to / "lib"), str(to / "temp")
    building.ensure_finalized()
    building.run()
    return {str(made): str(made.relative_to(to / "lib")) for made in (to / "lib").rglob("*.so")}
