#!/usr/bin/env bash
# Checks that the loom models can fail: the named models detect each weakening of the files that they test, made in a copy.
# In short the models run within the bound of `ci/loom.sh short`.
source "$(dirname "$0")/lib.sh"

models_package
# Each weakening is a new build and a short run: what the compiler saves counts more than what it optimises.
sed -i 's/^opt-level = 1$/opt-level = 0/' "$copy/Cargo.toml"
short && export LOOM_MAX_PREEMPTIONS=3

models() { # [NAME...]: runs the models whose names contain one of these
    (cd "$copy" && timeout 300 cargo test --release --quiet --test loom -- "$@") >>"$log" 2>&1
}

fresh
models || { tail -50 "$log"; echo "the models fail without a weakening"; exit 1; }

caught=0
declare -A shown
# FILE 's/WHAT/WEAKER/' MODEL...: makes the change, which must alter the file, and requires a failure of one of the named
# models.
weaker() {
    local file=$1 change=$2
    shift 2
    fresh
    sed -i -E "$change" "$copy/src/$file"
    if cmp -s "src/$file" "$copy/src/$file"; then
        echo "'$change' matches nothing in $file"
        exit 1
    fi
    (cd "$copy" && cargo test --release --quiet --test loom --no-run) >>"$log" 2>&1 ||
        { tail -30 "$log"; echo "'$change' does not compile"; exit 1; }
    local model
    for model in "$@"; do
        if models "$model"; then
            echo "NOT CAUGHT by $model: $file $change"
            exit 1
        fi
        echo "caught by $model: $file $change"
        caught=$((caught + 1)) shown[$model]=yes
    done
}

# Orderings.
weaker memory/count.rs '/fetch_sub/s/Release/Relaxed/' \
    count_last_drop_visibility try_into_mut_vs_drop in_flight_vs_claim thread_exit_with_cached_references three_threads \
    magazine_exchange pool_drop_with_live_blocks
weaker memory/count.rs '/let _ = self.0.load/s/Acquire/Relaxed/' count_last_drop_visibility
weaker memory/count.rs '/^        self.0.load\(/s/Acquire/Relaxed/' \
    count_clone_drop try_into_mut_vs_drop in_flight_vs_claim magazine_exchange
weaker sys/memory/mapped.rs '/fetch_add/s/Acquire/Relaxed/' range_unmapped_vs_mapped_again
weaker sys/memory/mapped.rs '/fetch_sub/s/Release/Relaxed/' range_unmapped_vs_mapped_again
weaker io/segment/published.rs '/store/s/Release/Relaxed/' published_records_are_read
weaker io/segment/published.rs '/load/s/Acquire/Relaxed/' published_records_are_read

# Checks.
weaker memory/ref_cache.rs 's/references \+ 1 == all/references + 1 >= BATCH/' count_clone_drop two_caches_are_flushed
weaker memory/ref_cache.rs 's/if references \+ 1 == all \{/if false {/' \
    last_drop_frees_with_cached_references
weaker memory/ref_cache.rs 's/if self.block.get\(\) == Some\(block\)/if true/' two_blocks_one_slot
weaker memory/ref_cache.rs '/pub\(crate\) fn release_local/,/^    }/s/if references == 0/if slot.block.get() != Some(block)/' \
    drop_after_the_cache_closed
weaker memory/ref_cache.rs '/pub\(crate\) fn release_local/,/^    }/s/if references == 0/if false/' cache_unavailable
weaker memory/ref_cache.rs '/pub\(crate\) fn is_unique/,/^    }/s/all == 1 \|\| .*/self.claim(block)/' \
    unique_check_vs_clone unique_check_vs_clone_that_stays
weaker memory/ref_cache.rs 's/if all != slot.references_to\(block\) \+ 1/if slot.references_to(block) == 0/' \
    try_into_mut_with_cached_references

# Steps.
weaker memory/count.rs '/fn acquire/,/^    }/s/self.0.fetch_add\(references, Ordering::Relaxed\)/{ let c = self.references(); self.0.store(c + references, Ordering::Relaxed); c }/' \
    clone_vs_clone
weaker memory/flags.rs 's/fetch_or/swap/' in_flight_vs_claim
weaker memory/ref_cache.rs '/fn flush/,/^    }/s/while used != 0/used \&= used.wrapping_sub(1);\n while used != 0/' thread_exit_with_cached_references
weaker memory/ref_cache.rs '/fn replace/,/^    }/s/let evicted = self.clear\(index\);/let evicted = None;/' two_blocks_one_slot
weaker memory/ref_cache.rs 's/Remaining::None => Some\(block\)/Remaining::None => None/' two_caches_are_flushed thread_exit_vs_remote_free
weaker memory/ref_cache.rs 's/Remaining::Some => None/Remaining::Some => Some(block)/' two_blocks_one_slot thread_exit_vs_remote_free
weaker memory/ref_cache.rs '/pub\(crate\) fn claim/,/^    }/s/slot.set\(0\);//' try_into_mut_with_cached_references
weaker memory/ref_cache.rs '/pub\(crate\) fn claim/,/^    }/s/block.count\(\).reset\(\);//' try_into_mut_with_cached_references
weaker memory/count.rs '/fn reset_if_needed/,/^    }/s/self.reset\(\);//' magazine_exchange
weaker memory/ref_cache.rs 's/replace\(block, BATCH - 1\)/replace(block, BATCH)/' count_clone_drop

# The end of the range.
weaker memory/count.rs 's/if before > LIMIT/if false/' count_overflow_guard
weaker memory/count.rs 's|^(pub.crate. const LIMIT.*) / 2;|\1;|' count_overflow_guard

# Idle memory and its purger.
weaker pool/shared/coordination/idle.rs '/fn add/,/^    }/s/ Acquire\)/ Relaxed)/' idle_bytes_added_vs_end_of_watch
weaker pool/shared/coordination/idle.rs '/fn end_watch/,/^    }/s/ Release\)/ Relaxed)/' idle_bytes_added_vs_end_of_watch
weaker pool/shared/coordination/idle.rs '/fn end_watch/,/^    }/s/fetch_add\(0, Release\)/load(crate::sync::Ordering::SeqCst)/' \
    idle_bytes_added_vs_end_of_watch
weaker pool/shared/coordination/idle.rs 's/self.bytes.fetch_add\(0, Release\) <= enough \|\| !self.begin_watch\(\)/true/' \
    idle_bytes_added_vs_end_of_watch
weaker pool/shared/coordination/idle.rs 's/!self.watched.swap\(true, Relaxed\)/{ let w = self.is_watched(); self.watched.store(true, Relaxed); !w }/' \
    at_most_one_watch
weaker pool/shared/coordination/idle.rs '/fn remove/,/^    }/s/self.bytes.fetch_sub\(bytes, Relaxed\)/{ let b = self.bytes(); self.bytes.store(b - bytes, Relaxed); b }/' \
    idle_bytes_added_vs_removed
weaker pool/shared/coordination/idle.rs '/fn add/,/^    }/s/self.bytes.fetch_add\(bytes, Acquire\);/{ let b = self.bytes(); self.bytes.store(b + bytes, Relaxed); }/' \
    idle_bytes_added_vs_removed
weaker pool/shared/coordination/idle.rs '/fetch_min/d' memory_used_since_the_last_check_is_not_unused

# A thread's free blocks, and other threads that take them.
weaker pool/shared/coordination/exclusion.rs 's/barrier::light\(\);//' owner_uses_cells_vs_stop
weaker pool/shared/coordination/exclusion.rs 's/if barrier::heavy\(\)/if true/' owner_uses_cells_vs_stop owner_uses_cells_vs_membarrier
weaker sys/fallback/barrier.rs '/fn light/,/^}/s/fence\(SeqCst\);//' owner_uses_cells_vs_stop
weaker sys/fallback/barrier.rs '/fn heavy/,/^}/s/fence\(SeqCst\);//' owner_uses_cells_vs_stop
weaker sys/linux/barrier.rs 's/ \&\& membarrier::expedited\(\)//' owner_uses_cells_vs_membarrier
weaker sys/linux/barrier.rs '/fn heavy/,/^}/s/fence\(SeqCst\);//' owner_uses_cells_vs_membarrier
weaker pool/shared/coordination/exclusion.rs '/fn leave/,/^    }/s/Release/Relaxed/' owner_uses_cells_vs_stop
weaker pool/shared/coordination/exclusion.rs 's/self.busy.load\(Ordering::Acquire\)/self.busy.load(Ordering::Relaxed)/' owner_uses_cells_vs_stop
weaker pool/shared/coordination/exclusion.rs 's/self.key.load\(Ordering::Acquire\)/self.key.load(Ordering::Relaxed)/' owner_continues_after_an_inspection
weaker pool/shared/coordination/exclusion.rs '/fn undo/,/^    }/s/Release/Relaxed/' owner_continues_after_an_inspection
weaker pool/shared/coordination/exclusion.rs 's/let Ok\(_remote\) = self.remote.try_lock\(\) else \{ return false \};//' owner_returns_vs_stop
weaker pool/shared/coordination/exclusion.rs '/fn stop_own/,/^    }/s/self.key.swap\(core::ptr::null_mut\(\), Ordering::Relaxed\)/self.key.load(Ordering::Relaxed)/' owner_stops_itself_vs_stop
weaker pool/shared/coordination/exclusion.rs '/fn retire/,/^    }/s/self.key.store.*;//; /fn stop/,/^    }/s/self.key.swap\(core::ptr::null_mut\(\), Ordering::Relaxed\)/self.key.load(Ordering::Relaxed)/' retired_owner_stays_out

# Closing a pool.
weaker pool/shared/coordination/closed.rs '/fn set/,/^    }/s/fence\(SeqCst\);//' \
    cache_close_vs_late_return pool_drop_with_live_blocks slab_end_vs_pool_close
weaker pool/shared/coordination/closed.rs '/fn is_set_by_now/,/^    }/s/fence\(SeqCst\);//' \
    cache_close_vs_late_return pool_drop_with_live_blocks slab_end_vs_pool_close
weaker pool/shared/coordination/closed.rs '/fn is_set_by_now/,/^    }/{s/fence\(SeqCst\);//; s/self.is_set\(\)/{ let is = self.is_set(); fence(SeqCst); is }/}' \
    cache_close_vs_late_return

# Budgets.
weaker pool/budget/account.rs 's/self.used.fetch_add\(0, Ordering::AcqRel\)/self.used.load(Ordering::SeqCst)/' \
    budget_waiter_wakeup budget_waiter_wakeup_from_above
weaker pool/budget/account.rs '/fn lacks/,/^    }/s/Ordering::AcqRel/Ordering::Acquire/' budget_waiter_wakeup
weaker pool/budget/account.rs '/fn uncharge/,/^    }/s/AcqRel/Release/' budget_waiter_wakeup
weaker pool/budget/account.rs '/fn charge/,/^    }/s/match self.used.compare_exchange_weak.*/match { self.used.store(more, success); let _ = failure; Ok::<usize, usize>(used) } {/' \
    budget_acquire_release
weaker pool/budget/tree.rs '/fn try_charge/,/^    }/s/\.take\(short\)/.take(0)/' budget_charges_its_parent
weaker pool/budget/tree.rs '/fn try_charge/,/^    }/s/released \|= budget.uncharge_one\(bytes\);/budget.uncharge_one(bytes);/' \
    budget_charge_undone
weaker pool/budget/serve.rs '/fn take_turn/,/^    }/s/continue;/break;/' budget_waiter_wakeup
weaker pool/budget/serve.rs '/fn take_turn/,/^    }/s/self.queue_at\(short.budget, /self.queue_at(self, /' \
    budget_waiter_wakeup_from_above
weaker pool/budget/wait.rs '/impl Drop for Wait/,/^}/s/work::serve\(&self.budget\);//' budget_next_waiter_is_served
weaker pool/budget/wait.rs '/impl Drop for Wait/,/^}/s/drop\(Charge::of\(&self.budget, self.bytes\)\);//' \
    budget_wait_cancelled
weaker pool/budget/wait.rs '/impl Drop for Wait/,/^}/s/(drop\(Charge::of\(&self.budget, self.bytes\)\);)/\1 \1/' \
    budget_wait_cancelled
weaker pool/budget/charge.rs '/impl Drop for Charge/,/^}/s/work::serve\(&self.budget\);//' budget_two_tenants_are_served

for model in $(sed -nE '/^#\[test\]/,/^fn/s/^fn ([a-z_]+).*/\1/p' tests/loom/*.rs); do
    [[ -n ${shown[$model]:-} ]] || { echo "nothing shows that $model can fail"; exit 1; }
done

ran "$caught" weakenings caught
