# Part of tests/targets.sh: the kernels on a Cortex-M4 without an operating system; what it predicts is what the desktop does.

firmware() {
    local triple=thumbv7em-none-eabihf gone start=$SECONDS log=$work/firmware.log
    gone=$(missing qemu-system-arm)
    if [[ $gone ]]; then skip thumbv7em "no $gone"; return; fi
    if ! standard_library $triple core; then
        skip thumbv7em "no standard library: rustup target add $triple, or tests/targets/install.sh"
        return
    fi
    {
        program &&
            "$zoometry" train --dataset glyphs --models 60 --epochs 1 --set train_fraction=0.1 --out "$work/zoo.safetensors" &&
            "$zoometry" fit "$work/zoo.safetensors" --param n_estimators=100 --compact "$work/table" --compact-kb 16 &&
            "$zoometry" export "$work/zoo.safetensors" "$work/firmware" --firmware "$work/table" --run 7 &&
            (cd tests/firmware && ZOOMETRY_FIRMWARE=$work/firmware CARGO_TARGET_DIR=$target/targets/thumbv7em \
                "${cargo[@]}" run --release "${std[@]}" --target $triple) > "$work/firmware.out" && cat "$work/firmware.out" &&
            [[ $(grep -cxFf "$work/firmware/expected.txt" "$work/firmware.out") = $(wc -l < "$work/firmware/expected.txt") ]] &&
            [[ $(grep -c '^guard sound' "$work/firmware.out") = 2 && $(grep -c '^guard changed' "$work/firmware.out") = 3 ]] &&
            grep -qx 'logits same' "$work/firmware.out"
    } > "$log" 2>&1
    local status=$?
    cat "$work/firmware.out" >&2
    if [[ $status = 0 ]]; then
        # the numbers that are expected, five looks of the guard, the logits
        row thumbv7em portable $(($(wc -l < "$work/firmware/expected.txt") + 6)) $((SECONDS - start)) 'predicts and probes to the same bits as this machine, notices flipped bits'
    else
        failed=1
        tail -n 20 "$log" >&2
        row thumbv7em - 0 $((SECONDS - start)) "FAILED ($status)"
    fi
}
firmware
