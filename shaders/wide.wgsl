/// The 64-bit product of two words: high half, low half. WGSL has no wide multiplication, 16-bit
/// halves have.
fn wide(a: u32, b: u32) -> vec2u {
    let a0 = a & 0xffffu;
    let a1 = a >> 16u;
    let b0 = b & 0xffffu;
    let b1 = b >> 16u;
    let low = a0 * b0;
    let middle = a1 * b0 + (low >> 16u);        // at most (2^16-1)^2 + 2^16-1: no carry is lost
    let other = a0 * b1 + (middle & 0xffffu);
    return vec2u(a1 * b1 + (middle >> 16u) + (other >> 16u), a * b);
}

