# Part of tests/targets.sh: what a 64-bit ARM machine trains, fits and predicts has the bytes of what this one does.

# The verbs, small: steps ZOOMETRY… FOLDER
steps() {
    local folder=${!#}
    set -- "${@:1:$#-1}"
    mkdir -p "$folder"
    # two convolutions, evaluated once: the other machine is an emulated one
    "$@" train --dataset glyphs --models 12 --epochs 1 --checkpoints 1 --seed 5 --set train_fraction=0.1 --set layers=16s4,16s2 \
        --out "$folder/zoo.safetensors" &&
        "$@" fit "$folder/zoo.safetensors" --param n_estimators=30 --out "$folder/model.safetensors" > /dev/null &&
        "$@" predict "$folder/model.safetensors" "$folder/zoo.safetensors" > "$folder/predicted.csv"
}

bytes() {
    local triple=aarch64-unknown-linux-gnu gone start=$SECONDS log=$work/bytes.log features=(--no-default-features --features full)
    gone=$(missing qemu-aarch64-static aarch64-linux-gnu-gcc)
    if [[ $gone ]]; then skip aarch64-bytes "no $gone"; return; fi
    if ! standard_library $triple std,panic_abort; then
        skip aarch64-bytes "no standard library: rustup target add $triple, or tests/targets/install.sh"
        return
    fi
    local there="qemu-aarch64-static -L /usr/aarch64-linux-gnu $target/targets/aarch64/$triple/debug/zoometry"
    {
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc CARGO_TARGET_DIR=$target/targets/aarch64 \
            CARGO_PROFILE_DEV_DEBUG=0 "${cargo[@]}" build "${features[@]}" "${std[@]}" --target $triple &&
            program && steps "$zoometry" "$work/here" &&
            steps timeout 900 $there "$work/there" && for file in zoo.safetensors model.safetensors predicted.csv; do
                cmp "$work/here/$file" "$work/there/$file" || exit 1
            done
    } > "$log" 2>&1
    local status=$?
    if [[ $status = 0 ]]; then
        row aarch64-bytes "$(uname -m)=neon" 3 $((SECONDS - start)) 'zoo, predictor and predictions have the same bytes'
    else
        failed=1
        tail -n 20 "$log" >&2
        row aarch64-bytes - 0 $((SECONDS - start)) "FAILED ($status)"
    fi
}
bytes
