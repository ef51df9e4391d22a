#!/usr/bin/env bash
# Installs the client libraries beside the two programs, when they are not there.
set -euo pipefail
cd "$(dirname "$0")"

if ! (cd node && node -e 'require("ws")') 2>/dev/null; then
  echo "installing the Node.js client library"
  (cd node && npm ci --no-audit --no-fund --silent)
fi
if ! python/.venv/bin/python -c 'import websockets' 2>/dev/null; then
  echo "installing the Python client library"
  python3 -m venv python/.venv
  python/.venv/bin/pip install --quiet --disable-pip-version-check -r python/requirements.txt
fi
