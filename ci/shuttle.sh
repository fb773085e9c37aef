#!/usr/bin/env bash
# Runs whole pools under shuttle: random schedules and PCT, 20,000 in all, in full a million per scenario. First it checks that
# the scenarios can fail: a scenario detects each weakening of the crate, made in a copy.
source "$(dirname "$0")/lib.sh"
light=none crate_package shuttle
export RUSTFLAGS="--cfg shuttle"
here=$PWD
cd "$copy"

scenarios=$(grep -c '^#\[test\]' tests/shuttle/scenarios.rs)
# The number for each of the two kinds.
schedules=500000
short && schedules=$((20000 / scenarios / 2))

caught=0
declare -A shown
weaker() { # FILE 's/WHAT/WEAKER/' SCENARIO: as in weaken.sh
    cp "$here/src/$1" "src/$1"
    sed -i -E "$2" "src/$1"
    ! cmp -s "$here/src/$1" "src/$1" || { echo "'$2' matches nothing in $1"; exit 1; }
    cargo build --release --quiet --lib >>"$log" 2>&1 || { echo "'$2' does not compile"; exit 1; }
    if BYTEBUF_SCHEDULES=5000 timeout 300 cargo test --release --quiet --test shuttle -- "$3" >>"$log" 2>&1; then
        echo "NOT CAUGHT by $3: $1 $2"
        exit 1
    fi
    echo "caught by $3: $1 $2"
    caught=$((caught + 1)) shown[$3]=yes
    cp "$here/src/$1" "src/$1"
}

weaker memory/ref_cache.rs 's/references \+ 1 == all/references + 1 >= BATCH/' blocks_move_between_threads_that_end
weaker memory/ref_cache.rs 's/if all != slot.references_to\(block\) \+ 1/if slot.references_to(block) == 0/' \
    only_a_unique_handle_may_write
weaker pool/thread/storage.rs '/impl Drop for Guard/,/^}/s/local.refs.flush\(free_shared\);//' \
    threads_end_with_views_in_their_storage
weaker pool/shared/coordination/idle.rs '/fn remove/,/^    }/s/self.bytes.fetch_sub\(bytes, Relaxed\)/{ let b = self.bytes(); self.bytes.store(b - bytes, Relaxed); b }/' \
    memory_is_returned_while_the_pool_is_used
weaker pool/shared/central/purge.rs '/fn close/,/^    }/s/self.trim\(\);//' a_pool_closes_while_blocks_return
weaker pool/shared/stores/registry.rs 's/self.emptied && entry.activations == self.activations/self.emptied/' \
    a_limit_counts_nothing_that_idle_threads_cache
weaker pool/budget/charge.rs '/impl Drop for Charge/,/^}/s/work::serve\(&self.budget\);//' tenants_wait_for_their_bytes
weaker memory/count.rs 's/self.0.fetch_sub\(references, Ordering::Release\)/{ let c = self.references(); self.0.store(c - references, Ordering::Release); c }/' \
    one_thread_allocates_and_others_free

for name in $(sed -n '/^#\[test\]/,/^fn/s/^fn ([a-z_]+).*/\1/p' -E tests/shuttle/scenarios.rs); do
    [[ -n ${shown[$name]:-} ]] || { echo "nothing shows that $name can fail"; exit 1; }
done

# One at a time: the scenarios share the process's statics.
options=(--quiet --test-threads 1)
short || options=(--nocapture --test-threads 1)
BYTEBUF_SCHEDULES=$schedules logged cargo test --release --test shuttle -- "${options[@]}"
[[ $(passed) == "$scenarios" ]]
ran "$scenarios" "scenarios, $((schedules * 2)) schedules of each; $caught weakenings caught"
