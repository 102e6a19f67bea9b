#!/bin/sh
# Makes what the clients of Python and Node live in: one environment each beside .venv, and node_modules here.
# Does nothing where they are up to date.  PYTHON names the interpreter (default: python3).
set -eu
cd "$(dirname "$0")"

../environments.sh clients
if ! cmp -s package.json node_modules/.installed; then
    rm -rf node_modules
    npm install --silent --no-package-lock --ignore-scripts --no-audit --no-fund
    cp package.json node_modules/.installed
fi
