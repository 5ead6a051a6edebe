#!/usr/bin/env bash
# Builds the fuzzers with clang and lets each run for FUZZ_SECONDS (default 60) from its kept corpus.
set -eu
cd "$(dirname "$0")/../../.."
cmake -S native -B build/fuzz -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
  -DCMAKE_BUILD_TYPE=RelWithDebInfo -DFORKSTORE_FUZZ=ON
cmake --build build/fuzz -j 2
fuzz() {  # fuzz NAME
  mkdir -p "build/fuzz/found/$1"
  # New finds go to the first folder; the kept corpus is only read.
  "build/fuzz/$1" -max_total_time="${FUZZ_SECONDS:-60}" -rss_limit_mb=4096 -timeout=20 -max_len=1048576 \
    -artifact_prefix="build/fuzz/found/$1-" \
    "build/fuzz/found/$1" "native/testing/fuzz/corpus/${1%_fuzzer}"
}
export -f fuzz
# One on each processor. Fails when any of them does.
basename -s .cc native/testing/fuzz/*_fuzzer.cc | xargs -P "$(nproc)" -I{} bash -c 'fuzz {}'
