#!/usr/bin/env bash
# Installs the client libraries beside the two programs, unless the pinned
# versions are there.
set -euo pipefail
cd "$(dirname "$0")"

node_is_current() {
  (cd node && node -e '
    const want = require("./package.json").dependencies;
    for (const name in want) {
      if (require(name + "/package.json").version !== want[name]) process.exit(1);
    }') 2>/dev/null
}

python_is_current() {
  python/.venv/bin/python -c '
import sys
from importlib.metadata import version

import websockets

for line in open("python/requirements.txt"):
    name, _, want = line.strip().partition("==")
    if name and version(name) != want:
        sys.exit(1)' 2>/dev/null
}

if ! node_is_current; then
  echo "installing the Node.js client library"
  (cd node && npm ci --no-audit --no-fund --silent)
fi
if ! python_is_current; then
  echo "installing the Python client library"
  python3 -m venv python/.venv
  python/.venv/bin/python -m pip install --quiet --disable-pip-version-check -r python/requirements.txt
fi
