#!/usr/bin/env bash
# Instructions per operation, counted by callgrind: the same on a busy machine and an idle one.
#
#   benches/instructions.sh [NAME]       (all operations by default)
#
# Each operation runs 1000 and 11 000 times; the difference excludes the cost of the start.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v valgrind >/dev/null || { echo "needs valgrind; on Debian: apt-get install valgrind" >&2; exit 1; }

program=$(cargo bench --quiet --no-run --bench instructions --message-format=json |
    sed -n 's/.*"name":"instructions".*"executable":"\([^"]*\)".*/\1/p')

count() { # NAME COUNT
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$@" 2>&1 |
        sed -n 's/.*Collected : //p'
}

while read -r name; do
    [[ $name == *"${1-}"* ]] || continue
    few=$(count "$name" 1000) many=$(count "$name" 11000)
    awk -v name="$name" -v few="$few" -v many="$many" \
        'BEGIN { printf "%-28s %7.1f\n", name, (many - few) / 10000 }'
done < <("$program" list)
