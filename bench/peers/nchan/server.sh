#!/usr/bin/env bash
# nginx with nchan, of the packages that install.sh unpacks: /ws?token=USER sends back what comes
# and gets what is pushed through HTTP. See ../README.md. Needs root: nchan insists on directories in
# /var/lib, which it gets in namespaces of its own, and which end with this process.
set -euo pipefail
port=${PORT:-9009}
if [ "${1-}" = --port ]; then port=$2; fi
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../bin/nchan

# $$ is nginx's parent by then: this does not outlive it.
while kill -0 $$ 2>/dev/null; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo ready
    break
  fi
  sleep 0.02
done &

# shellcheck disable=SC2016 # the inner shell expands these
exec unshare --mount --pid --fork --kill-child bash -c '
  set -euo pipefail
  port=$1 here=$2 root=$3 run=/var/lib/nginx
  mount -t tmpfs none /var/lib
  mkdir "$run"
  sed "s|PORT|$port|; s|MODULES|$root/usr/lib/nginx/modules|; s|RUN|$run|" "$here/nginx.conf" >"$run/nginx.conf"
  exec "$root/usr/sbin/nginx" -p "$run" -c "$run/nginx.conf"
' nchan "$port" "$here" "$root"
