#!/usr/bin/env bash
# Requests per second of examples/file_server and of nginx, side by side on this machine.
#
#   benches/nginx.sh [ROUNDS] [SECONDS]       (5 rounds of 3 seconds per cell by default)
#
# Both serve the same directory with one worker and sendfile; wrk asks for a small and a larger
# file over few and many connections that are kept alive. The two servers take turns within each
# round, the first of the pair changing from round to round, so that what else the machine does
# meets both. The table gives medians of requests per second and of the processor time (in us) that
# the server spent on each, and the medians of their ratios within the rounds.
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

address() { # of the server that writes to this file, once it listens
    until sed -n 's/^listening on //p' "$1" | grep .; do sleep 0.05; done
}

"$server" --listen 127.0.0.1:0 "$home/www" >"$home/ours.out" &
pids+=($!)
server_pid=$!
ours=$(address "$home/ours.out")

# nginx can't be told to take a free port: it gets one that was free a moment ago.
"$server" --listen 127.0.0.1:0 "$home/www" >"$home/free.out" &
theirs=$(address "$home/free.out")
kill $! && wait $!

cat >"$home/nginx.conf" <<EOF
worker_processes 1;
daemon off;
pid $home/nginx.pid;
error_log $home/nginx.log;
events { worker_connections 4096; }
http {
    sendfile on;
    access_log off;
    keepalive_requests 1000000000;
    server { listen ${theirs#http://} backlog=4096; root $home/www; }
}
EOF
nginx -e "$home/nginx.log" -c "$home/nginx.conf" &
pids+=($!)
nginx_pid=$!
for base in "$ours" "$theirs"; do
    curl --silent --fail --retry 20 --retry-connrefused --retry-delay 1 "$base/64KiB" |
        cmp - "$home/www/64KiB"
done

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

median() { # of a column, or of the ratio of two
    awk "{ print $1 }" "$home/both" | sort -n |
        awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

worker=$(pgrep -P "$nginx_pid")
nginx -v
echo "wrk with one thread, $rounds rounds of $seconds s, congestion control" \
    "$(cat /proc/sys/net/ipv4/tcp_congestion_control), $(nproc) CPUs, load $(cut -d' ' -f1 /proc/loadavg)"
row='%-8s %11s %10.0f %10.0f %6.2f %9.1f %9.1f %6.2f\n'
printf "${row//.[0-9]f/s}" file connections bytebuf/s nginx/s ratio 'bytebuf us' 'nginx us' ratio
for file in 1KiB 64KiB; do
    for connections in 2 64; do
        : >"$home/both"
        for ((round = 0; round < rounds; round++)); do
            if ((round % 2)); then
                b=$(measure "$theirs/$file" "$connections" "$worker")
                a=$(measure "$ours/$file" "$connections" "$server_pid")
            else
                a=$(measure "$ours/$file" "$connections" "$server_pid")
                b=$(measure "$theirs/$file" "$connections" "$worker")
            fi
            echo "$a $b" >>"$home/both"
        done
        # The columns: our rate, our time, their rate, their time.
        printf "$row" "$file" "$connections" \
            "$(median '$1')" "$(median '$3')" "$(median '$1 / $3')" \
            "$(median '$2')" "$(median '$4')" "$(median '$2 / $4')"
    done
done
