#!/usr/bin/env bash
# Requests per second of examples/file_server and of nginx in its best settings, side by side on
# this machine.
#
#   benches/nginx.sh [ROUNDS] [SECONDS]       (5 rounds of 3 seconds per cell by default)
#
# All serve the same directory with one worker; wrk asks for files of 1 KiB, 64 KiB and 16 MiB over
# few and many connections that are kept alive. The servers take turns within each round, a
# different one first each time, so that what else the machine does meets all. The table gives
# medians of requests per second and of the processor time (in us) that the server spent on each,
# and the medians of our ratios to them within the rounds: the least favourable one counts.
set -euo pipefail

rounds=${1:-5} seconds=${2:-3}
cd "$(dirname "$0")/.."

missing=()
for tool in wrk nginx curl; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
if ((${#missing[@]})); then
    echo "needs ${missing[*]}; on Debian: apt-get install ${missing[*]}" >&2
    exit 1
fi

cargo build --quiet --release --example file_server
server=${CARGO_TARGET_DIR:-target}/release/examples/file_server

home=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$home"' EXIT
chmod 755 "$home"
mkdir "$home/www"
head -c 1024 /dev/urandom >"$home/www/1KiB"
head -c 65536 /dev/urandom >"$home/www/64KiB"
head -c 16777216 /dev/urandom >"$home/www/16MiB"

address() { # of the server that writes to this file, once it listens
    until sed -n 's/^listening on //p' "$1" | grep .; do sleep 0.05; done
}

"$server" --listen 127.0.0.1:0 "$home/www" >"$home/ours.out" &
pids+=($!)
server_pid=$!
ours=$(address "$home/ours.out")

# What nginx can be set to; in each cell it is the best of them that counts.
settings=('sendfile on;' 'sendfile off;' 'sendfile on; tcp_nopush on;'
    'sendfile on; open_file_cache max=100;')
bases=("$ours") servers=("$server_pid")
for at in "${!settings[@]}"; do
    # nginx can't be told to take a free port: it gets one that was free a moment ago.
    "$server" --listen 127.0.0.1:0 "$home/www" >"$home/free.out" &
    base=$(address "$home/free.out")
    kill $! && wait $!
    cat >"$home/nginx$at.conf" <<EOF
worker_processes 1;
daemon off;
pid $home/nginx$at.pid;
error_log $home/nginx.log;
events { worker_connections 4096; }
http {
    ${settings[at]}
    access_log off;
    keepalive_requests 1000000000;
    server { listen ${base#http://} backlog=4096; root $home/www; }
}
EOF
    nginx -e "$home/nginx.log" -c "$home/nginx$at.conf" &
    pids+=($!)
    curl --silent --fail --retry 20 --retry-connrefused --retry-delay 1 "$base/64KiB" |
        cmp - "$home/www/64KiB"
    bases+=("$base") servers+=("$(pgrep -P "${pids[-1]}")")
done
curl --silent --fail "$ours/64KiB" | cmp - "$home/www/64KiB"

cpu_us() { # that a process has used
    awk -v tick="$(getconf CLK_TCK)" '{ print ($14 + $15) * 1000000 / tick }' "/proc/$1/stat"
}

measure() { # URL CONNECTIONS PID: requests per second, us of processor time per request
    local before
    before=$(cpu_us "$3")
    wrk --threads 1 --connections "$2" --duration "${seconds}s" "$1" >"$home/wrk"
    if grep -E 'Non-2xx|Socket errors' "$home/wrk" >&2; then exit 1; fi
    awk -v used="$(cpu_us "$3") $before" '
        / requests in / { split(used, at, " "); cpu = (at[1] - at[2]) / $1 }
        /Requests\/sec/ { print $2, cpu }' "$home/wrk"
}

median() { # of the numbers that come in
    sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

column() { # SERVER COLUMN: the median, of requests per second (1) or of time per request (2)
    awk -v c="$2" '{ print $c }' "$home/$1.cell" | median
}

ratio() { # SERVER COLUMN: the median of ours to theirs within the rounds
    paste "$home/0.cell" "$home/$1.cell" |
        awk -v c="$2" '{ print $(c + 2) ? $c / $(c + 2) : 1 }' | median
}

nginx -v
echo "wrk with one thread, $rounds rounds of $seconds s, congestion control" \
    "$(cat /proc/sys/net/ipv4/tcp_congestion_control), $(nproc) CPUs, load $(cut -d' ' -f1 /proc/loadavg)"
row='%-6s %11s  %-45s %11.1f %7.2f %11.1f %7.2f\n'
printf "${row//.[0-9]f/s}" file connections server requests/s ours/it 'CPU us each' ours/it
for file in 1KiB 64KiB 16MiB; do
    for connections in 2 64; do
        rm -f "$home"/*.cell
        for ((round = 0; round < rounds; round++)); do
            for turn in "${!bases[@]}"; do
                at=$(((round + turn) % ${#bases[@]}))
                measure "${bases[at]}/$file" "$connections" "${servers[at]}" >>"$home/$at.cell"
            done
        done
        for at in "${!bases[@]}"; do
            name=bytebuf
            if ((at)); then name="nginx, ${settings[at - 1]}"; fi
            printf "$row" "$file" "$connections" "$name" "$(column "$at" 1)" "$(ratio "$at" 1)" \
                "$(column "$at" 2)" "$(ratio "$at" 2)"
        done
    done
done
