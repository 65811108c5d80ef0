#!/usr/bin/env bash
# Fetches what tests/targets.sh needs on Debian, where rustup's other targets cannot be had: emulators, linkers and C libraries by
# apt, and the sources of Rust's standard library from Debian, into a copy of the toolchain below target/ (hard links).
# `install.sh [TARGET…]`: what these targets need, else all.
# Who has rustup's targets (`rustup target add …`) or its sources (`rustup component add rust-src`) needs the first part alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
[[ $# -gt 0 ]] || set -- no-avx i686 aarch64 armv7 riscv64 s390x wasm32 thumbv7em browser
packages=(qemu-user-static)
for target; do
    case $target in
    i686) packages+=(gcc-i686-linux-gnu libc6-dev-i386-cross) ;;
    aarch64*) packages+=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross) ;;
    armv7) packages+=(gcc-arm-linux-gnueabihf libc6-dev-armhf-cross) ;;
    riscv64) packages+=(gcc-riscv64-linux-gnu libc6-dev-riscv64-cross) ;;
    s390x) packages+=(gcc-s390x-linux-gnu libc6-dev-s390x-cross) ;;
    wasm32*) packages+=(wasi-libc) && { command -v node > /dev/null || packages+=(nodejs); } ;;
    thumbv7em) packages+=(qemu-system-arm) ;;
    browser) packages+=(chromium) && { command -v node > /dev/null || packages+=(nodejs); } ;;
    esac
done
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}"

sysroot=$(rustc --print sysroot)
[[ -d $sysroot/lib/rustlib/src/rust/library ]] && exit
toolchain=$PWD/target/toolchain
[[ -d $toolchain/lib/rustlib/src/rust/library ]] && exit
version=$(rustc --version | cut -d' ' -f2)
pool=http://deb.debian.org/debian
packages=$(curl -sSf "$pool/dists/trixie-backports/main/binary-all/Packages.xz" | xz -dc |
    awk -v RS= -v version="$version" '/^Package: rust-src\n/ && $0 ~ "\nVersion: " version "[+-]"')
file=$(sed -n 's/^Filename: //p' <<< "$packages")
sum=$(sed -n 's/^SHA256: //p' <<< "$packages")
[[ $file ]] || { echo "Debian has no sources of Rust $version" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
curl -sSf "$pool/$file" -o "$work/rust-src.deb"
sha256sum --check --quiet <<< "$sum  $work/rust-src.deb"
dpkg-deb -x "$work/rust-src.deb" "$work/src"
mkdir -p "$toolchain"
cp -al "$sysroot/." "$toolchain/" 2> /dev/null || cp -a "$sysroot/." "$toolchain/"
mkdir -p "$toolchain/lib/rustlib/src/rust"
cp -a "$work"/src/usr/src/rustc-*/library "$toolchain/lib/rustlib/src/rust/"
