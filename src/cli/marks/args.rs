//! Arguments of `parentage marks`.

use std::path::PathBuf;

use clap::Subcommand;

use crate::bundle::MARKS_NAMESPACE as NAMESPACE;
use crate::cli::args::{AccessArg, Engine, Hosted};
use crate::marks::BUILT_IN;
use crate::marks::commit::LEVEL;
use crate::question::SEED;

/// Plant marks in what a model serves, and test whether a suspect learned them.
///
/// Among several equally good answers to a natural prompt, a secret key says which one a channel gives. A suspect that
/// did not learn from the channel gives it as often as chance says, exactly, so no controls are needed. First `new`,
/// then `seal` (signature and time stamp), then serve; later `test`, and whoever gets the result runs `verify`
/// (docs/marks.md).
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Marks {
    #[command(subcommand)]
    pub(super) action: Action,
}

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    New(New),
    Seal(Seal),
    Test(Box<Test>),
    Verify(Verify),
    Plan(Plan),
}

/// Make prompts, keys, what each channel is to serve, and the commitment to all of it.
///
/// Keys are drawn by the operating system and lie in OUT/keys: keep OUT secret. Seal the commitment before anything is
/// served.
#[derive(Debug, clap::Args)]
pub(super) struct New {
    /// Where prompts and options come from: the templates that ship with the tool, or a battery of 'choose' probes of
    /// your own (a directory or a family file), all with the same number of options.
    #[arg(long, value_name = "CHOICES", default_value = BUILT_IN)]
    pub(super) battery: String,
    /// A channel that gets a key of its own: the API, an app, a partner, one flagged account. Repeat. A channel that is
    /// never served is added as the control.
    #[arg(long, value_name = "NAME", required = true)]
    pub(super) channel: Vec<String>,
    /// How many prompts to make from the templates.
    #[arg(long, value_name = "N", default_value_t = 480)]
    pub(super) prompts: usize,
    /// The corrected p-value up to which a hit will count; it is committed to.
    #[arg(long, value_name = "P", default_value_t = LEVEL)]
    pub(super) level: f64,
    /// Where to write; nothing may be there.
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
}

/// Sign a commitment or a result with an SSH key, and have it dated.
///
/// The signature lies beside the file (FILE.sig), as `ssh-keygen -Y sign` writes it.
#[derive(Debug, clap::Args)]
pub(super) struct Seal {
    /// The directory that `marks new` or `marks test` wrote. In the first the commitment is sealed, in the second the
    /// result.
    #[arg(value_name = "DIR")]
    pub(super) directory: PathBuf,
    /// An Ed25519 private key in OpenSSH's form. The passphrase of an encrypted one is taken from
    /// PARENTAGE_KEY_PASSPHRASE or asked for.
    #[arg(long, value_name = "FILE", required_unless_present_any = ["tsa_request", "tsa_reply"])]
    pub(super) key: Option<PathBuf>,
    /// What the signature is made for; whoever checks it must name the same.
    #[arg(long, value_name = "NAME", default_value = NAMESPACE, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) namespace: String,
    /// Write the request for a time stamp (RFC 3161), to be sent to an authority.
    #[arg(long)]
    pub(super) tsa_request: bool,
    /// Store the authority's answer beside the file.
    #[arg(long, value_name = "FILE")]
    pub(super) tsa_reply: Option<PathBuf>,
}

/// Ask a suspect every marked prompt, put its answers to options, and count the hits of some keys.
///
/// Answers are put to options, or dropped, by the rule that was committed to, and written down before a key is opened.
/// Asked is every kind of model that `compare` takes; a recording (also an imported one) is told by the words of its
/// prompts. OUT holds what the other side needs: the opened keys and prompts, the answers, the result. Keys of other
/// channels stay secret. Run the same command again to go on after an interruption.
///
/// Exit codes: 0 done, whatever it says; 1 input or output failed; 2 usage; 3 incomplete, run again; 4 a limit was
/// reached; 5 nothing can be asked; 6 the marks are not what was committed to; 7 the model cannot be opened; 130
/// interrupted.
#[derive(Debug, clap::Args)]
pub(super) struct Test {
    /// The directory that `marks new` wrote.
    #[arg(long, value_name = "DIR")]
    pub(super) marks: PathBuf,
    /// A channel whose key is opened. Repeat. The control's key is always opened.
    #[arg(long, value_name = "NAME", required = true)]
    pub(super) channel: Vec<String>,
    /// The model under question.
    #[arg(long, value_name = "MODEL")]
    pub(super) suspect: String,
    /// How often each prompt is asked; the first answer that names an option counts.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(super) samples: u16,
    /// Ask as if no more than this were to be had [default: what the suspect gives].
    #[arg(long, value_enum)]
    pub(super) access: Option<AccessArg>,
    /// Put the prompts as plain text even to a model with a chat form.
    #[arg(long)]
    pub(super) raw: bool,
    /// Seed of everything random.
    #[arg(long, value_name = "N", default_value_t = SEED)]
    pub(super) seed: u64,
    /// Ask in the committed order and stop as soon as the bets have reached the level.
    #[arg(long)]
    pub(super) stop: bool,
    #[command(flatten)]
    pub(super) engine: Engine,
    #[command(flatten)]
    pub(super) hosted: Hosted,
    /// Where the test goes.
    #[arg(long, value_name = "DIR", default_value = "parentage-marks")]
    pub(super) out: PathBuf,
}

/// Check a test of marks without trusting whoever made it.
///
/// What is opened must be what was committed to, the answers an unbroken chain, and classification, counts and
/// p-values those that follow from them, to the last byte. Needs no network, no model and no secret.
///
/// Exit codes: 0 everything holds, whatever it says; 6 something does not.
#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// The directory that `marks test` wrote.
    #[arg(value_name = "DIR")]
    pub(super) directory: PathBuf,
    /// The key that must have signed commitment and result: a public key file, or an allowed_signers file.
    #[arg(long, value_name = "FILE")]
    pub(super) signer: Option<PathBuf>,
    /// What the signatures must have been made for.
    #[arg(long, value_name = "NAME", default_value = NAMESPACE)]
    pub(super) namespace: String,
}

/// Say how many prompts an uptake needs.
#[derive(Debug, clap::Args)]
pub(super) struct Plan {
    /// Options of each prompt.
    #[arg(long, value_name = "K", default_value_t = 4, value_parser = clap::value_parser!(u16).range(2..=16))]
    pub(super) options: u16,
    /// Channels that will be served: every test is corrected for all of them.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) channels: u16,
    /// The corrected p-value up to which a hit will count.
    #[arg(long, value_name = "P", default_value_t = LEVEL)]
    pub(super) level: f64,
}
