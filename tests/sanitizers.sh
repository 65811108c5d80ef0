#!/usr/bin/env bash
# The long checks of memory and threads, by hand: the kernels' tests and the library's own under AddressSanitizer and
# ThreadSanitizer, and what of the portable kernels' tests an interpreter can do under Miri.
#
#   tests/sanitizers.sh [address|thread|miri]…        all three, if none is named
#
# address: the stable compiler. thread: also the sources of its standard library (`rustup component add rust-src`), which is built
# with it. miri: `rustup +nightly component add miri rust-src`.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(rustc -vV | sed -n 's/^host: //p')
build=${CARGO_TARGET_DIR:-target}/sanitizers

# sanitized NAME CARGO'S FLAGS…: the tests, as the stable compiler builds them with an unstable flag
sanitized() {
    local name=$1
    shift
    export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=$name" CARGO_TARGET_DIR=$build/$name
    # the sanitizer's own work is what takes time: kernels optimised as usual only take longer to build
    export CARGO_PROFILE_DEV_OPT_LEVEL=1 ZOOMETRY_NEED= PROPTEST_CASES=${PROPTEST_CASES:-16}
    # the catalog of the bench keeps its plans as long as the program runs, which is all that is never freed
    export ASAN_OPTIONS=detect_leaks=0
    cargo test -p zoometry-kernels --lib --tests --no-fail-fast --target "$target" "$@"
    cargo test -p zoometry --lib --no-default-features --features full --no-fail-fast --target "$target" "$@"
}

for check in "${@:-address thread miri}"; do
    for name in $check; do
        case $name in
        address) (sanitized address) ;;
        thread) (sanitized thread -Zbuild-std) ;;
        miri)
            CARGO_TARGET_DIR=$build/miri MIRIFLAGS=-Zmiri-disable-isolation \
                cargo +nightly miri test -p zoometry-kernels --test simd --test simd_double --test tile --no-fail-fast
            ;;
        *) echo "unknown check $name" >&2; exit 2 ;;
        esac
    done
done
