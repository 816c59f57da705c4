//! The number formats of GGUF (ggml.h, `enum ggml_type`; ggml-common.h), with what a block takes.

/// A number format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Format {
    /// Its name in ggml.
    pub(super) name: &'static str,
    /// Values of a block.
    pub(super) values: u64,
    /// Bytes of a block.
    pub(super) bytes: u64,
}

impl Format {
    /// The format of a number. None if llama.cpp does not read it either, as far as is known here.
    pub(super) fn numbered(number: u32) -> Option<Self> {
        let (name, values, bytes) = match number {
            0 => ("F32", 1, 4),
            1 => ("F16", 1, 2),
            2 => ("Q4_0", 32, 18),
            3 => ("Q4_1", 32, 20),
            6 => ("Q5_0", 32, 22),
            7 => ("Q5_1", 32, 24),
            8 => ("Q8_0", 32, 34),
            9 => ("Q8_1", 32, 36),
            10 => ("Q2_K", 256, 84),
            11 => ("Q3_K", 256, 110),
            12 => ("Q4_K", 256, 144),
            13 => ("Q5_K", 256, 176),
            14 => ("Q6_K", 256, 210),
            15 => ("Q8_K", 256, 292),
            16 => ("IQ2_XXS", 256, 66),
            17 => ("IQ2_XS", 256, 74),
            18 => ("IQ3_XXS", 256, 98),
            19 => ("IQ1_S", 256, 50),
            20 => ("IQ4_NL", 32, 18),
            21 => ("IQ3_S", 256, 110),
            22 => ("IQ2_S", 256, 82),
            23 => ("IQ4_XS", 256, 136),
            24 => ("I8", 1, 1),
            25 => ("I16", 1, 2),
            26 => ("I32", 1, 4),
            27 => ("I64", 1, 8),
            28 => ("F64", 1, 8),
            29 => ("IQ1_M", 256, 56),
            30 => ("BF16", 1, 2),
            34 => ("TQ1_0", 256, 54),
            35 => ("TQ2_0", 256, 66),
            39 => ("MXFP4", 32, 17),
            40 => ("NVFP4", 64, 36),
            _ => return None,
        };
        Some(Self {
            name,
            values,
            bytes,
        })
    }

    /// The bytes of a tensor whose rows have so many values. None if a row is no whole number of blocks, or nothing
    /// could hold it.
    pub(super) fn size(self, columns: u64, rows: u64) -> Option<u64> {
        if !columns.is_multiple_of(self.values) {
            return None;
        }
        (columns / self.values)
            .checked_mul(self.bytes)?
            .checked_mul(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_whole_blocks() {
        let q4 = Format::numbered(12).unwrap();
        assert_eq!(q4.size(512, 3), Some(2 * 144 * 3));
        assert_eq!(q4.size(500, 3), None);
        assert_eq!(Format::numbered(0).unwrap().size(u64::MAX, 2), None);
        assert_eq!(Format::numbered(4), None);
    }
}
