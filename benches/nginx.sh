#!/usr/bin/env bash
# Requests per second of examples/file_server and of nginx in its best settings, side by side on
# this machine.
#
#   benches/nginx.sh [ROUNDS] [SECONDS]       (5 rounds of 3 seconds per cell by default)
#
# All serve the same directory with one worker; wrk asks for files of 1 KiB, 64 KiB and 16 MiB over
# few and many connections that are kept alive. The servers take turns within each round, a
# different one first each time, so that what else the machine does meets all. The table gives
# medians: requests per second, the processor time (in us) that the server spent on each, and the
# 99th percentile of the latency, with a mark where that is a wait for a delayed acknowledgement.
#
# Both sides have settings. Below each cell the fastest of ours stands beside the fastest of nginx's,
# then our default setting does, then the cheapest settings of both do. A ratio is the median of the
# ratios within the rounds.
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
    until sed -n 's/^listening on //p' "$1" 2>/dev/null | grep .; do sleep 0.05; done
}

names=() bases=() servers=()
for path in sendfile copy; do
    "$server" --path $path --listen 127.0.0.1:0 "$home/www" >"$home/$path.out" &
    pids+=($!) servers+=($!)
    bases+=("$(address "$home/$path.out")") names+=("bytebuf, --path $path")
    curl --silent --fail "${bases[-1]}/64KiB" | cmp - "$home/www/64KiB"
done
ours=${#names[@]} # The first of them is the default.

settings=('sendfile on;' 'sendfile off;' 'sendfile on; tcp_nopush on;'
    'sendfile on; open_file_cache max=100;')
for at in "${!settings[@]}"; do
    # nginx can't be told to take a free port: it gets one that was free a moment ago.
    "$server" --listen 127.0.0.1:0 "$home/www" >"$home/free$at.out" &
    base=$(address "$home/free$at.out")
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
    bases+=("$base") servers+=("$(pgrep -P "${pids[-1]}")") names+=("nginx, ${settings[at]}")
done

cpu_us() { # that a process has used
    awk -v tick="$(getconf CLK_TCK)" '{ print ($14 + $15) * 1000000 / tick }' "/proc/$1/stat"
}

measure() { # URL CONNECTIONS PID: requests per second, us of processor time each, ms at 50 and 99 %
    local before
    before=$(cpu_us "$3")
    wrk --threads 1 --connections "$2" --duration "${seconds}s" --timeout 10s --latency "$1" >"$home/wrk"
    if grep -E 'Non-2xx|Socket errors' "$home/wrk" >&2; then exit 1; fi
    awk -v used="$(cpu_us "$3") $before" '
        function ms(time) { return time * (time ~ /us$/ ? 0.001 : time ~ /ms$/ ? 1 : 1000) }
        $1 == "50%" { half = ms($2) }
        $1 == "99%" { most = ms($2) }
        / requests in / { split(used, at, " "); cpu = (at[1] - at[2]) / ($1 > 0 ? $1 : 1) }
        /Requests\/sec/ { print $2, cpu, half, most }' "$home/wrk"
}

median() { # of the numbers that come in
    sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

column() { # SERVER COLUMN: the median of what measure gave
    awk -v c="$2" '{ print $c }' "$home/$1.cell" | median
}

ratio() { # SERVER OTHER COLUMN: the median of the ratios within the rounds
    paste "$home/$1.cell" "$home/$2.cell" |
        awk -v c="$3" '{ print $(c + 4) ? $c / $(c + 4) : 1 }' | median
}

best() { # COLUMN HIGHEST|LOWEST FIRST LAST: the server among those
    local at order=-n
    if [ "$2" = HIGHEST ]; then order=-rn; fi
    for ((at = $3; at <= $4; at++)); do echo "$(column "$at" "$1") $at"; done |
        sort $order | awk 'NR == 1 { print $2 }'
}

beside() { # WHAT OURS THEIRS
    printf '%20s%-9s %s beside %s: requests/s %.2f, CPU %.2f\n' '' "$1" "${names[$2]}" \
        "${names[$3]}" "$(ratio "$2" "$3" 1)" "$(ratio "$2" "$3" 2)"
}

nginx -v
echo "wrk with one thread, $rounds rounds of $seconds s, congestion control" \
    "$(cat /proc/sys/net/ipv4/tcp_congestion_control), $(nproc) CPUs, load $(cut -d' ' -f1 /proc/loadavg)"
printf '%-6s %11s  %-45s %11s %11s %11s\n' \
    file connections server requests/s 'CPU us each' 'p99 ms'
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
            half=$(column "$at" 3) most=$(column "$at" 4)
            # An acknowledgement is delayed by 40 ms; a queue that long has a median of that order.
            stall=$(awk "BEGIN { if ($most >= 35 && $most > 10 * $half) print \"  40 ms stalls\" }")
            printf '%-6s %11s  %-45s %11.1f %11.2f %11.2f%s\n' "$file" "$connections" \
                "${names[at]}" "$(column "$at" 1)" "$(column "$at" 2)" "$most" "$stall"
        done
        last=$((${#bases[@]} - 1))
        theirs=$(best 1 HIGHEST $ours $last)
        beside fastest "$(best 1 HIGHEST 0 $((ours - 1)))" "$theirs"
        beside default 0 "$theirs"
        beside cheapest "$(best 2 LOWEST 0 $((ours - 1)))" "$(best 2 LOWEST $ours $last)"
    done
done
