//! What to say before a model is run that does not fit this machine's memory.

use std::fs;
use std::path::Path;

use super::foreign::stored_bytes;
use super::open::{self, Options};

/// What comes of a model that takes about as much as this machine has memory, or more. None if it fits, or nobody can tell.
pub fn forecast(path: &Path, options: Options) -> Option<String> {
    let memory = total(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let stored = stored_bytes(path);
    if fits(stored, memory) {
        return None;
    }
    Some(words(stored, memory, open::is_mapped(path, options)))
}

/// Bytes of memory, from what Linux tells.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

fn fits(stored: u64, memory: u64) -> bool {
    stored < memory / 10 * 9
}

fn words(stored: u64, memory: u64, mapped: bool) -> String {
    let stored = stored as f64 / 1e9;
    let both = format!(
        "it takes {stored:.0} GB and this machine has {:.0} GB of memory",
        memory as f64 / 1e9
    );
    if !mapped {
        return format!(
            "{both}: it is read into memory, which will not do; of a GGUF file llama.cpp runs what does not fit (feature llamacpp, `--engine llamacpp`)"
        );
    }
    format!(
        "{both}: what does not fit is read from disk again for every batch of up to 512 tokens that are read, and for every token that is written (of a mixture of experts, the experts in use); at 2 GB/s that is up to {:.0} seconds each time",
        stored / 2.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_larger_than_memory_is_told_of() {
        let memory = total("MemTotal:       24000000 kB\nMemFree: 1 kB\n").unwrap();
        assert_eq!(memory, 24_576_000_000);
        assert!(fits(20_000_000_000, memory));
        assert!(!fits(24_000_000_000, memory));
        let told = words(400_000_000_000, memory, true);
        assert!(told.contains("400 GB") && told.contains("up to 200 seconds"));
        assert!(words(400_000_000_000, memory, false).contains("--engine llamacpp"));
        assert_eq!(total("nothing"), None);
    }
}
