//! The nursery: trains families of tiny Llama-shaped models whose lineage is known.
//!
//! A lineage file is recipe and truth in one: it says which model descends from which, and how to
//! make each of them. The shipped demonstration family came from `models/family/lineage.toml`; a
//! family nobody has seen is one command away:
//!
//! ```text
//! scripts/nursery-data.sh
//! cargo run --release --example nursery -- --lineage models/family/lineage.toml \
//!     --data target/nursery-data --out DIRECTORY --seed-offset 1000
//! ```
//!
//! Parts: [`recipe`] reads the lineage file, [`schedule`] trains what is missing in order of
//! descent, one process a model; [`train`] makes one model from [`data`] with [`model`] and its
//! fused operations ([`ops`], [`attention`], [`loss`]); [`sample`] writes text by a finished model; [`store`] is the form
//! on disk; [`quantise`] writes GGUF; [`surgery`] prunes and merges.

mod attention;
mod data;
mod loss;
mod model;
mod ops;
mod quantise;
mod recipe;
mod sample;
mod schedule;
mod store;
mod surgery;
#[cfg(test)]
mod tests;
mod train;
mod vector;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::recipe::Lineage;

/// What any step may fail with; an example needs no finer error than its text.
type Failure = Box<dyn std::error::Error + Send + Sync>;
/// The result of any step.
type Outcome<T> = Result<T, Failure>;

/// Train a family of tiny language models of known lineage.
#[derive(Debug, Clone, Parser)]
struct Options {
    /// The lineage file: who descends from whom, and how each model is made.
    #[arg(long)]
    lineage: PathBuf,
    /// Where scripts/nursery-data.sh put the real texts.
    #[arg(long, default_value = "target/nursery-data")]
    data: PathBuf,
    /// Where the family goes; finished models found there are kept.
    #[arg(long)]
    out: PathBuf,
    /// Train only these models (their ancestors must be there or named too).
    #[arg(long, value_name = "ID")]
    only: Vec<String>,
    /// Added to every seed: another number gives another family.
    #[arg(long, default_value_t = 0)]
    seed_offset: u64,
    /// Models trained at once, one thread each.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// At most this many steps a model: a quick trial of the machinery.
    #[arg(long)]
    max_steps: Option<usize>,
    /// Train this one model here and now; how the nursery calls itself.
    #[arg(long, hide = true, value_name = "ID")]
    worker: Option<String>,
}

fn run(options: &Options) -> Outcome<()> {
    let lineage = Lineage::read(&options.lineage)?;
    let mut log = io::stderr();
    match &options.worker {
        Some(id) => train::make(options, &lineage, id, &mut log),
        None => schedule::family(options, &lineage, &mut log),
    }
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // The only other writer is the progress log, and it is done by now.
            let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("error: {failure}\n"));
            ExitCode::FAILURE
        }
    }
}
