//! Arguments as typed. Only this file and its siblings know clap.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use super::marks::args::Marks;
use crate::battery::Tier;
use crate::bundle::{NAMESPACE, Rendering};
use crate::identity::AnswerFormat;
use crate::panel::SizeClass;
use crate::pipeline::{ControlsFrom, MOST_CONTROLS, Protected};
use crate::question::{Access, REPEATS, SAMPLES, SEED};
use crate::report::pdf;
use crate::screening::LEVEL;
use crate::verdict::Finding;

/// A parentage test for language models: was the suspect distilled from the protected model?
///
/// A model is named by a Hugging Face directory, a .gguf file, hf:org/name@revision, the directory of a
/// recording made by `parentage collect` or `parentage import`, or an endpoint: openai/NAME, anthropic/NAME, google/NAME,
/// vllm/NAME, ollama/NAME, openai-api/SERVER/NAME and others (docs/endpoints.md).
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
    Compare(Box<Compare>),
    Screen(Box<Screening>),
    Verify(Verify),
    Report(Report),
    Seal(Seal),
    Redact(Redact),
    Diff(Diff),
    Collect(Collect),
    Import(Import),
    Marks(Marks),
    Plan(Box<Plan>),
    Probe(Probe),
    Battery(Battery),
    Tree(Tree),
    Validate(Validate),
    Serve(Box<Serve>),
    View(View),
    /// Print the JSON Schema of report.json.
    ///
    /// Additive only: within one version of the schema (`parentage.report/2`) fields are added, never
    /// taken away or given another meaning. Pass over fields that you do not know.
    Schema,
    Init(Init),
    /// Say what this build can do, which keys are set, and which servers answer.
    ///
    /// Nothing is sent to anybody: of servers it is tried whether they accept a connection. Settings of all commands may
    /// stand in parentage.toml in the working directory, or in the file that PARENTAGE_CONFIG names: a table a command, a
    /// key a long flag (docs/settings.md). Flags go before the environment, and that before the file.
    Doctor,
    Completions(Completions),
    Man(Man),
}

/// Write a lineage file and settings from a list of models, to be filled in.
///
/// For example: parentage init --protected openai/gpt-x --suspect ./suspect.gguf --control hf:Org/Name --out case
#[derive(Debug, clap::Args)]
pub(super) struct Init {
    /// The protected model.
    #[arg(long, value_name = "MODEL")]
    pub(super) protected: String,
    /// The suspect.
    #[arg(long, value_name = "MODEL")]
    pub(super) suspect: String,
    /// A model like the protected one, such as another version of it; several times for several.
    #[arg(long, value_name = "MODEL")]
    pub(super) sibling: Vec<String>,
    /// A model that has nothing of the protected one; several times for several.
    #[arg(long, value_name = "MODEL")]
    pub(super) control: Vec<String>,
    /// Where the files go.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(super) out: PathBuf,
}

/// Print a completion script for a shell.
///
/// For bash: parentage completions bash > ~/.local/share/bash-completion/completions/parentage
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub(super) shell: clap_complete::Shell,
}

/// Write manual pages.
///
/// To read one: parentage man --out man && man man/parentage-compare.1
#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// Where the pages go.
    #[arg(long, value_name = "DIR", default_value = "man")]
    pub(super) out: PathBuf,
}

/// On whose behalf a comparison is made: it stands in the plan and in the report, and nothing is computed from it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Case")]
pub(super) struct Matter {
    /// Number or name of the case, for the plan and the first page of the report.
    #[arg(long, value_name = "TEXT")]
    pub(super) case_number: Option<String>,
    /// Who asked for the comparison.
    #[arg(long, value_name = "TEXT")]
    pub(super) client: Option<String>,
    /// Who runs it.
    #[arg(long, value_name = "TEXT")]
    pub(super) operator: Option<String>,
    /// What they were instructed to do.
    #[arg(long, value_name = "TEXT")]
    pub(super) instructions: Option<String>,
}

/// What is asked, and how; the same for every model.
#[derive(Debug, clap::Args)]
pub(super) struct Asking {
    /// Battery to ask: core-v1, a battery directory or a family file. Give several to join them, for
    /// example private probes behind the published ones [default: core-v1, or the battery that imported
    /// answers came with].
    #[arg(long, value_name = "NAME|PATH")]
    pub(super) battery: Vec<String>,
    /// How much of the battery: 60 probes, 200, or all [default: standard, or full where answers were
    /// imported].
    #[arg(long, value_enum)]
    pub(super) tier: Option<TierArg>,
    /// Samples of every open question.
    #[arg(long, value_name = "N", default_value_t = SAMPLES, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) samples: u16,
    /// Ask all models for no more than this [default: what the least open one gives].
    #[arg(long, value_enum)]
    pub(super) access: Option<AccessArg>,
    /// Short samples from which the distribution of a closed question is estimated, where a model gives only text.
    #[arg(long, value_name = "N", default_value_t = REPEATS, value_parser = clap::value_parser!(u16).range(2..=1000))]
    pub(super) repeats: u16,
    /// Seed of everything random.
    #[arg(long, value_name = "N", default_value_t = SEED)]
    pub(super) seed: u64,
    /// Put chat questions as plain text even to models with a chat form.
    #[arg(long)]
    pub(super) raw: bool,
}

/// What runs weights.
#[derive(Debug, clap::Args)]
pub(super) struct Runner {
    /// Where weights are run by the own engine.
    #[arg(long, value_enum, default_value_t = DeviceArg::Cpu)]
    pub(super) device: DeviceArg,
    /// What runs weights: the own engine, llama.cpp (GGUF files, in builds with the feature llamacpp), or llama.cpp for
    /// what the own engine does not know.
    #[arg(long, value_enum, default_value_t = EngineArg::Auto)]
    pub(super) engine: EngineArg,
    /// Layers that llama.cpp runs on a GPU, in builds with llamacpp-cuda, llamacpp-metal or llamacpp-vulkan; 999 for all.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) gpu_layers: u32,
}

/// How models are run.
#[derive(Debug, clap::Args)]
pub(super) struct Engine {
    #[command(flatten)]
    pub(super) runner: Runner,
    /// Models run at once [default: all cores for small models, one for large ones].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) jobs: Option<u16>,
    /// Take hub models from the local cache only.
    #[arg(long)]
    pub(super) offline: bool,
}

/// How endpoints are asked, and what may be spent on them.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Endpoints")]
pub(super) struct Hosted {
    /// End the run before it takes more requests than this; the same command goes on from there.
    #[arg(long, visible_alias = "max-requests", value_name = "N")]
    pub(super) max_calls: Option<u64>,
    /// End the run before it takes more tokens than this, hidden ones included.
    #[arg(long, value_name = "N")]
    pub(super) max_tokens: Option<u64>,
    /// End the run before it costs more than this.
    #[arg(long, value_name = "USD")]
    pub(super) max_cost: Option<f64>,
    /// Prices to go before those that come with the tool (their form: docs/endpoints.md).
    #[arg(long, value_name = "FILE")]
    pub(super) prices: Option<PathBuf>,
    /// Requests under way at once, at most; fewer where the server asks for it.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) concurrency: u16,
    /// Requests a minute, at most [default: as the server tells].
    #[arg(long, value_name = "N")]
    pub(super) requests_per_minute: Option<NonZeroU32>,
    /// Tokens a minute, at most [default: as the server tells].
    #[arg(long, value_name = "N")]
    pub(super) tokens_per_minute: Option<NonZeroU32>,
    /// The longest wait for one reply, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) timeout: u32,
    /// Check again what an endpoint gives, even where an earlier run has.
    #[arg(long)]
    pub(super) recheck: bool,
}

/// Compare a suspect with a protected model, among controls.
///
/// Asks all models the battery, reads the protected model's and the alternatives' texts with every
/// model, and places the finding on the ladder: same_model, weight_derivative, distilled, family,
/// related, undecided, shared, unrelated, inconclusive. What is collected stays in --out: run the same command
/// again to go on after an interruption, or with another suspect to reuse the controls' answers.
///
/// Exit codes: 0 done, whatever the finding; 1 input or output failed; 2 usage; 3 incomplete, run
/// again; 4 a limit was reached, run again with a higher one; 5 access or controls insufficient for a
/// finding; 7 a model cannot be opened; 10 a finding of --fail-on; 130 interrupted.
#[derive(Debug, clap::Args)]
pub(super) struct Compare {
    /// The model whose outputs may have been learned from.
    #[arg(long, value_name = "MODEL")]
    pub(super) protected: String,
    /// The model under question.
    #[arg(long, value_name = "MODEL")]
    pub(super) suspect: String,
    /// The suspect's own base or an earlier checkpoint; what it explains is subtracted.
    #[arg(long, value_name = "MODEL")]
    pub(super) base: Option<String>,
    /// A model known not to descend from the protected one. Repeat; at least five are needed.
    #[arg(long, value_name = "MODEL")]
    pub(super) control: Vec<String>,
    /// A lineage file that declares controls and matched alternatives (see models/README.md), or a panel
    /// picked from the list of public models: public:small (at most a billion parameters), public:medium
    /// (ten), public:large, public:auto (the nearest to the suspect in size and date). Public models are
    /// fetched from the hub.
    #[arg(long, value_name = "FILE|public:SIZE", value_parser = controls_from)]
    pub(super) controls: Vec<ControlsFrom>,
    /// Another candidate parent, alike in data and kind to the protected model where possible: an
    /// unreleased sibling, another seed, an internal checkpoint. Without one the finding stops at
    /// 'related'.
    #[arg(long, value_name = "MODEL")]
    pub(super) alternative: Vec<String>,
    /// Ask about the protected model's group in a lineage file as one candidate: did the suspect learn
    /// from any of its members? The answer names the members that cannot be excluded.
    #[arg(long)]
    pub(super) family: bool,
    #[command(flatten)]
    pub(super) asking: Asking,
    #[command(flatten)]
    pub(super) engine: Engine,
    #[command(flatten)]
    pub(super) hosted: Hosted,
    /// Give no likelihood ratio outside the conditions that were validated, instead of one capped at 100.
    #[arg(long)]
    pub(super) strict: bool,
    /// The test of planted marks of this suspect that `marks test` wrote: it becomes a section of the report and part of the
    /// bundle. Marks that are found, of a dated commitment, place the finding at 'distilled' even without controls.
    #[arg(long, value_name = "DIR")]
    pub(super) marks: Option<PathBuf>,
    /// Prior odds of "learned from the protected model" that somebody states; prints posterior odds beside
    /// them.
    #[arg(long, value_name = "ODDS", value_parser = odds)]
    pub(super) prior: Option<f64>,
    #[command(flatten)]
    pub(super) matter: Matter,
    /// Where recordings, the report (HTML, Markdown, JSON, and PDF where it is built in) and the
    /// bundle (cases/NAME) go.
    #[arg(long, value_name = "DIR", default_value = "parentage-out")]
    pub(super) out: PathBuf,
    /// End with exit code 10 on these findings.
    #[arg(long, value_name = "FINDING", value_delimiter = ',', value_parser = finding)]
    pub(super) fail_on: Vec<Finding>,
}

/// Screen many suspects against many protected models at once, corrected for how many pairs are looked at.
///
/// Collects what is missing, weighs every suspect against every protected model or house with all other models as
/// controls, takes out of the controls what is found and fits the null again, until nothing more is found. Writes
/// screen.html (a page that can be sorted), screen.csv and screen.json. Every row names the `parentage
/// compare` command that makes the full case with the same figures. What was answered is kept: run the same command
/// again to go on after an interruption. A model that cannot be used is named, and the others are weighed without it
/// (docs/screening.md).
///
/// For example: parentage screen --houses --suspects lineage.toml --out screened
///
/// Exit codes: 0 done, whatever was found; 1 input or output failed; 2 usage; 3 a model did not answer to the end, run
/// again; 4 a limit was reached, run again with a higher one; 7 no suspect or no protected model can be used; 130
/// interrupted.
#[derive(Debug, clap::Args)]
pub(super) struct Screening {
    /// A model whose outputs may have been learned from, or house:NAME for all models of a group in a lineage file.
    /// Repeat.
    #[arg(long, value_name = "MODEL|house:NAME", num_args = 1.., required_unless_present = "houses", value_parser = protected)]
    pub(super) protected: Vec<Protected>,
    /// Ask about every group in the lineage files.
    #[arg(long)]
    pub(super) houses: bool,
    /// The suspects: a lineage file (.toml), a directory of recordings or of imported answers, or a list of names, a
    /// line each.
    #[arg(long, value_name = "FILE|DIR")]
    pub(super) suspects: PathBuf,
    /// A lineage file of further controls, and of houses.
    #[arg(long, value_name = "FILE")]
    pub(super) controls: Option<PathBuf>,
    /// The share of false ones among what is found that is put up with.
    #[arg(long, value_name = "RATE", default_value_t = LEVEL, value_parser = level)]
    pub(super) fdr: f64,
    /// Controls of a protected model, at most; of more models some are drawn.
    #[arg(long, value_name = "N", default_value_t = MOST_CONTROLS)]
    pub(super) most_controls: usize,
    /// Say what would be asked, and ask nothing.
    #[arg(long)]
    pub(super) plan: bool,
    /// With --plan: check endpoints that were not checked before, which takes twenty to fifty-five small requests each.
    #[arg(long, requires = "plan")]
    pub(super) check: bool,
    #[command(flatten)]
    pub(super) asking: Asking,
    #[command(flatten)]
    pub(super) engine: Engine,
    #[command(flatten)]
    pub(super) hosted: Hosted,
    /// Where recordings, controls and results go.
    #[arg(long, value_name = "DIR", default_value = "parentage-out")]
    pub(super) out: PathBuf,
}

#[expect(clippy::unnecessary_wraps, reason = "clap takes parsers that may fail")]
fn protected(text: &str) -> Result<Protected, String> {
    Ok(match text.strip_prefix("house:") {
        Some(house) => Protected::House(house.to_owned()),
        None => Protected::Model(text.to_owned()),
    })
}

fn level(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok();
    let rate = rate.filter(|rate| *rate > 0.0 && *rate < 1.0);
    rate.ok_or_else(|| "a rate lies between 0 and 1".to_owned())
}

fn controls_from(text: &str) -> Result<ControlsFrom, String> {
    let Some(size) = text.strip_prefix("public:") else {
        return Ok(ControlsFrom::File(PathBuf::from(text)));
    };
    Ok(match size {
        "small" => ControlsFrom::Public(SizeClass::Small),
        "medium" => ControlsFrom::Public(SizeClass::Medium),
        "large" => ControlsFrom::Public(SizeClass::Large),
        "auto" => ControlsFrom::Matched,
        _ => return Err("public: takes small, medium, large or auto".to_owned()),
    })
}

/// Check a bundle without trusting whoever made it.
///
/// Goes through the steps layout, digests, chain, signature, plan, completeness and verdict, and prints
/// each as it is passed. The verdict is drawn again from the recordings and must be the one in the
/// bundle to the last byte. Needs no network and no weights. What the comparison of weights gave is taken from
/// the bundle as it stands there; --weights computes it again from the weights.
///
/// Of a redacted copy (`parentage redact`) every shown piece is held against the seal, and what is withheld
/// is counted. The verdict cannot be drawn again from the rest: it rests on the signature alone, so give
/// --signer.
///
/// With --ask, a model at hand (named as anywhere else) is asked some of the suspect's questions again, and the command says
/// how often the answers in the bundle could have come from it: probabilities must lie near those that it gives, and texts
/// must be no less probable to it (or, where it gives no probabilities, no less like its texts) than nine that it writes anew.
///
/// Exit codes: 0 every step was passed; 3 a model that was asked again did not answer, run again; 4 a limit was reached;
/// 5 a redacted copy, of which all steps but the verdict were passed, or too few answers to compare with --ask; 6
/// a step failed, or the weights of --weights or the answers of --ask contradict the bundle; 7 a model cannot be opened.
#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// Directory of the bundle, as `compare` names it, or of --out where there is one bundle in it.
    #[arg(value_name = "BUNDLE")]
    pub(super) bundle: PathBuf,
    /// The key that must have sealed it: a public key file, or an allowed_signers file.
    #[arg(long, value_name = "FILE")]
    pub(super) signer: Option<PathBuf>,
    /// Refuse a bundle that nobody has sealed. Who sealed it is for --signer.
    #[arg(long)]
    pub(super) require_signature: bool,
    /// Weights of models in the bundle, told by their digests, whichever names they have here: the comparison of
    /// weights is made again. Give those of the protected model, the suspect, the base and the controls.
    #[arg(long, value_name = "DIR", num_args = 1..)]
    pub(super) weights: Vec<PathBuf>,
    /// What the seal must have been made for.
    #[arg(long, value_name = "NAME", default_value = NAMESPACE)]
    pub(super) namespace: String,
    #[command(flatten)]
    pub(super) ask: Ask,
}

/// Who is asked again, and what.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Asking again")]
pub(super) struct Ask {
    /// A model that some of the suspect's questions are asked again: weights or an endpoint.
    #[arg(long = "ask", value_name = "MODEL")]
    pub(super) model: Option<String>,
    /// Hold it against the answers of another model of the bundle, named as in its report.
    #[arg(long = "ask-of", value_name = "NAME", requires = "model")]
    pub(super) of: Option<String>,
    /// How many answers are drawn. An endpoint takes up to twenty requests for each.
    #[arg(long = "ask-count", value_name = "N", default_value_t = 40, requires = "model", value_parser = clap::value_parser!(u16).range(10..=10_000))]
    pub(super) count: u16,
    /// By which they are drawn: take one that nobody could know beforehand.
    #[arg(long = "ask-seed", value_name = "N", default_value_t = SEED, requires = "model")]
    pub(super) seed: u64,
    #[command(flatten)]
    pub(super) engine: Engine,
    #[command(flatten)]
    pub(super) hosted: Hosted,
}

/// Write the report of a bundle again, in any form.
///
/// The bundle is checked as by `verify` first, and the same bundle gives the same bytes.
#[derive(Debug, clap::Args)]
pub(super) struct Report {
    /// Directory of the bundle.
    #[arg(value_name = "BUNDLE")]
    pub(super) bundle: PathBuf,
    /// The form: json, terminal, html, md, brief (the first page, and one of reasons and limits, as HTML), csv (a row a model and measure) or, where the tool
    /// was built with the feature pdf, pdf.
    #[arg(long, value_name = "FORM", default_value = "terminal", value_parser = format)]
    pub(super) format: Format,
    /// Write to a file instead of standard output.
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// What a seal must have been made for.
    #[arg(long, value_name = "NAME", default_value = NAMESPACE)]
    pub(super) namespace: String,
}

/// A form that a report is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One that every bundle holds.
    Held(Rendering),
    /// The figures as comma-separated values, a row a model and measure.
    Csv,
    /// The first page, and one of reasons and limits, as HTML.
    Brief,
    /// The document for print, which no bundle holds: not every build makes it.
    Pdf,
}

/// Sign a bundle with an SSH key, and have the signature dated.
///
/// The bundle is checked as by `verify` first. The signature is one that `ssh-keygen -Y verify` checks;
/// an in-toto statement in a DSSE envelope stands beside it.
#[derive(Debug, clap::Args)]
pub(super) struct Seal {
    /// Directory of the bundle.
    #[arg(value_name = "BUNDLE")]
    pub(super) bundle: PathBuf,
    /// An Ed25519 private key in OpenSSH's form. The passphrase of an encrypted one is taken from
    /// PARENTAGE_KEY_PASSPHRASE or asked for.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["tsa_request", "tsa_reply"])]
    pub(super) key: Option<PathBuf>,
    /// What the signature is made for; whoever checks it must name the same.
    #[arg(long, value_name = "NAME", default_value = NAMESPACE, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) namespace: String,
    /// Write the request for a time stamp of the sealed bundle (RFC 3161), to be sent to an authority.
    #[arg(long)]
    pub(super) tsa_request: bool,
    /// Store the authority's answer in the bundle.
    #[arg(long, value_name = "FILE")]
    pub(super) tsa_reply: Option<PathBuf>,
}

/// Write a copy of a sealed bundle that withholds single probes or records, without breaking the seal.
///
/// The seal commits to every piece of the bundle by a salted digest, so a copy can show some of them and
/// withhold others, whose digests allow no guess at them. A withheld probe takes every record about it along,
/// those included in which other models read what was answered. `verify` holds what is shown against the
/// seal and counts what is withheld; the verdict cannot be drawn again from such a copy. Withheld besides are the
/// report but for its finding, and every chain and digest by which a guess could be checked.
#[derive(Debug, clap::Args)]
pub(super) struct Redact {
    /// Directory of the bundle.
    #[arg(value_name = "BUNDLE")]
    pub(super) bundle: PathBuf,
    /// A probe to withhold, by id. Give several to withhold more.
    #[arg(long, value_name = "ID", required_unless_present = "record")]
    pub(super) probe: Vec<String>,
    /// A single record to withhold: the name of a recording in data/recordings and the record's number (`n`).
    /// Records in which models read the answers to its probe go with it.
    #[arg(long, value_name = "RECORDING:N", value_parser = record)]
    pub(super) record: Vec<(String, u64)>,
    /// Why, in words that everybody may read.
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) reason: String,
    /// Show the report as text. Its figures are made of all answers: who has most of the models, and
    /// guesses a withheld probe, can check the guess by them.
    #[arg(long)]
    pub(super) figures: bool,
    /// Where to write the copy; nothing may be there.
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// What the seal was made for.
    #[arg(long, value_name = "NAME", default_value = NAMESPACE)]
    pub(super) namespace: String,
}

fn record(text: &str) -> Result<(String, u64), String> {
    let parts = text.rsplit_once(':');
    let parts = parts.and_then(|(name, n)| Some((name.to_owned(), n.parse().ok()?)));
    parts.ok_or_else(|| "a record is named RECORDING:N, for example teacher-05f78501:12".to_owned())
}

/// Say what differs between two bundles, and whether it moved the finding.
///
/// Both are checked as by `verify` first.
#[derive(Debug, clap::Args)]
pub(super) struct Diff {
    /// Directory of the first bundle.
    #[arg(value_name = "BUNDLE")]
    pub(super) a: PathBuf,
    /// Directory of the second.
    #[arg(value_name = "BUNDLE")]
    pub(super) b: PathBuf,
    /// What a seal must have been made for.
    #[arg(long, value_name = "NAME", default_value = NAMESPACE)]
    pub(super) namespace: String,
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
    #[command(flatten)]
    pub(super) hosted: Hosted,
    /// Directory of the recording.
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
}

/// Import answers that somebody else collected, as recordings.
///
/// Writes a recording a model (OUT/NAME) and the battery of the prompts that two models or more answered
/// (OUT/battery). The recordings stand for models wherever a recording does, and `compare` finds their
/// battery by itself; import the files of all models in one go. Repeats become samples; what was not asked,
/// refused, cut off, failed, or answered by another model says so. What the recordings say, and what nobody
/// can check of them: docs/import.md.
///
/// Formats: jsonl (an object a line with the fields model, prompt, answer and sample); alpaca-eval (lists of
/// instruction, output, generator); lm-eval (samples_*.jsonl of --log_samples); inspect (.eval and .json
/// logs); promptfoo (--output x.json).
#[derive(Debug, clap::Args)]
pub(super) struct Import {
    /// Files, or directories to look for files of the format in.
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<PathBuf>,
    /// The form of the files.
    #[arg(long, value_name = "FORMAT", value_parser = answer_format)]
    pub(super) format: AnswerFormat,
    /// Where recordings and battery go.
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// The model whose answers these are, where the files do not name it.
    #[arg(long, value_name = "NAME")]
    pub(super) model: Option<String>,
    /// Field of the model's name, for jsonl.
    #[arg(long, value_name = "NAME", default_value = "model")]
    pub(super) model_field: String,
    /// Field of the prompt, for jsonl: a text, or a list of messages.
    #[arg(long, value_name = "NAME", default_value = "prompt")]
    pub(super) prompt_field: String,
    /// Field of the answer, for jsonl: a text, a list of samples, or null.
    #[arg(long, value_name = "NAME", default_value = "answer")]
    pub(super) answer_field: String,
    /// Field of the sample's number, for jsonl; it may be missing.
    #[arg(long, value_name = "NAME", default_value = "sample")]
    pub(super) sample_field: String,
}

fn answer_format(name: &str) -> Result<AnswerFormat, String> {
    let found = AnswerFormat::ALL.into_iter().find(|f| f.name() == name);
    found.ok_or_else(|| {
        let names = AnswerFormat::ALL.map(AnswerFormat::name);
        format!("expected one of {}", names.join(", "))
    })
}

/// Say what a comparison would cost and could show, and commit its plan, before anything is asked.
///
/// Takes the flags of `compare` and prints, for every endpoint, requests, tokens, the range of cost and the
/// time, and which findings this access and this panel can support. The plan (battery, order, posing, seed,
/// roles, rules) lies in OUT/cases then, and `compare` with the same flags follows it. Endpoints that were
/// never checked are checked with --check alone.
///
/// A time stamp of the plan (--tsa-request, --tsa-reply) dates it by an authority's word: what was asked later is then
/// known to be later.
#[derive(Debug, clap::Args)]
pub(super) struct Plan {
    #[command(flatten)]
    pub(super) compare: Compare,
    /// Check endpoints that were not checked yet: twenty to fifty-five small requests each.
    #[arg(long)]
    pub(super) check: bool,
    /// Write the request for a time stamp of the plan (RFC 3161), to be sent to an authority.
    #[arg(long, value_name = "FILE")]
    pub(super) tsa_request: Option<PathBuf>,
    /// Store the authority's answer beside the plan.
    #[arg(long, value_name = "FILE")]
    pub(super) tsa_reply: Option<PathBuf>,
}

/// Find out what an endpoint really gives, with positive controls.
///
/// Takes twenty to fifty-five small requests, the more the more there is to check. Each ability is
/// verified, refused, silently_ignored or untested; only what is verified is used in a comparison. The same
/// check comes first in every run against an endpoint.
///
/// Exit codes: 0 something can be asked; 1 the output failed; 2 usage; 3 the server failed; 4 a limit was
/// reached; 5 nothing can be asked; 7 no key or no such model.
#[derive(Debug, clap::Args)]
pub(super) struct Probe {
    /// The endpoint: openai/NAME, anthropic/NAME, google/NAME, vllm/NAME, ollama/NAME,
    /// openai-api/SERVER/NAME, ...
    #[arg(value_name = "MODEL")]
    pub(super) model: String,
    #[command(flatten)]
    pub(super) hosted: Hosted,
}

/// Say how often the tool is right, on a population of models of known descent.
///
/// Every candidate parent of the population is taken for the protected model, every other model for the
/// suspect, and what comes out is held against what is true. Calibrations are fitted on the sources that
/// split.toml puts into the part `fit`; all figures are of the part `test`. How to make a population of
/// your own: models/README.md.
#[derive(Debug, clap::Args)]
pub(super) struct Validate {
    /// Directory with lineage.toml, split.toml and scores.jsonl.
    #[arg(value_name = "POPULATION")]
    pub(super) population: PathBuf,
    /// Take what is fitted from the scores of another population's fitting part, and try it on this one: rules and
    /// ratios that were settled without any of its models. split.toml may then have nothing under `fit`.
    #[arg(long, value_name = "POPULATION")]
    pub(super) fitted_on: Option<PathBuf>,
    /// Ask the models and score every case anew, instead of taking the population's scores. What is
    /// collected stays in --out: run the same command again to go on after an interruption.
    #[arg(long)]
    pub(super) collect: bool,
    /// Of a population by house (split.toml names houses): score every case anew by the recordings in a directory that
    /// `parentage import` wrote.
    #[arg(long, value_name = "DIR", conflicts_with = "collect")]
    pub(super) recordings: Option<PathBuf>,
    /// With --collect: ask the suspects of the test part twice more, as somebody else might serve them, at
    /// temperature 0.7 and behind a system prompt, to see what that does to findings.
    #[arg(long, requires = "collect")]
    pub(super) served: bool,
    /// With --collect: leave out what cases would be with fewer controls and with fewer probes, which takes two
    /// thirds of the time that scoring takes.
    #[arg(long, requires = "collect")]
    pub(super) whole: bool,
    #[command(flatten)]
    pub(super) asking: Asking,
    #[command(flatten)]
    pub(super) engine: Engine,
    /// Where the validation report (HTML, JSON) and, with --collect, recordings and scores go.
    #[arg(long, value_name = "DIR", default_value = "parentage-validation")]
    pub(super) out: PathBuf,
}

/// List, show and check batteries.
#[derive(Debug, clap::Args)]
pub(super) struct Battery {
    #[command(subcommand)]
    pub(super) action: BatteryAction,
}

/// What `battery lint` looks at.
#[derive(Debug, clap::Args)]
pub(super) struct Lint {
    /// core-v1, a battery directory or a family file.
    #[arg(default_value = "core-v1")]
    pub(super) battery: String,
    /// A model to ask which options it favours. Repeat: what one model favours another may not.
    #[arg(long, value_name = "MODEL")]
    pub(super) model: Vec<String>,
    #[command(flatten)]
    pub(super) engine: Engine,
    #[command(flatten)]
    pub(super) hosted: Hosted,
    /// Where the models' answers go.
    #[arg(long, value_name = "DIR", default_value = "parentage-lint")]
    pub(super) out: PathBuf,
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
    ///
    /// With --model it asks models the closed probes and warns of options that they favour: choices that are to be
    /// marked (`parentage marks new --battery`) should have equally good answers.
    Lint(Box<Lint>),
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

/// Serve a model's answers and probabilities over HTTP, as OpenAI's API has them.
///
/// The weights stay here; whoever may ask gets text, the probabilities of tokens, and the probability of
/// any text they send. The first line on standard output is the address. Then, from another terminal:
///
///   curl http://127.0.0.1:8000/v1/completions -H 'content-type: application/json' \
///     -d '{"prompt": "The baker opens", "max_tokens": 0, "echo": true, "logprobs": 5}'
///
/// Routes: GET /v1/models, POST /v1/completions (with echo, logprobs, prompt_logprobs, token ids as
/// prompts), POST /v1/chat/completions, POST /tokenize. Parameters that would change an answer and are
/// not supported are refused by name. Log-probabilities are the model's own: temperature and top_p act
/// on what is drawn only, and are 1 where a request names none.
///
/// Only this machine can ask, unless --host says otherwise; then clients must show a token, as
/// 'authorization: Bearer TOKEN'. The connection is not encrypted: across a network that others can
/// read, put a proxy with TLS in front. Ctrl-C or SIGTERM finishes the requests in hand; a second one
/// ends at once.
///
/// Exit codes: 0 stopped, every request answered; 1 the address or the log cannot be used; 2 usage, no
/// token included; 7 the model cannot be opened; 130 requests were cut off.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Serve {
    /// The model: a Hugging Face directory, a .gguf file, or hf:org/name@revision.
    #[arg(value_name = "MODEL")]
    pub(super) model: String,
    /// Address to listen on: 127.0.0.1 for this machine only, 0.0.0.0 for all its networks.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    pub(super) host: IpAddr,
    /// Port to listen on; 0 takes any that is free.
    #[arg(long, default_value_t = 8000)]
    pub(super) port: u16,
    /// Name under which clients ask for the model [default: the last part of MODEL].
    #[arg(long)]
    pub(super) name: Option<String>,
    /// What clients are told: text alone, the probabilities of its tokens as well (top), or those of any text
    /// that they send (scored).
    #[arg(long, value_enum, default_value_t = AccessArg::Scored)]
    pub(super) grant: AccessArg,
    /// File with the token that clients must show; PARENTAGE_SERVE_TOKEN may hold the token instead.
    /// `openssl rand -hex 32` makes a good one.
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// Append a line of JSON to this file for every request: number, time, route, status, SHA-256 of
    /// the prompts, parameters, tokens. A request that cannot be logged is not answered.
    #[arg(long, value_name = "FILE")]
    pub(super) log: Option<PathBuf>,
    /// Keep the prompts themselves in the log.
    #[arg(long, requires = "log")]
    pub(super) log_prompts: bool,
    #[command(flatten)]
    pub(super) limits: ServeLimits,
    #[command(flatten)]
    pub(super) runner: Runner,
    /// Threads of the engine [default: all cores, one for small models].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) threads: Option<u16>,
    /// Take hub models from the local cache only.
    #[arg(long)]
    pub(super) offline: bool,
}

/// Read cases in a browser: their reports, probes and answers, and runs that are under way.
///
/// Serves an index of the cases in and below the given directories, on this machine only. A bundle is
/// checked as `verify` does before its report is shown, rendered again; probes and answers can be filtered
/// and searched; of a run that is under way the page says how many of the planned answers are there. The
/// pages run no script and load nothing from elsewhere.
#[derive(Debug, clap::Args)]
pub(super) struct View {
    /// Bundles, or directories to look for them in, at most five levels deep.
    #[arg(value_name = "BUNDLE|DIRECTORY", required = true)]
    pub(super) directories: Vec<PathBuf>,
    /// Port to listen on; 0 takes any that is free.
    #[arg(long, default_value_t = 8001)]
    pub(super) port: u16,
}

/// What a request may take.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(super) struct ServeLimits {
    /// Most tokens of prompt and answer together [default: the model's context, at most 8192].
    #[arg(long, value_name = "TOKENS", value_parser = clap::value_parser!(u32).range(2..))]
    pub(super) max_length: Option<u32>,
    /// Most tokens of an answer.
    #[arg(long, value_name = "TOKENS", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) max_tokens: u32,
    /// Most answers to one request: prompts times n.
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) max_choices: u16,
    /// Most tokens named with their probability at one position.
    #[arg(long, value_name = "K", default_value_t = 20)]
    pub(super) max_logprobs: u16,
    /// Largest body of a request, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) max_body: u32,
    /// Requests in hand at once, waiting ones included; further ones get status 503.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) queue: u16,
    /// Connections at once; further ones wait to be taken.
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) connections: u16,
    /// Seconds that requests in hand may take when the server is asked to stop.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(super) grace: u16,
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
pub(super) enum AccessArg {
    /// Samples of text.
    Text,
    /// The most probable next tokens.
    Top,
    /// The probability of any text.
    Scored,
}

impl From<AccessArg> for Access {
    fn from(arg: AccessArg) -> Self {
        match arg {
            AccessArg::Text => Self::Text,
            AccessArg::Top => Self::Top,
            AccessArg::Scored => Self::Scored,
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
pub(super) enum EngineArg {
    Auto,
    Own,
    #[value(name = "llamacpp")]
    LlamaCpp,
}

fn odds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(odds) if odds > 0.0 && odds.is_finite() => Ok(odds),
        _ => Err("odds are a number above 0, such as 0.01 for one to a hundred".to_owned()),
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

fn format(name: &str) -> Result<Format, String> {
    if name == "pdf" {
        return pdf::MADE
            .then_some(Format::Pdf)
            .ok_or_else(|| pdf::NOT_MADE.to_owned());
    }
    match name {
        "csv" => return Ok(Format::Csv),
        "brief" => return Ok(Format::Brief),
        _ => {}
    }
    let names = Rendering::ALL.map(Rendering::name).join(", ");
    Rendering::ALL
        .into_iter()
        .find(|r| r.name() == name)
        .map(Format::Held)
        .ok_or_else(|| format!("expected one of {names}, brief, csv, pdf"))
}
