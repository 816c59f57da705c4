//! Attention on slices is attention by tensor operations.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::oracle::{NAMES, Oracle};
use crate::model::local::attention::{Attention, BLOCK, Cache, Pack, Past, Projected};

fn numbers(heads: usize, rows: usize, dim: usize, salt: usize) -> Tensor {
    let values: Vec<f32> = (0..heads * rows * dim)
        .map(|i| ((i + salt) * 7919 % 1009) as f32 / 250.0 - 2.0)
        .collect();
    Tensor::from_vec(values, (heads, rows, dim), &Device::Cpu).unwrap()
}

/// Alone, behind a shared beginning, in chains, longer than a block, and after caches.
fn pack() -> Pack {
    let mut pack = Pack::default();
    let mut push = |length, past| pack.push(&vec![0; length], 0, past);
    push(1, Past::Empty);
    let shared = push(9, Past::Empty);
    let prompt = push(5, Past::Segment(shared));
    for length in [1, 3, 7, BLOCK - 5, 2, BLOCK + 4] {
        push(length, Past::Segment(prompt));
    }
    push(2, Past::Segment(shared));
    push(2 * BLOCK + 1, Past::Empty);
    for (cache, length) in [1, 6, 1, 1, 2].into_iter().enumerate() {
        push(length, Past::Cache(cache));
    }
    pack
}

#[test]
fn slices_and_tensors_attend_alike() {
    let pack = pack();
    let rows = pack.tokens.len();
    for name in NAMES {
        let model = Oracle::read(name).open_directory();
        let decoder = model.decoder();
        let spec = decoder.spec();
        let projected = Projected {
            q: numbers(spec.heads, rows, spec.head_dim, 1),
            k: numbers(spec.kv_heads, rows, spec.head_dim, 2),
            v: numbers(spec.kv_heads, rows, spec.head_dim, 3),
        };
        for (number, layer) in spec.layers.iter().enumerate() {
            let attention = Attention {
                spec,
                layer: *layer,
                number,
            };
            let filled = |mut cache: Cache, past| {
                let kept = numbers(spec.kv_heads, 30, spec.head_dim, past);
                cache.fill(&kept, past);
                cache
            };
            let empty = || Cache::new(spec, 30, &Device::Cpu).unwrap();
            // The last two share what they begin with.
            let shared = Arc::new(filled(empty(), 11));
            let behind = || Cache::behind(&shared, spec, 30).unwrap();
            let mut caches = vec![
                filled(empty(), 4),
                empty(),
                filled(empty(), 20),
                filled(behind(), 3),
                behind(),
            ];
            let plain = attention.plain(&pack, &projected, &mut caches).unwrap();
            let slices = attention.forward(&pack, &projected, &mut caches).unwrap();
            let difference = (plain - slices).unwrap().abs().unwrap();
            let worst = difference.flatten_all().unwrap().max(0).unwrap();
            let worst = worst.to_scalar::<f32>().unwrap();
            assert!(worst < 2e-5, "{name}, layer {number}: {worst}");
        }
    }
}
