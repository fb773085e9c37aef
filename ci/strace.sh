#!/usr/bin/env bash
# Runs the real programs with injected failures of system calls: `strace` attaches to a running file server, once for each of its
# paths, and to a proxy in front of one. One call at a time fails while clients fetch files. A client gets the file or an
# error, never other bytes; the next client gets the file; and at the end the server has as many descriptors, and as much
# memory, as before.
#
# The kernel does not execute a call that fails in this way, so an injected count or value would be false: only errors are
# injected. `EAGAIN` is not injected on sockets: the caller would wait for an event, which the kernel does not send.
source "$(dirname "$0")/lib.sh"

[ "$(uname)" = Linux ] || skip "strace is Linux's"
have strace strace || skip "no strace, and it can't be installed"
have curl curl || skip "no curl, and it can't be installed"

cargo build --release --features "$programs" --example file_server --example proxy
bin=$target/release/examples

home=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; rm -rf "$home"' EXIT
mkdir "$home/www"
head -c 3000000 /dev/urandom >"$home/www/large"
head -c 700 /dev/urandom >"$home/www/small"

sleep 60 &
pids+=($!)
timeout 5 strace -qq -o /dev/null -e trace=none -p $! 2>"$home/refused" &
tracer=$!
for _ in {1..200}; do
    grep -q '^TracerPid:[[:space:]]*[1-9]' "/proc/${pids[0]}/status" && break
    kill -0 $tracer 2>/dev/null || skip "strace may not attach: $(cat "$home/refused")"
    sleep 0.01
done
kill ${pids[0]}
wait $tracer 2>/dev/null || true
pids=()

start() { # NAME COMMAND...: sets $pid and $url
    "${@:2}" >"$home/$1.out" 2>&1 &
    pid=$!
    pids+=($pid)
    until url=$(sed -n 's/^listening on \(http:..\)\{0,1\}\([0-9.:]*\).*/http:\/\/\2/p' "$home/$1.out" | grep .); do
        kill -0 "$pid" 2>/dev/null || { cat "$home/$1.out"; exit 1; }
        sleep 0.02
    done
}

fetch() { # NAME: fails if only an error arrives, ends the check if other bytes arrive
    rm -f "$home/got"
    curl --silent --fail --max-time 10 --output "$home/got" "$url/$1" || return 1
    cmp --silent "$home/got" "$home/www/$1" ||
        { echo "FAILED: other bytes for $1 from $what: $cell"; exit 1; }
}

# Does not count pipes, because some are kept for the next transfer.
descriptors() { find "/proc/$pid/fd" -type l ! -lname 'pipe:*' 2>/dev/null | wc -l; }
pipes() { find "/proc/$pid/fd" -type l -lname 'pipe:*' 2>/dev/null | wc -l; }

# Waits until no resource is in use: the server may detect a disconnect with a delay.
settled() { # EXPECTED
    local _
    for _ in {1..200}; do
        (($(descriptors) <= $1 && $(pipes) <= 40)) && return
        sleep 0.01
    done
    echo "FAILED: $(descriptors) descriptors, $1 before, $what: $cell"
    ls -l "/proc/$pid/fd"
    exit 1
}

resident() { awk '/^VmRSS:/ { print $2 }' "/proc/$pid/status"; }

cells=0 failures=0
inject() { # CALL ERROR TURN
    local tracer before=$open
    cell="$1 $2 at turn $3"
    strace -f -qq -o "$home/trace" -e "trace=$1" -e "inject=$1:error=$2:when=$3" -p "$pid" 2>"$home/strace.err" &
    tracer=$!
    until grep -q '^TracerPid:[[:space:]]*[1-9]' "/proc/$pid/status"; do
        kill -0 $tracer 2>/dev/null || { cat "$home/strace.err"; exit 1; }
        sleep 0.005
    done
    local failed=0
    fetch large || failed=1
    fetch small || failed=1
    kill -INT $tracer 2>/dev/null || true
    wait $tracer 2>/dev/null || true
    kill -0 $pid || { echo "FAILED: $what ended by $cell"; exit 1; }
    if grep -q INJECTED "$home/trace"; then
        cells=$((cells + 1)) failures=$((failures + failed))
    elif ((failed)); then
        echo "FAILED: $what failed though $cell did not happen"
        exit 1
    fi
    fetch large && fetch small || { echo "FAILED: $what does not serve after $cell"; exit 1; }
    settled "$before"
}

# The errors of each call: the documented ones, and those that a later kernel may add.
files="EINTR EIO EINVAL ENOMEM EMFILE EPERM"
sockets="EINTR EPIPE ECONNRESET ENOBUFS ENOMEM EIO"
moves="EINTR EPIPE ECONNRESET ENOMEM EIO EINVAL ENOSPC ENOSYS"
errors() { # CALL
    case $1 in
        sendfile | splice) echo "$moves" ;;
        sendto | sendmsg | writev | recvfrom) echo "$sockets" ;;
        accept4) echo "EINTR EMFILE ENFILE ENOBUFS ENOMEM ECONNABORTED" ;;
        epoll_pwait) echo "EINTR" ;;
        epoll_ctl) echo "ENOMEM ENOSPC" ;;
        *) echo "$files" ;;
    esac
}

turns="1 2 5"
short && turns="1"

run() { # CALLS...: attached to $pid
    local call error turn
    cell="the first requests"
    # Pipes and chunks of memory are kept from the first use on.
    for _ in {1..5}; do fetch large && fetch small; done
    open=$(descriptors)
    local memory
    memory=$(resident)
    for call in "$@"; do
        for error in $(errors "$call"); do
            for turn in $turns; do inject "$call" "$error" "$turn"; done
        done
        printf '%-24s %-14s %4d cells so far, %d of them ended with an error\n' "$what" "$call" $cells $failures
    done
    # Four megabytes are one chunk of the pool, besides changes by the allocator.
    (($(resident) < memory + 8192)) ||
        { echo "FAILED: $what grew from $memory to $(resident) KiB"; exit 1; }
}

first() { # CALL COMMAND...: calls that happen once, in a new process each time
    local error before=$cells
    for error in $(errors "$1"); do
        start first "${@:2}"
        open=$(descriptors)
        inject "$1" "$error" 1
        kill "$pid"
        wait "$pid" 2>/dev/null || true
    done
    ((cells > before)) || { echo "FAILED: $what does not call $1"; exit 1; }
    printf '%-24s %-14s %4d cells so far, %d of them ended with an error\n' "$what" "$1" $cells $failures
}

common=(recvfrom sendto accept4 epoll_pwait epoll_ctl openat2 fstat)
for path in sendfile splice mmap copy; do
    what="file_server --path $path"
    start "$path" "$bin/file_server" --listen 127.0.0.1:0 --path $path "$home/www"
    case $path in
        sendfile) run sendfile pread64 "${common[@]}" ;;
        splice) run splice pread64 ;;
        mmap) run memfd_create sendfile fcntl mmap munmap statx sendmsg ;;
        copy) run pread64 sendto sendmsg ;;
    esac
done

what="proxy"
start behind "$bin/file_server" --listen 127.0.0.1:0 "$home/www"
behind=${url#http://}
start proxy "$bin/proxy" --listen 127.0.0.1:0 --to "$behind"
run splice socket connect
for call in pipe2 fcntl; do
    first $call "$bin/proxy" --listen 127.0.0.1:0 --to "$behind"
done

((cells >= 40)) || { echo "FAILED: only $cells calls were made to fail"; exit 1; }
ran "$cells" "cells, $failures of which ended with an error, the others with the file"
