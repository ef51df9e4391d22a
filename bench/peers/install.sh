#!/usr/bin/env bash
# Installs what the peers need beside Go, unless the pinned versions are there:
# the Node.js and Python packages of the servers, in bin/ the C server and client and Debian's nginx with
# nchan, and with --with-k6 also k6, which takes minutes to build.
set -euo pipefail
cd "$(dirname "$0")"
K6_VERSION=v1.4.0

# The tests of several packages may call this at once.
mkdir -p bin
exec 9>bin/.install.lock
if command -v flock >/dev/null 2>&1; then flock 9; fi

node_is_current() {
  (cd node && node -e '
    const want = require("./package.json").dependencies;
    for (const name in want) {
      if (require(name + "/package.json").version !== want[name]) process.exit(1);
    }') 2>/dev/null
}

python_is_current() {
  socketify/.venv/bin/python -c '
import sys
from importlib.metadata import version

for line in open("socketify/requirements.txt"):
    name, _, want = line.strip().partition("==")
    if name and version(name) != want:
        sys.exit(1)' 2>/dev/null
}

nchan_is_there() {
  bin/nchan/usr/sbin/nginx -v 2>/dev/null && [ -f bin/nchan/usr/lib/nginx/modules/ngx_nchan_module.so ]
}

k6_is_current() {
  [ "$(go version -m bin/k6 2>/dev/null | awk '$1 == "mod" { print $3 }')" = "$K6_VERSION" ]
}

# What lays the wire of servercost; without it that step says what is missing.
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 && ! { command -v ip && command -v ethtool; } >/dev/null 2>&1; then
  echo "installing iproute2 and ethtool"
  apt-get install --yes --quiet --quiet iproute2 ethtool >/dev/null 2>&1 || { apt-get update --quiet --quiet && apt-get install --yes --quiet --quiet iproute2 ethtool; } >/dev/null
fi
if ! node_is_current; then
  echo "installing the packages of the Node.js server"
  (cd node && npm ci --no-audit --no-fund --silent)
fi
if ! python_is_current; then
  echo "installing the packages of the Python server"
  python3 -m venv socketify/.venv
  socketify/.venv/bin/python -m pip install --quiet --disable-pip-version-check -r socketify/requirements.txt
fi
# nginx with nchan is unpacked here, not installed: installed, it would serve port 80.
if command -v apt-get >/dev/null 2>&1 && command -v dpkg >/dev/null 2>&1 && ! nchan_is_there; then
  echo "unpacking nginx and nchan"
  packages=$(mktemp -d)
  fetch() { (cd "$packages" && apt-get download --quiet --quiet --option APT::Sandbox::User=root nginx libnginx-mod-nchan); }
  fetch 2>/dev/null || { apt-get update --quiet --quiet && fetch; }
  rm -rf bin/nchan
  mkdir bin/nchan
  for package in "$packages"/*.deb; do dpkg --extract "$package" bin/nchan; done
  rm -rf "$packages"
  nchan_is_there || { echo "nginx does not run: $(bin/nchan/usr/sbin/nginx -v 2>&1)" >&2; exit 1; }
fi
if [ "${1-}" = --with-k6 ] && ! k6_is_current; then
  echo "building k6 $K6_VERSION"
  GOBIN="$PWD/bin" go install "go.k6.io/k6@$K6_VERSION"
fi
make --silent --directory cserver
make --silent --directory crowd
