#!/usr/bin/env bash
# Tests the Kafka broker of the examples with real clients: kcat (Debian), confluent-kafka, kafka-python and
# aiokafka (PyPI), kafkajs (npm). `short` produces and consumes 10,000 records for each client and codec; in full,
# for every acknowledgement and idempotence too, and with faults. Skips a client that cannot be installed.
source "$(dirname "$0")/lib.sh"

have python3 python3 || skip "no python3, and it can't be installed"
have kcat kcat || true
home=$target/kafka
python=$home/venv/bin/python
mkdir -p "$home"
[ -x "$python" ] || python3 -m venv "$home/venv" || skip "no virtual environment for Python"
packages=(confluent-kafka kafka-python aiokafka lz4 python-snappy zstandard)
for package in "${packages[@]}"; do
    "$python" -m pip install --quiet --disable-pip-version-check "$package" ||
        echo "SKIPPED: $package can't be installed"
done
export KAFKAJS=$home/js/node_modules
[ -d "$KAFKAJS/kafkajs" ] || npm install --silent --prefix "$home/js" kafkajs kafkajs-snappy ||
    echo "SKIPPED: kafkajs can't be installed"

cargo build --release --features "$programs" --example kafka_broker
broker=$target/release/examples/kafka_broker

run() { logged timeout 1200 "$python" "ci/kafka/$1.py" "$broker" "${@:2}"; }

scale=()
! short || scale=(--short)
run matrix "${scale[@]}"
run consumers
run faults "${scale[@]}"
run crowd "${scale[@]}"
run members "${scale[@]}"
cells=$(awk '/^CELLS / { n += $2 } END { print n + 0 }' "$log")
ran "$cells" "cells; $(grep -c '^SKIPPED' "$log" || true) clients skipped"
