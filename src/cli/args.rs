//! Arguments as typed. Only this file and its siblings know clap.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::battery::Tier;
use crate::model::local::{Arithmetic, DeviceChoice, Options};
use crate::verdict::Finding;

/// A parentage test for language models: was the suspect distilled from the protected model?
///
/// A model is named by a Hugging Face directory, a .gguf file, hf:org/name@revision, or the directory
/// of a recording made by `parentage collect`.
#[derive(Debug, Parser)]
#[command(name = "parentage", version, max_term_width = 100)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Flags of every command.
#[derive(Debug, clap::Args)]
pub(super) struct Common {
    /// Print results as JSON.
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Show no progress.
    #[arg(long, short, global = true)]
    pub(super) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Compare(Compare),
    Collect(Collect),
    Battery(Battery),
    Tree(Tree),
    /// Print the JSON Schema of report.json.
    ///
    /// Additive only: within one version of the schema (`parentage.report/1`) fields are added, never
    /// taken away or given another meaning. Pass over fields that you do not know.
    Schema,
}

/// What is asked, and how; the same for every model.
#[derive(Debug, clap::Args)]
pub(super) struct Asking {
    /// Battery to ask: core-v1, a battery directory or a family file. Give several to join them, for
    /// example private probes behind the published ones.
    #[arg(long, value_name = "NAME|PATH", default_value = "core-v1")]
    pub(super) battery: Vec<String>,
    /// How much of the battery: 60 probes, 200, or all.
    #[arg(long, value_enum, default_value_t = TierArg::Standard)]
    pub(super) tier: TierArg,
    /// Samples of every open question.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) samples: u16,
    /// Seed of everything random.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Put chat questions as plain text even to models with a chat form.
    #[arg(long)]
    pub(super) raw: bool,
}

/// How models are run.
#[derive(Debug, clap::Args)]
pub(super) struct Engine {
    /// Where weights are run.
    #[arg(long, value_enum, default_value_t = DeviceArg::Cpu)]
    pub(super) device: DeviceArg,
    /// Whether quantised weights are multiplied as they are (faster, coarser) or as f32.
    #[arg(long, value_enum, default_value_t = ArithmeticArg::F32)]
    pub(super) arithmetic: ArithmeticArg,
    /// Models run at once [default: all cores for small models, one for large ones].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) jobs: Option<u16>,
    /// Take hub models from the local cache only.
    #[arg(long)]
    pub(super) offline: bool,
}

/// Compare a suspect with a protected model, among controls.
///
/// Asks all models the battery, reads the protected model's and the alternatives' texts with every
/// model, and places the finding on the ladder: same_model, weight_derivative, distilled, family,
/// related, shared, unrelated, inconclusive. What is collected stays in --out: run the same command
/// again to go on after an interruption, or with another suspect to reuse the controls' answers.
///
/// Exit codes: 0 done, whatever the finding; 1 input or output failed; 2 usage; 3 incomplete, run
/// again; 5 controls insufficient for a finding; 7 a model cannot be opened; 10 a finding of --fail-on;
/// 130 interrupted.
#[derive(Debug, clap::Args)]
pub(super) struct Compare {
    /// The model whose outputs may have been learned from.
    #[arg(long, value_name = "MODEL")]
    pub(super) protected: String,
    /// The model under question.
    #[arg(long, value_name = "MODEL")]
    pub(super) suspect: String,
    /// The suspect's own base or earlier checkpoint; its row is subtracted.
    #[arg(long, value_name = "MODEL")]
    pub(super) base: Option<String>,
    /// A model known not to descend from the protected one. Repeat; at least five are needed.
    #[arg(long, value_name = "MODEL")]
    pub(super) control: Vec<String>,
    /// A lineage file that declares controls and matched alternatives (see models/README.md).
    #[arg(long, value_name = "FILE")]
    pub(super) controls: Vec<PathBuf>,
    /// Another candidate parent, alike in data and kind to the protected model where possible: an
    /// unreleased sibling, another seed, an internal checkpoint. Without one the finding stops at
    /// 'related'.
    #[arg(long, value_name = "MODEL")]
    pub(super) alternative: Vec<String>,
    #[command(flatten)]
    pub(super) asking: Asking,
    #[command(flatten)]
    pub(super) engine: Engine,
    /// Where recordings, report.html, report.md and report.json go.
    #[arg(long, value_name = "DIR", default_value = "parentage-out")]
    pub(super) out: PathBuf,
    /// End with exit code 10 on these findings.
    #[arg(long, value_name = "FINDING", value_delimiter = ',', value_parser = finding)]
    pub(super) fail_on: Vec<Finding>,
}

/// Ask one model a battery and keep its answers as a recording.
///
/// The recording may stand for the model in `compare`, in every measure that its contents allow. Run
/// the same command again to go on after an interruption.
#[derive(Debug, clap::Args)]
pub(super) struct Collect {
    /// The model to ask.
    #[arg(value_name = "MODEL")]
    pub(super) model: String,
    #[command(flatten)]
    pub(super) asking: Asking,
    #[command(flatten)]
    pub(super) engine: Engine,
    /// Directory of the recording.
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
}

/// List, show and check batteries.
#[derive(Debug, clap::Args)]
pub(super) struct Battery {
    #[command(subcommand)]
    pub(super) action: BatteryAction,
}

#[derive(Debug, Subcommand)]
pub(super) enum BatteryAction {
    /// List the families of a battery, with the reason for each.
    List {
        /// core-v1, a battery directory or a family file.
        #[arg(default_value = "core-v1")]
        battery: String,
    },
    /// Show probes: all of a family, or one by id, as they are put to a model.
    Show {
        /// A family or a probe id.
        name: String,
        /// core-v1, a battery directory or a family file.
        #[arg(long, default_value = "core-v1")]
        battery: String,
    },
    /// Warn of duplicates, options that begin alike, fixed order and the like. Exit code 2 if any.
    Lint {
        /// core-v1, a battery directory or a family file.
        #[arg(default_value = "core-v1")]
        battery: String,
    },
}

/// Draw how alike recorded models answer, as a dendrogram. A picture, not a finding.
#[derive(Debug, clap::Args)]
pub(super) struct Tree {
    /// Directories of recordings of one battery.
    #[arg(value_name = "RECORDING", required = true, num_args = 2..)]
    pub(super) recordings: Vec<PathBuf>,
    /// Also write the drawing as SVG.
    #[arg(long, value_name = "FILE")]
    pub(super) svg: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum TierArg {
    Quick,
    Standard,
    Full,
}

impl From<TierArg> for Tier {
    fn from(arg: TierArg) -> Self {
        match arg {
            TierArg::Quick => Self::Quick,
            TierArg::Standard => Self::Standard,
            TierArg::Full => Self::Full,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum DeviceArg {
    Cpu,
    Cuda,
    Metal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ArithmeticArg {
    F32,
    Quantised,
}

impl Engine {
    pub(super) fn options(&self) -> Options {
        Options {
            device: match self.device {
                DeviceArg::Cpu => DeviceChoice::Cpu,
                DeviceArg::Cuda => DeviceChoice::Cuda,
                DeviceArg::Metal => DeviceChoice::Metal,
            },
            arithmetic: match self.arithmetic {
                ArithmeticArg::F32 => Arithmetic::F32,
                ArithmeticArg::Quantised => Arithmetic::Quantised,
            },
        }
    }
}

fn finding(name: &str) -> Result<Finding, String> {
    Finding::ALL
        .into_iter()
        .find(|f| f.name() == name)
        .ok_or_else(|| {
            format!(
                "expected one of {}",
                Finding::ALL.map(Finding::name).join(", ")
            )
        })
}
