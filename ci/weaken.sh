#!/usr/bin/env bash
# The loom models can fail: each weakening of the counting protocol, made in a copy, is caught by one.
source "$(dirname "$0")/lib.sh"

models_package

fresh() { cp src/memory/count.rs src/memory/bank.rs "$copy/src/memory/"; }

models() { # [NAME...]: runs the models whose names contain one of these
    (cd "$copy" && timeout 300 cargo test --release --quiet --test loom -- "$@") >>"$log" 2>&1
}

fresh
models || { tail -50 "$log"; echo "the models fail as it is"; exit 1; }

caught=0
# FILE 's/WHAT/WEAKER/' MODEL...: makes the change, which must change something, and wants a failure
# of a model that was named for it.
weaker() {
    local file=$1 change=$2
    shift 2
    fresh
    sed -i -E "$change" "$copy/src/memory/$file"
    if cmp -s "src/memory/$file" "$copy/src/memory/$file"; then
        echo "$file has changed: '$change' finds nothing"
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
        caught=$((caught + 1))
    done
}

# Orderings.
weaker count.rs '/fetch_sub/s/Release/Relaxed/' \
    count_last_drop_visibility try_into_mut_vs_drop thread_exit_with_credits
weaker count.rs '/let _ = self.0.load/s/Acquire/Relaxed/' count_last_drop_visibility
weaker count.rs '/^        self.0.load\(/s/Acquire/Relaxed/' count_clone_drop try_into_mut_vs_drop

# Checks.
weaker bank.rs 's/credits \+ 1 == out/credits + 1 >= DRAW/' count_clone_drop two_banks_settle
weaker bank.rs 's/if credits \+ 1 == out \{/if false {/' \
    the_last_drop_is_no_later_than_need_be
weaker bank.rs 's/if self.account.get\(\) == Some\(account\)/if true/' two_blocks_one_slot
weaker bank.rs '/pub\(crate\) fn deposit/,/^    }/s/if credits == 0/if slot.account.get() != Some(account)/' \
    drop_after_the_bank_closed
weaker bank.rs '/pub\(crate\) fn is_alone/,/^    }/s/out == 1 \|\| .*/self.claim(account)/' \
    unique_check_vs_clone
weaker bank.rs 's/if out != slot.credits_of\(account\) \+ 1/if slot.credits_of(account) == 0/' \
    try_into_mut_with_credits_banked

# Steps.
weaker bank.rs '/fn replace/,/^    }/s/let evicted = self.clear\(\);/let evicted = None;/' two_blocks_one_slot
weaker bank.rs 's/Fate::Last => Some\(account\)/Fate::Last => None/' two_banks_settle
weaker bank.rs 's/Fate::Shared => None/Fate::Shared => Some(account)/' two_blocks_one_slot
weaker bank.rs '/pub\(crate\) fn claim/,/^    }/s/slot.credits.set\(0\);//' try_into_mut_with_credits_banked
weaker bank.rs '/pub\(crate\) fn claim/,/^    }/s/account.count\(\).reset\(\);//' try_into_mut_with_credits_banked
weaker bank.rs 's/replace\(account, DRAW - 1\)/replace(account, DRAW)/' count_clone_drop

ran "$caught" weakenings caught
