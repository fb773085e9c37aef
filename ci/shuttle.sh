#!/usr/bin/env bash
# Whole pools under shuttle: random schedules and PCT, 20,000 in all, in full a million per scenario. First
# it is shown that the scenarios can fail: each weakening of the crate, made in a copy, is caught by one.
source "$(dirname "$0")/lib.sh"
crate_package shuttle
export RUSTFLAGS="--cfg shuttle"
here=$PWD
cd "$copy"

scenarios=$(grep -c '^#\[test\]' tests/shuttle/scenarios.rs)
# Of each of two kinds.
schedules=500000
short && schedules=$((20000 / scenarios / 2))

scenario() { # [NAME]
    cargo test --release --quiet --test shuttle -- "$@"
}

caught=0
weaker() { # FILE 's/WHAT/WEAKER/' SCENARIO: as in weaken.sh
    cp "$here/src/$1" "src/$1"
    sed -i -E "$2" "src/$1"
    ! cmp -s "$here/src/$1" "src/$1" || { echo "$1 has changed: '$2' finds nothing"; exit 1; }
    cargo build --release --quiet --lib >>"$log" 2>&1 || { echo "'$2' does not compile"; exit 1; }
    if BYTEBUF_SCHEDULES=5000 timeout 300 cargo test --release --quiet --test shuttle -- "$3" >>"$log" 2>&1; then
        echo "NOT CAUGHT by $3: $1 $2"
        exit 1
    fi
    echo "caught by $3: $1 $2"
    caught=$((caught + 1))
    cp "$here/src/$1" "src/$1"
}

weaker memory/bank.rs 's/if out != slot.credits_of\(account\) \+ 1/if slot.credits_of(account) == 0/' \
    whoever_is_alone_may_write
weaker pool/budget.rs '/pub.crate. fn release/,/^    }/s/self.serve\(\);//' tenants_wait_for_their_bytes
short || weaker memory/bank.rs 's/credits \+ 1 == out/credits + 1 >= DRAW/' blocks_move_between_threads_that_end

BYTEBUF_SCHEDULES=$schedules logged scenario
[[ $(passed) == "$scenarios" ]]
ran "$scenarios" "scenarios, $((schedules * 2)) schedules of each; $caught weakenings caught"
