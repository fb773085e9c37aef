#!/usr/bin/env bash
# Tests the memory of zero-copy sends over a slow link: a veth pair with a rate limit joins two network namespaces, so that
# bytes wait in the queue of a device after the send. Over loopback the kernel copies them first. The namespaces end with
# this script, and need no root where users may create namespaces.
source "$(dirname "$0")/lib.sh"

have ip iproute2 && have tc iproute2 || skip "no ip and tc, and they can't be installed"
have unshare util-linux && have nsenter util-linux || skip "no unshare, and it can't be installed"

if [[ -z ${IN_NAMESPACE:-} ]]; then
    cargo test --quiet --all-features --test slow_wire --no-run
    program=$(cargo test --quiet --all-features --test slow_wire --no-run --message-format=json 2>/dev/null |
        sed -n 's/.*"name":"slow_wire".*"executable":"\([^"]*\)".*/\1/p' | tail -1)
    [[ -x $program ]] || { echo "the program was not found"; exit 1; }
    namespace=(unshare --net --map-root-user)
    ((EUID != 0)) || namespace=(unshare --net)
    "${namespace[@]}" true 2>/dev/null || skip "no network namespace for this user"
    IN_NAMESPACE=1 PROGRAM=$program exec "${namespace[@]}" "$0" "$depth"
fi

unshare --net sleep 1000 &
peer=$!
receiver=
trap 'kill $peer $receiver 2>/dev/null || true' EXIT
there=(nsenter --target "$peer" --net)

# Waits for the second namespace; before it exists, the other end of the pair would stay in this one.
until [[ $(readlink "/proc/$peer/ns/net") != $(readlink /proc/self/ns/net) ]]; do :; done
ip link add here type veth peer name there netns "$peer" || skip "the kernel has no veth"
ip address add 10.99.0.1/24 dev here
ip link set here up
"${there[@]}" ip address add 10.99.0.2/24 dev there
"${there[@]}" ip link set there up

times=1 rate=20mbit
short || times=10
tc qdisc add dev here root tbf rate $rate burst 16kb limit 16mb || skip "the kernel has no tbf"

for ((i = 0; i < times; i++)); do
    timeout 120 "${there[@]}" "$PROGRAM" receive 10.99.0.2:4000 &
    receiver=$!
    logged timeout 120 "$PROGRAM" send 10.99.0.2:4000
    wait "$receiver"
done
ran $((3 * times)) "kinds of reuse on a slow wire, $rate"
