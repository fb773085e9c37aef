# Lists the unsafe blocks that have a line that did not run:
#
#   awk -f ci/unsafe_blocks.awk COVERAGE SOURCE...
#
# COVERAGE is what `llvm-cov export --format=lcov` prints. A block with no line in it was not compiled. Tests inside the sources
# are left out.

# The part of a path that starts with `src/`.
function inside(path) { return substr(path, match(path, /src\/[^:]*$/)) }

FNR == 1 { source++; file = inside(FILENAME); in_tests = 0; depth = 0 }

source == 1 && /^SF:/ { covered = inside($0) }
source == 1 && /^DA:/ { split(substr($0, 4), part, ","); runs[covered, part[1]] = part[2] }
source == 1 { next }

# An item for tests ends with a semicolon in its first line, or with a brace that is indented as its attribute is.
/^ *#\[cfg\((.*[(, ])?test[,)]/ { in_tests = match($0, /#/); is_first = 1; next }
in_tests && is_first && /^ *#\[/ { next }
in_tests && is_first { is_first = 0; if (/;$/) in_tests = 0; next }
in_tests { if (match($0, /[^ ]/) == in_tests && /^ *}/) in_tests = 0; next }
/^ *\/\// { next }

{
    rest = $0
    while (depth > 0 || match(rest, /unsafe \{/)) {
        if (depth == 0) {
            start = FNR; text = $0; ran = 0; idle = 0; blocks++
            rest = substr(rest, RSTART + RLENGTH)
            depth = 1
        }
        if ((file, FNR) in runs) { if (runs[file, FNR] > 0) ran++; else idle++ }
        while (depth > 0 && match(rest, /[{}]/)) {
            depth += substr(rest, RSTART, 1) == "{" ? 1 : -1
            rest = substr(rest, RSTART + 1)
        }
        if (depth > 0) break
        sub(/^ */, "", text)
        if (idle > 0) print file ":" start ": not run: " text
        else if (ran == 0) print file ":" start ": not compiled: " text
    }
}

END { print blocks " unsafe blocks" > "/dev/stderr" }
