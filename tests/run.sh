#!/usr/bin/env bash
# Sets up everything the tests need on a fresh machine, then checks style and types and runs all tests.
# Further arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."

[[ -x .venv/bin/python ]] || python3 -m venv .venv
.venv/bin/pip install --quiet --editable '.[test]'

if ! command -v chromium chromium-browser google-chrome >/dev/null; then
  as_root=$([[ $(id -u) == 0 ]] || echo sudo)
  $as_root apt-get -qq update
  $as_root apt-get -qq install --yes --no-install-recommends chromium >/dev/null
fi

.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
.venv/bin/python -m pytest "$@"
