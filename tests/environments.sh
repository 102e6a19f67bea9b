#!/bin/sh
# environments.sh FOLDER: makes one environment .venv-NAME beside .venv for each FOLDER/constraints-NAME.txt.
# Does nothing where they are up to date.  PYTHON names the interpreter (default: python3).
set -eu
cd "$(dirname "$0")/.."

for pins in "tests/$1"/constraints-*.txt; do
    name=${pins##*/constraints-}
    venv=.venv-${name%.txt}
    if cmp -s "$pins" "$venv/.installed"; then
        continue
    fi
    "${PYTHON:-python3}" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$pins"
    cp "$pins" "$venv/.installed"
done
