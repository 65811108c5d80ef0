# Part of tests/targets.sh: a page that predicts, in headless Chromium; what it shows is what this machine predicts.

# The kernels for pages, to target/targets/browser: also the documented way to build them.
module() {
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS=-Ctarget-feature=+simd128 CARGO_TARGET_DIR=$target/targets/browser \
        "${cargo[@]}" build --release "${std[@]}" --target wasm32-unknown-unknown --manifest-path tests/browser/Cargo.toml
}

browser() {
    local gone start=$SECONDS log=$work/browser.log page=$work/page.html folder=$work/browser table=$work/browser.table bits
    local wasm=$target/targets/browser/wasm32-unknown-unknown/release/browser.wasm
    gone=$(missing node "${CHROMIUM:-chromium}")
    if [[ $gone ]]; then skip browser "no $gone"; return; fi
    if ! standard_library wasm32-unknown-unknown std,panic_abort; then
        skip browser "no standard library: rustup target add wasm32-unknown-unknown, or tests/targets/install.sh"
        return
    fi
    {
        module && program &&
            "$zoometry" train --dataset glyphs --models 60 --epochs 1 --set train_fraction=0.1 --out "$work/pages.safetensors" &&
            "$zoometry" fit "$work/pages.safetensors" --param n_estimators=100 --compact "$table" --compact-kb 16 &&
            "$zoometry" export "$work/pages.safetensors" "$page" --page "$table" --wasm "$wasm" &&
            "$zoometry" export "$work/pages.safetensors" "$folder" --firmware "$table" --run 7 &&
            "$zoometry" export "$work/pages.safetensors" "$work/network.safetensors" --torch --run 7 &&
            bits=$(sed -n 's/^predicted //p' "$folder/expected.txt") &&
            RUN=7 timeout 300 node tests/browser/check.mjs "$page" "$work/network.safetensors" "$bits" "$work/pages.safetensors" "$table" &&
            [[ $(stat -c %s "$page") -le 600000 ]]
    } > "$log" 2>&1
    local status=$?
    if [[ $status = 0 ]]; then
        row browser portable 3 $((SECONDS - start)) "$(stat -c %s "$wasm") bytes of kernels, a page of $(stat -c %s "$page"): the same bits"
    else
        failed=1
        tail -n 20 "$log" >&2
        row browser - 0 $((SECONDS - start)) "FAILED ($status)"
    fi
}
browser
