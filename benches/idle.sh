#!/usr/bin/env bash
# Measures the memory of an idle keep-alive connection to examples/file_server, without the kernel's part.
#
#   benches/idle.sh [CONNECTIONS]       (10000 by default)
#
# Each connection requests a page, reads the answer, and then waits. The table lists the server's resident memory before and
# after, and the difference per connection.
set -euo pipefail

connections=${1:-10000}
cd "$(dirname "$0")/.."
# One descriptor each here, and one each in the server, which inherits the limit.
ulimit -n $((connections + 64))

cargo build --quiet --release --example file_server
server=${CARGO_TARGET_DIR:-target}/release/examples/file_server

home=$(mktemp -d)
trap 'kill "$pid" 2>/dev/null || true; wait; rm -rf "$home"' EXIT
mkdir "$home/www"
echo hello >"$home/www/page"

"$server" --listen 127.0.0.1:0 "$home/www" >"$home/out" &
pid=$!
until port=$(sed -n 's/^listening on .*://p' "$home/out") && [[ $port ]]; do sleep 0.05; done

resident() { # KiB of the server
    awk '/^VmRSS:/ { print $2 }' "/proc/$pid/status"
}

ask() { # opens a connection and leaves it open
    local line
    exec {fd}<>"/dev/tcp/127.0.0.1/$port"
    printf 'GET /page HTTP/1.1\r\nHost: here\r\n\r\n' >&"$fd"
    while read -r line <&"$fd" && [[ $line != hello ]]; do :; done
    [[ $line == hello ]]
}

ask
before=$(resident)
for ((n = 0; n < connections; n++)); do ask; done
after=$(resident)
echo "$connections idle connections: $before KiB before, $after KiB after," \
    "$(((after - before) * 1024 / connections)) bytes each"
