#!/usr/bin/env bash
# Installs the compiled wheel of this checkout beside the peers, for the target gapura-compiled.  Needs gcc and Python's
# headers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
place=${GAPURA_BENCH:-$HOME/.cache/gapura-bench}/gapura-python
made=$(mktemp -d)
trap 'rm -r "$made"' EXIT
[ -x "$place/bin/python" ] || "${PYTHON:-python3}" -m venv "$place"
export PATH="$place/bin:$PATH"
# The compiler looks at what is imported, so all of it must be there first.
pip install -q --disable-pip-version-check -c constraints.txt hatchling mypy setuptools ./packages/gapura-atlas .
COMPILED_WHEEL=1 pip wheel -q --no-deps --no-build-isolation -w "$made" .
pip install -q --disable-pip-version-check -c constraints.txt --force-reinstall --no-deps "$made"/gapura-*.whl
