#!/usr/bin/env bash
# Runs the kernels' tests on processors that this machine is not, and prints a table.
#
#   tests/targets.sh [TARGET…]        all, or: no-avx i686 aarch64 armv7 riscv64 s390x wasm32 wasm32-simd thumbv7em browser
#                                     aarch64-bytes
#
# What is not there is skipped and named; a target in ZOOMETRY_NEED, separated by commas, fails instead. tests/targets/install.sh
# fetches what is needed on Debian; otherwise qemu-user-static, qemu-system-arm, cross compilers, Node 20, and `rustup target add`.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD target=${CARGO_TARGET_DIR:-$PWD/target}
[[ $target = /* ]] || target=$PWD/$target
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rows=() failed=0

# row TARGET ISAS PASSED SECONDS REMARK
row() { rows+=("$(printf '%-14s %-18s %6s %7s  %s' "$@")"); }

# skip TARGET WHY
skip() {
    row "$1" - - - "SKIPPED: $2"
    if [[ ,${ZOOMETRY_NEED:-}, = *,$1,* ]]; then failed=1; echo "ZOOMETRY_NEED: $1 cannot be tested: $2" >&2; fi
}

# there COMMAND…: the first command that is missing
missing() { for command; do command -v "$command" > /dev/null || { echo "$command"; return; }; done; }

# Chooses how the standard library of a target is had: sets cargo, std. Fails where there is none.
standard_library() { # TRIPLE CRATES
    cargo=(cargo) std=()
    local sysroot copy=$target/toolchain
    sysroot=$(rustc --print sysroot)
    [[ -d $sysroot/lib/rustlib/$1/lib ]] && return
    std=("-Zbuild-std=$2")
    if [[ -d $sysroot/lib/rustlib/src/rust/library ]]; then
        cargo=(env RUSTC_BOOTSTRAP=1 cargo)
    elif [[ -d $copy/lib/rustlib/src/rust/library ]]; then
        cargo=(env RUSTC_BOOTSTRAP=1 "PATH=$copy/bin:$PATH" "$copy/bin/cargo")
    else
        return 1
    fi
}

# Reads a log of cargo test, adds a row.
judge() { # TARGET LOG STATUS SECONDS
    local passed ignored isas
    passed=$(grep -c '^test .* \.\.\. ok$' "$2")
    ignored=$(grep -c '^test .* \.\.\. ignored' "$2")
    isas=$(sed -n 's/.*ISA \([a-z0-9]*\): tested.*/\1/p' "$2.isa" | sort -u | paste -sd+)
    if [[ $3 = 0 && $passed -gt 0 ]]; then
        row "$1" "${isas:--}" "$passed" "$4" "$ignored ignored"
    else
        failed=1
        tail -n 40 "$2" >&2
        row "$1" "${isas:--}" "$passed" "$4" "FAILED ($3)"
    fi
}

# Runs a cargo test: first the one that tells which ISAs there are, to a log of its own.
both='log=$1; shift; "$@" --test isa -- --nocapture > "$log.isa" 2>&1 || { cat "$log.isa"; exit 1; }; exec "$@" --no-fail-fast'

# Builds and runs the kernels' tests: kernels TARGET TRIPLE RUNNER LINKER RUSTFLAGS
kernels() {
    local name=$1 triple=$2 runner=$3 linker=$4 flags=$5 log=$work/$1.log start=$SECONDS gone upper
    # shellcheck disable=SC2086
    gone=$(missing ${runner%% *} $linker)
    if [[ $gone ]]; then skip "$name" "no $gone"; return; fi
    if ! standard_library "$triple" std,panic_abort,test; then
        skip "$name" "no standard library: rustup target add $triple, or tests/targets/install.sh"
        return
    fi
    upper=${triple//-/_}
    env "CARGO_TARGET_${upper^^}_RUNNER=timeout 900 $runner" ${linker:+"CARGO_TARGET_${upper^^}_LINKER=$linker"} \
        ${flags:+"CARGO_TARGET_${upper^^}_RUSTFLAGS=$flags"} "CARGO_TARGET_DIR=$target/targets/$name" CARGO_PROFILE_DEV_DEBUG=0 ZOOMETRY_NEED= \
        bash -c "$both" - "$log" "${cargo[@]}" test -p zoometry-kernels --lib --tests "${std[@]}" --target "$triple" > "$log" 2>&1
    judge "$name" "$log" $? $((SECONDS - start))
}

no_avx() { # the tests that `cargo test` built, on a processor of 2008
    local log=$work/no-avx.log start=$SECONDS
    if [[ $(uname -m) != x86_64 ]]; then skip no-avx "this machine is no x86-64"; return; fi
    if [[ $(missing qemu-x86_64-static) ]]; then skip no-avx "no qemu-x86_64-static"; return; fi
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER='timeout 900 qemu-x86_64-static -cpu Nehalem' ZOOMETRY_NEED='' \
        bash -c "$both" - "$log" cargo test -p zoometry-kernels > "$log" 2>&1
    local status=$?
    if grep -q 'ISA avx[0-9]*: tested' "$log.isa"; then status='AVX was detected'; fi
    judge no-avx "$log" "$status" $((SECONDS - start))
}

# The program of this machine, which is built unless $ZOOMETRY names it.
program() {
    zoometry=${ZOOMETRY:-$target/debug/zoometry}
    [[ ${ZOOMETRY:-} ]] || cargo build
}

wasm() { # NAME FLAGS: tests are programs of WASI; Debian's library of it takes the place of the one that rustup has
    local flags=$2 library=/usr/lib/wasm32-wasi
    if [[ -d $library && ! -d $(rustc --print sysroot)/lib/rustlib/wasm32-wasip1/lib ]]; then
        flags+=" -Clink-self-contained=no -Clink-arg=-L$library -Clink-arg=$library/crt1-command.o -Clink-arg=-lc"
    fi
    kernels "$1" wasm32-wasip1 "node --no-warnings $root/tests/targets/wasi.mjs" '' "$flags"
}

one() { # TARGET
    local arm=arm-linux-gnueabihf x86=/usr/i686-linux-gnu/lib
    case $1 in
    no-avx) no_avx ;;
    i686) kernels i686 i686-unknown-linux-gnu "$x86/ld-linux.so.2 --library-path $x86" i686-linux-gnu-gcc '' ;;
    aarch64) kernels aarch64 aarch64-unknown-linux-gnu 'qemu-aarch64-static -L /usr/aarch64-linux-gnu' aarch64-linux-gnu-gcc '' ;;
    # without its NEON, which takes subnormal numbers for zero: quantiles would not be those of other machines
    armv7) kernels armv7 armv7-unknown-linux-gnueabihf "qemu-arm-static -L /usr/$arm" $arm-gcc '' ;;
    riscv64)
        kernels riscv64 riscv64gc-unknown-linux-gnu 'qemu-riscv64-static -L /usr/riscv64-linux-gnu' riscv64-linux-gnu-gcc ''
        ;;
    s390x) kernels s390x s390x-unknown-linux-gnu 'qemu-s390x-static -L /usr/s390x-linux-gnu' s390x-linux-gnu-gcc '' ;;
    wasm32) wasm wasm32 '' ;;
    wasm32-simd) wasm wasm32-simd '-Ctarget-feature=+simd128' ;;
    thumbv7em) source tests/targets/firmware.sh ;;
    browser) source tests/targets/browser.sh ;;
    aarch64-bytes) source tests/targets/bytes.sh ;;
    *) echo "unknown target $1" >&2; exit 2 ;;
    esac
}

main() { # TARGET…
    [[ $# -gt 0 ]] || set -- no-avx i686 aarch64 armv7 riscv64 s390x wasm32 wasm32-simd thumbv7em browser aarch64-bytes
    for name; do
        echo "=== $name" >&2
        one "$name"
    done
    printf '\n%-14s %-18s %6s %7s  %s\n' target ISA tests seconds ''
    printf '%s\n' "${rows[@]}"
    exit $failed
}
main "$@"
