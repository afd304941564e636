#!/usr/bin/env bash
# Sets up everything the tests need on a fresh machine, then checks style and types and runs all tests.
# With arguments it runs "pytest ARGUMENTS" in place of all tests.
set -euo pipefail
cd "$(dirname "$0")/.."

install_package() { # from Debian or Ubuntu
  local as_root=""
  [[ $(id -u) == 0 ]] || as_root=sudo
  $as_root apt-get -qq update
  $as_root apt-get -qq install --yes --no-install-recommends "$@" >/dev/null
}

python3 -c "import ensurepip, venv" 2>/dev/null || install_package python3-venv
[[ -x .venv/bin/python ]] || python3 -m venv .venv
.venv/bin/pip install --quiet --editable '.[test]'

if [[ -z ${ARTNET_CHROMIUM:-} ]] && ! command -v chromium chromium-browser google-chrome >/dev/null; then
  install_package chromium
fi

.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy

if [[ $# -gt 0 ]]; then
  exec .venv/bin/python -m pytest "$@"
fi
status=0
# Two processes of one thread each are faster than one of two; a server and a browser would get in each other's way.
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} .venv/bin/python -m pytest tests/core tests/instruments tests/learning tests/fuzz \
  -n 2 --dist loadfile || status=$?
.venv/bin/python -m pytest tests/host tests/browser || status=$?
exit "$status"
