#!/usr/bin/env bash
# Compares the requests per second of examples/file_server with those of nginx in its best setting, on this machine.
#
#   benches/nginx.sh [ROUNDS] [SECONDS]       (4 rounds of 1 second per cell: 7 minutes)
#   MODES="free" FILES="1KiB" CONNECTIONS="2" benches/nginx.sh      (some of the cells)
#   OPTIONS="--path copy" benches/nginx.sh                          (options of file_server)
#
# Each server has one worker, and all serve the same directory. wrk requests files of 1 KiB, 64 KiB
# and 16 MiB over 2 and 64 connections that are kept alive, in three modes:
#
#   free     the scheduler places server and client
#   pinned   the server has one CPU, the client another one
#   busy     as free, with a process that is always busy
#
# Within each round the servers take turns on a cell, and each round begins with another server, so that other load affects all
# of them. A row compares our server with the setting of nginx that served most requests. Ratios are medians of
# the ratios within the rounds. The bars: 1.1 times the requests (1.0 in mode busy), and 0.9 of the processor time for each.
set -euo pipefail

rounds=${1:-4} seconds=${2:-1}
read -ra modes <<<"${MODES:-free pinned busy}"
read -ra files <<<"${FILES:-1KiB 64KiB 16MiB}"
read -ra counts <<<"${CONNECTIONS:-2 64}"
read -ra options <<<"${OPTIONS:-}"
cd "$(dirname "$0")/.."

missing=()
for tool in wrk nginx curl taskset; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
if ((${#missing[@]})); then
    echo "needs ${missing[*]}; on Debian: apt-get install wrk nginx curl util-linux" >&2
    exit 1
fi
if (($(nproc) < 2)); then
    echo "needs 2 CPUs: one for the server, one for the client" >&2
    exit 1
fi

server=${SERVER:-}
if [[ ! $server ]]; then
    cargo build --quiet --release --example file_server
    server=${CARGO_TARGET_DIR:-target}/release/examples/file_server
fi

home=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$home"' EXIT
chmod 755 "$home"
mkdir "$home/www"
declare -A bytes=([1KiB]=1024 [64KiB]=65536 [16MiB]=16777216)
for file in "${!bytes[@]}"; do
    head -c "${bytes[$file]}" /dev/urandom >"$home/www/$file"
done

address() { # FILE: prints the address of the server that writes to this file, once it listens
    until sed -n 's/^listening on //p' "$1" 2>/dev/null | grep .; do sleep 0.05; done
}

"$server" "${options[@]}" --listen 127.0.0.1:0 "$home/www" >"$home/ours.out" &
pids+=($!)
bases=("$(address "$home/ours.out")") names=(ours) servers=($!)

for setting in 'sendfile on;' 'sendfile off;' 'sendfile on; tcp_nopush on;' \
    'sendfile on; open_file_cache max=100;'; do
    at=${#names[@]}
    # nginx cannot choose a free port itself: it gets one that was free a moment ago.
    "$server" --listen 127.0.0.1:0 "$home/www" >"$home/free$at.out" &
    base=$(address "$home/free$at.out")
    kill $! && wait $!
    cat >"$home/nginx$at.conf" <<EOC
worker_processes 1;
daemon off;
pid $home/nginx$at.pid;
error_log $home/nginx.log;
events { worker_connections 4096; }
http {
    $setting
    access_log off;
    keepalive_requests 1000000000;
    server { listen ${base#http://} backlog=4096; root $home/www; }
}
EOC
    nginx -e "$home/nginx.log" -c "$home/nginx$at.conf" &
    pids+=($!)
    curl --silent --fail --retry 20 --retry-connrefused --retry-delay 1 --output /dev/null "$base/64KiB"
    bases+=("$base") names+=("$setting") servers+=("$(pgrep -P "${pids[-1]}")")
done
for base in "${bases[@]}"; do
    curl --silent --fail "$base/64KiB" | cmp - "$home/www/64KiB"
done

cpu_ns() { # PID: prints the processor time of a process with one thread
    cut -d' ' -f1 "/proc/$1/schedstat"
}

every_cpu=0-$(($(nproc) - 1))

measure() { # SERVER FILE CONNECTIONS MODE: requests per second, us of processor time for each
    local pid=${servers[$1]} cpus=$every_cpu before used
    if [ "$4" = pinned ]; then
        taskset --pid --cpu-list 0 "$pid" >/dev/null
        cpus=1
    else
        taskset --pid --cpu-list "$every_cpu" "$pid" >/dev/null
    fi
    before=$(cpu_ns "$pid")
    taskset --cpu-list "$cpus" wrk --threads 1 --connections "$3" --duration "${seconds}s" \
        --timeout 10s "${bases[$1]}/$2" >"$home/wrk"
    used=$(($(cpu_ns "$pid") - before))
    if grep -E 'Non-2xx|Socket errors' "$home/wrk" >&2; then exit 1; fi
    # Large files are counted by their bytes: many of them are unfinished at the end.
    awk -v used=$used -v size="${bytes[$2]}" '
        / requests in / {
            seconds = $4; unit = seconds ~ /ms/ ? 0.001 : seconds ~ /m/ ? 60 : 1
            seconds = (seconds + 0) * unit
            read = $5; scale = read ~ /GB/ ? 1073741824 : read ~ /MB/ ? 1048576 : 1024
            requests = size < 1048576 ? $1 : (read + 0) * scale / size
            if (requests == 0) requests = 1
            print requests / seconds, used / requests / 1000
        }' "$home/wrk"
}

median() { # prints the median of the input numbers
    sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

column() { # SERVER COLUMN: the median of the results of measure
    cut -d' ' -f"$2" "$home/$1.cell" | median
}

ratio() { # SERVER COLUMN: the median of the ratios of ours to it
    paste -d' ' "$home/0.cell" "$home/$1.cell" |
        awk -v c="$2" '{ print $c / ($(c + 2) ? $(c + 2) : 1) }' | median
}

nginx -v
echo "wrk with one thread, $rounds rounds of $seconds s, congestion control" \
    "$(cat /proc/sys/net/ipv4/tcp_congestion_control), $(nproc) CPUs, load $(cut -d' ' -f1 /proc/loadavg)"
printf '%-7s %-6s %5s  %10s %10s %6s  %9s %9s %6s  %-5s %s\n' mode file conns ours/s nginx/s ratio \
    'CPU us' nginx ratio bars "nginx's best setting"
for mode in "${modes[@]}"; do
    busy=
    if [ "$mode" = busy ]; then
        while :; do :; done &
        busy=$!
        pids+=("$busy")
    fi
    for file in "${files[@]}"; do
        for count in "${counts[@]}"; do
            rm -f "$home"/*.cell
            for ((round = 0; round < rounds; round++)); do
                for turn in "${!bases[@]}"; do
                    at=$(((round + turn) % ${#bases[@]}))
                    measure "$at" "$file" "$count" "$mode" >>"$home/$at.cell"
                done
            done
            best=$(for ((at = 1; at < ${#bases[@]}; at++)); do echo "$(column "$at" 1) $at"; done |
                sort -rn | awk 'NR == 1 { print $2 }')
            rate=$(ratio "$best" 1) cpu=$(ratio "$best" 2)
            bars=$(awk -v mode="$mode" -v rate="$rate" -v cpu="$cpu" \
                'BEGIN { print (rate >= (mode == "busy" ? 1 : 1.1) && cpu <= 0.9) ? "met" : "MISS" }')
            printf '%-7s %-6s %5s  %10.1f %10.1f %6.2f  %9.2f %9.2f %6.2f  %-5s %s\n' "$mode" "$file" \
                "$count" "$(column 0 1)" "$(column "$best" 1)" "$rate" \
                "$(column 0 2)" "$(column "$best" 2)" "$cpu" "$bars" "${names[best]}"
        done
    done
    if [[ $busy ]]; then kill "$busy" && wait "$busy" 2>/dev/null || true; fi
done
