#!/bin/sh
# Makes one environment for each vendor's SDK beside .venv: zhipuai and zai-sdk want different versions of PyJWT.
# Does nothing where they are up to date.  PYTHON names the interpreter (default: python3).
set -eu
cd "$(dirname "$0")/../.."

for name in dashscope zhipuai zai; do
    venv=.venv-$name
    pins=tests/vendor_sdks/constraints-$name.txt
    if cmp -s "$pins" "$venv/.installed"; then
        continue
    fi
    "${PYTHON:-python3}" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$pins"
    cp "$pins" "$venv/.installed"
done
