//! From the number formats in which weights are stored to f32.
//!
//! The formats are those of GGUF (ggml's `ggml-common.h` defines the blocks) beside the plain ones of
//! safetensors. A value is computed by the operations of the reference, in their order, so it is the same
//! to the last bit. The loops are plain Rust that the compiler vectorises for the instruction set of its
//! caller.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined is not compiled for the instruction set picked"
)]

/// The blocks of `N` values, stored in `B` bytes each, with room for their values.
#[inline(always)]
fn blocks<'a, const B: usize, const N: usize>(
    bytes: &'a [u8],
    out: &'a mut [f32],
) -> impl Iterator<Item = (&'a [u8; B], &'a mut [f32; N])> {
    let (stored, room) = (bytes.as_chunks().0, out.as_chunks_mut().0);
    stored.iter().map(apart).zip(room)
}

/// The same, but unknown to the compiler, which would else vectorise over blocks, collecting bytes one by
/// one, and not within a block (four times slower).
#[inline(always)]
fn apart<T>(value: T) -> T {
    std::hint::black_box(value)
}

#[inline(always)]
fn half(bytes: &[u8], at: usize) -> f32 {
    from_half(u16::from_le_bytes(part(bytes, at)))
}

/// The value of a 16-bit IEEE number.
#[inline(always)]
fn from_half(bits: u16) -> f32 {
    // Exponents are counted from 15 there and from 127 here; the highest one marks what is not finite.
    const SHIFT: u32 = (127 - 15) << 23;
    const SMALLEST: f32 = 1.0 / 16_777_216.0;
    let magnitude = u32::from(bits & 0x7fff) << 13;
    let normal = match bits & 0x7c00 {
        0x7c00 => magnitude + 2 * SHIFT,
        _ => magnitude + SHIFT,
    };
    let subnormal = (f32::from(bits & 0x03ff) * SMALLEST).to_bits();
    let value = if bits & 0x7c00 == 0 {
        subnormal
    } else {
        normal
    };
    f32::from_bits(value | u32::from(bits & 0x8000) << 16)
}

#[inline(always)]
pub(super) fn f32(bytes: &[u8], out: &mut [f32]) {
    for (stored, out) in bytes.as_chunks().0.iter().zip(out) {
        *out = f32::from_le_bytes(*stored);
    }
}

#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounded, as arithmetic in f32 takes it"
)]
pub(super) fn f64(bytes: &[u8], out: &mut [f32]) {
    for (stored, out) in bytes.as_chunks().0.iter().zip(out) {
        *out = f64::from_le_bytes(*stored) as f32;
    }
}

#[inline(always)]
pub(super) fn f16(bytes: &[u8], out: &mut [f32]) {
    for (stored, out) in bytes.as_chunks().0.iter().zip(out) {
        *out = from_half(u16::from_le_bytes(*stored));
    }
}

#[inline(always)]
pub(super) fn bf16(bytes: &[u8], out: &mut [f32]) {
    for (stored, out) in bytes.as_chunks().0.iter().zip(out) {
        *out = f32::from_bits(u32::from(u16::from_le_bytes(*stored)) << 16);
    }
}

/// A copy of some bytes of a block: of a copy the compiler knows that it is not written to meanwhile.
#[inline(always)]
fn part<const N: usize>(stored: &[u8], at: usize) -> [u8; N] {
    stored[at..at + N].as_chunks().0[0]
}

#[inline(always)]
fn word(stored: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(part(stored, at))
}

/// Sixteen bytes of two 4-bit values each: first all low ones, then all high ones.
#[inline(always)]
fn nibbles(packed: [u8; 16]) -> [u8; 32] {
    let mut values = [0; 32];
    for i in 0..16 {
        values[i] = packed[i] & 15;
        values[i + 16] = packed[i] >> 4;
    }
    values
}

/// The same with a fifth bit above each value.
#[inline(always)]
fn five_bits(packed: [u8; 16], high: u32) -> [u8; 32] {
    let mut values = nibbles(packed);
    for (i, value) in values.iter_mut().enumerate() {
        *value |= (high >> i & 1) as u8 * 16;
    }
    values
}

#[inline(always)]
pub(super) fn q4_0(bytes: &[u8], out: &mut [f32]) {
    for (stored, out) in blocks::<18, 32>(bytes, out) {
        let scale = half(stored, 0);
        let values = nibbles(part(stored, 2));
        for i in 0..32 {
            out[i] = (f32::from(values[i]) - 8.0) * scale;
        }
    }
}

#[inline(always)]
pub(super) fn q4_1(bytes: &[u8], out: &mut [f32]) {
    for (stored, out) in blocks::<20, 32>(bytes, out) {
        let (scale, least) = (half(stored, 0), half(stored, 2));
        let values = nibbles(part(stored, 4));
        for i in 0..32 {
            out[i] = f32::from(values[i]) * scale + least;
        }
    }
}

#[inline(always)]
pub(super) fn q5_0(bytes: &[u8], out: &mut [f32]) {
    for (stored, out) in blocks::<22, 32>(bytes, out) {
        let scale = half(stored, 0);
        let values = five_bits(part(stored, 6), word(stored, 2));
        for i in 0..32 {
            out[i] = (f32::from(values[i]) - 16.0) * scale;
        }
    }
}

#[inline(always)]
pub(super) fn q5_1(bytes: &[u8], out: &mut [f32]) {
    for (stored, out) in blocks::<24, 32>(bytes, out) {
        let (scale, least) = (half(stored, 0), half(stored, 2));
        let values = five_bits(part(stored, 8), word(stored, 4));
        for i in 0..32 {
            out[i] = f32::from(values[i]) * scale + least;
        }
    }
}

#[inline(always)]
fn bytes_times<const N: usize>(bytes: [u8; N], scale: f32, out: &mut [f32; N]) {
    for i in 0..N {
        out[i] = f32::from(bytes[i].cast_signed()) * scale;
    }
}

#[inline(always)]
pub(super) fn q8_0(bytes: &[u8], out: &mut [f32]) {
    for (stored, out) in blocks::<34, 32>(bytes, out) {
        bytes_times(part(stored, 2), half(stored, 0), out);
    }
}

/// As `q8_0`; a sum of the block stands between its scale and its values.
#[inline(always)]
pub(super) fn q8_1(bytes: &[u8], out: &mut [f32]) {
    for (stored, out) in blocks::<36, 32>(bytes, out) {
        bytes_times(part(stored, 4), half(stored, 0), out);
    }
}

/// A sum for every sixteen values stands behind them.
#[inline(always)]
pub(super) fn q8_k(bytes: &[u8], out: &mut [f32]) {
    for (stored, out) in blocks::<292, 256>(bytes, out) {
        bytes_times(part(stored, 4), f32::from_bits(word(stored, 0)), out);
    }
}

/// One of two values for each half of 32: loops over 32 values are vectorised, loops over 16 are not.
#[inline(always)]
fn halves(of: impl Fn(usize) -> f32) -> [f32; 32] {
    let [low, high] = [of(0), of(1)];
    std::array::from_fn(|i| if i < 16 { low } else { high })
}

/// Sixteen runs of 16 values of 2 bits, each run with a scale and a least value of 4 bits.
#[inline(always)]
pub(super) fn q2_k(bytes: &[u8], out: &mut [f32]) {
    for (stored, out) in blocks::<84, 256>(bytes, out) {
        let (scale, least) = (half(stored, 80), half(stored, 82));
        for (pair, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let stored = apart(stored);
            let scales = halves(|run| scale * f32::from(stored[2 * pair + run] & 15));
            let least = halves(|run| least * f32::from(stored[2 * pair + run] >> 4));
            let values: [u8; 32] = part(stored, 16 + pair / 4 * 32);
            let shift = pair % 4 * 2;
            for i in 0..32 {
                out[i] = scales[i] * f32::from(values[i] >> shift & 3) - least[i];
            }
        }
    }
}

/// As `q2_k`, with scales of 6 bits, and a third bit of each value by itself.
#[inline(always)]
pub(super) fn q3_k(bytes: &[u8], out: &mut [f32]) {
    for (stored, out) in blocks::<110, 256>(bytes, out) {
        let scale = half(stored, 108);
        for (pair, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let stored = apart(stored);
            let packed: [u8; 12] = part(stored, 96);
            let scales = halves(|run| {
                let run = 2 * pair + run;
                let low = packed[run % 8] >> (run / 8 * 4) & 15;
                let high = packed[8 + run % 4] >> (run / 4 * 2) & 3;
                scale * (f32::from(low | high << 4) - 32.0)
            });
            let values: [u8; 32] = part(stored, 32 + pair / 4 * 32);
            let third: [u8; 32] = part(stored, 0);
            let shift = pair % 4 * 2;
            for i in 0..32 {
                let value = values[i] >> shift & 3 | (third[i] >> pair & 1) << 2;
                out[i] = scales[i] * (f32::from(value) - 4.0);
            }
        }
    }
}

/// The scale and the least value, 6 bits each, of one of eight runs (`get_scale_min_k4` of the reference).
#[inline(always)]
fn scale_and_least(packed: &[u8], run: usize) -> (f32, f32) {
    let (scale, least) = if run < 4 {
        (packed[run] & 63, packed[run + 4] & 63)
    } else {
        (
            packed[run + 4] & 15 | packed[run - 4] >> 6 << 4,
            packed[run + 4] >> 4 | packed[run] >> 6 << 4,
        )
    };
    (f32::from(scale), f32::from(least))
}

/// Eight runs of 32 values of 4 bits, two runs in the same bytes.
#[inline(always)]
pub(super) fn q4_k(bytes: &[u8], out: &mut [f32]) {
    for (stored, out) in blocks::<144, 256>(bytes, out) {
        let (scale, least) = (half(stored, 0), half(stored, 2));
        for (run, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let stored = apart(stored);
            let (s, l) = scale_and_least(&stored[4..16], run);
            let (scale, least) = (scale * s, least * l);
            let shift = run % 2 * 4;
            let values: [u8; 32] = part(stored, 16 + run / 2 * 32);
            for i in 0..32 {
                out[i] = scale * f32::from(values[i] >> shift & 15) - least;
            }
        }
    }
}

/// As `q4_k`, with a fifth bit of each value by itself.
#[inline(always)]
pub(super) fn q5_k(bytes: &[u8], out: &mut [f32]) {
    for (stored, out) in blocks::<176, 256>(bytes, out) {
        let (scale, least) = (half(stored, 0), half(stored, 2));
        for (run, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let stored = apart(stored);
            let (s, l) = scale_and_least(&stored[4..16], run);
            let (scale, least) = (scale * s, least * l);
            let shift = run % 2 * 4;
            let values: [u8; 32] = part(stored, 48 + run / 2 * 32);
            let fifth: [u8; 32] = part(stored, 16);
            for i in 0..32 {
                let value = values[i] >> shift & 15 | (fifth[i] >> run & 1) << 4;
                out[i] = scale * f32::from(value) - least;
            }
        }
    }
}

/// Sixteen runs of 16 values of 6 bits, four of them and two apart, each run with a scale of 8 bits.
#[inline(always)]
pub(super) fn q6_k(bytes: &[u8], out: &mut [f32]) {
    for (stored, out) in blocks::<210, 256>(bytes, out) {
        let scale = half(stored, 208);
        for (pair, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let stored = apart(stored);
            let scales =
                halves(|run| scale * f32::from(stored[192 + 2 * pair + run].cast_signed()));
            // Halves of 128 values; in each, four quarters share the bytes with the upper two bits.
            let (block, quarter) = (pair / 4, pair % 4);
            let low: [u8; 32] = part(stored, block * 64 + quarter % 2 * 32);
            let high: [u8; 32] = part(stored, 128 + block * 32);
            for i in 0..32 {
                let value = low[i] >> (quarter / 2 * 4) & 15 | (high[i] >> (quarter * 2) & 3) << 4;
                out[i] = scales[i] * (f32::from(value) - 32.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_has_the_value_that_the_library_gives_it() {
        for bits in 0..=u16::MAX {
            let (ours, theirs) = (from_half(bits), ::half::f16::from_bits(bits).to_f32());
            if theirs.is_nan() {
                assert!(ours.is_nan(), "{bits:#x}");
            } else {
                assert_eq!(ours.to_bits(), theirs.to_bits(), "{bits:#x}");
            }
        }
    }
}
