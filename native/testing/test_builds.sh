#!/usr/bin/env bash
# C++ tests of the builds that sanitizers do not go with: locks in each way of linking, here and on arm64, and the
# unit tests of base/, memory/, files/, log/ and store/ on arm64, compiled by Debian's cross compiler and run under qemu-user.
set -eu -o pipefail
cd "$(dirname "$0")/../.."

# Of these qemu-user (7.2) does not do what they test: MADV_DONTFORK, MADV_POPULATE_WRITE and mincore; RLIMIT_AS;
# running the program once more (death tests); and a process without an exit signal, in place of which there is one with
# SIGCHLD (clone_test).
beyond_qemu='DeathTest|^Arena\.(ARefusedReservation|WhereFewer|ChildrenSeeIt)|^PageWork\.|^PageKeeper\.(PopulatesAhead|WhatTheKernelRefuses)'
beyond_qemu+='|^ScratchMapping\.IsZeroAndHidden|^SnapshotTest\.IsNotSeen'

build() {  # build FOLDER TARGET CMAKE-OPTION...
  local folder=$1 target=$2
  shift 2
  cmake -S native -B "$folder" -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_FLAGS=-O1 "$@"
  cmake --build "$folder" -j "$(nproc)" --target "$target"
}

build build/locks lock_tests
ctest --test-dir build/locks --output-on-failure -j 2 -R '^locks_'
build build/arm64 arm64_tests --toolchain "$PWD/native/testing/arm64.cmake"
ctest --test-dir build/arm64 --output-on-failure -j 2 --timeout 200 -E "_NOT_BUILT|$beyond_qemu"
