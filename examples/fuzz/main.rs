//! Damaged and hostile inputs for everything that reads from outside: `fuzz TARGET --seconds N --seed N`.
//!
//! Each input is a few files: a seed that the repository holds, changed at its bytes, its words or its JSON values, and with
//! lengths, chains and manifests mended most of the time, so that what lies behind them is reached as well. An input that
//! ends in an error not met before becomes a seed too. An input fails if anything panics, if it takes longer than ten
//! seconds of the processor's time or a minute, or if the process comes to hold more than 1 GB. The program ends at the first one that does, and
//! leaves it in `WORK/input`; `fuzz TARGET --replay DIR` runs it again. `scripts/fuzz.py` runs all targets.
//!
//! There is no guidance by coverage: that needs a second build of everything with another compiler.

#[expect(
    dead_code,
    clippy::unwrap_used,
    reason = "the tests of bundles use the rest, and helpers of tests fail by panicking"
)]
#[path = "../../tests/bundle/bench.rs"]
mod bench;
mod corpus;
mod mend;
mod mutate;
mod server;
mod targets;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use corpus::{Files, Seed};
use targets::{Runner, Target};
use watch::Watch;

/// The most inputs that are kept for the errors they ended in.
const KEPT: usize = 4096;

/// Throw damaged inputs at what reads input from outside.
#[derive(Debug, Parser)]
struct Args {
    /// What reads them.
    #[arg(value_enum)]
    target: Target,
    /// For how long.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Where to begin drawing.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A directory of its own; the input that was run last is left there.
    #[arg(long, default_value = "target/fuzz")]
    work: PathBuf,
    /// Run the files of this directory once instead.
    #[arg(long)]
    replay: Option<PathBuf>,
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for developers"
)]
fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(what) => {
            eprintln!("error: {what}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<String, String> {
    let watch = Watch::start();
    let mut runner = Runner::new(args.target, &args.work.join("aside"))?;
    if let Some(input) = &args.replay {
        let outcome = watch.over(|| runner.run(input))?;
        return Ok(format!("{}: {outcome}", args.target.name()));
    }
    let mut bench = Bench {
        target: args.target,
        input: Input::at(&args.work.join("input"))?,
        seeds: args.target.seeds(&args.work.join("aside"))?,
        outcomes: BTreeSet::new(),
    };
    let mut run = |bench: &mut Bench, files: &Files| -> Result<bool, String> {
        bench.input.lay(files)?;
        let outcome = watch.over(|| runner.run(&bench.input.root))?;
        Ok(bench.outcomes.insert(plain(&outcome)))
    };
    let mut inputs = 0_u64;
    for files in bench.seeds.clone() {
        run(&mut bench, &files.files)?;
        inputs += 1;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let first = bench.seeds.len();
    let end = Duration::from_secs(args.seconds);
    while watch::elapsed() < end {
        let seed = bench.next(&mut rng);
        if run(&mut bench, &seed.files)? && bench.seeds.len() < first + KEPT {
            bench.seeds.push(seed);
        }
        inputs += 1;
    }
    Ok(format!(
        "{}: {inputs} inputs from {first} seeds, {} outcomes, {} MB, no fault",
        args.target.name(),
        bench.outcomes.len(),
        watch::peak() >> 20,
    ))
}

/// What inputs are drawn from.
struct Bench {
    target: Target,
    input: Input,
    seeds: Vec<Seed>,
    outcomes: BTreeSet<String>,
}

impl Bench {
    /// A seed with changes.
    fn next(&self, rng: &mut ChaCha8Rng) -> Seed {
        let mut seed = self.seeds.choose(rng).cloned().unwrap_or_default();
        let files: Vec<String> = seed.touched.iter().cloned().collect();
        for _ in 0..rng.random_range(1..4) {
            if let Some(name) = files.choose(rng)
                && let Some(bytes) = seed.files.get_mut(name)
            {
                mutate::file(name, bytes, self.target.words(), rng);
            }
        }
        self.target.mend(&mut seed.files, rng);
        seed
    }
}

/// An outcome without what differs from input to input: numbers, and what stands in quotation marks.
fn plain(outcome: &str) -> String {
    let mut quoted = false;
    let kept = outcome.chars().filter(|c| {
        if *c == '\'' {
            quoted = !quoted;
        }
        !quoted && !c.is_numeric()
    });
    kept.take(300).collect()
}

/// The files of an input on disk.
struct Input {
    root: PathBuf,
    laid: Files,
}

impl Input {
    fn at(root: &Path) -> Result<Self, String> {
        if root.exists() {
            fs::remove_dir_all(root).map_err(|e| said("clear", root, &e))?;
        }
        fs::create_dir_all(root).map_err(|e| said("make", root, &e))?;
        Ok(Self {
            root: root.to_owned(),
            laid: BTreeMap::new(),
        })
    }

    /// Puts files there, and only them; those that stand there are not written again.
    fn lay(&mut self, files: &Files) -> Result<(), String> {
        for name in self.laid.keys().filter(|name| !files.contains_key(*name)) {
            let path = self.root.join(name);
            fs::remove_file(&path).map_err(|e| said("remove", &path, &e))?;
        }
        for (name, bytes) in files {
            if self.laid.get(name) == Some(bytes) {
                continue;
            }
            let path = self.root.join(name);
            fs::create_dir_all(path.parent().unwrap_or(&self.root))
                .and_then(|()| fs::write(&path, bytes))
                .map_err(|e| said("write", &path, &e))?;
        }
        self.laid.clone_from(files);
        Ok(())
    }
}

/// What went wrong with a path of this program's own.
fn said(what: &str, path: &Path, error: &std::io::Error) -> String {
    format!("cannot {what} '{}': {error}", path.display())
}
