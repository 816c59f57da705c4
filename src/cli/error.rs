//! What ends a command early, how it is shown, and with which exit code.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::config::ConfigError;
use crate::bundle::{DraftError, FileSealError, RedactError, SealError, VerifyError};
use crate::collect::CollectError;
use crate::evidence::EvidenceError;
use crate::import::ImportError;
use crate::marks::MarksError;
use crate::marks::store::StoreError;
use crate::model::Failure;
use crate::model::local::without_backtrace;
use crate::pipeline::PipelineError;
use crate::printable::visible;
use crate::serve::{NoToken, ServeError};
use crate::tree::TreeError;
use crate::view::ViewError;

/// A command could not be finished.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    #[error(transparent)]
    Pipeline(Box<PipelineError>),
    #[error("the battery has neither a family nor a probe called '{name}'")]
    NoProbe { name: String },
    #[error("the bundle does not hold")]
    Verify(#[from] VerifyError),
    #[error(
        "a redacted copy holds no weights' digests in full; only a whole bundle can be checked with --weights"
    )]
    RedactedWeights,
    #[error("of a redacted copy no answers can be asked again; --ask takes a whole bundle")]
    RedactedAsk,
    #[error("the answers of '{of}' in the bundle have not come from '{asked}': {found}")]
    OtherAnswers {
        of: String,
        asked: String,
        found: String,
    },
    #[error("cannot seal the bundle")]
    Seal(#[from] SealError),
    #[error("cannot redact the bundle")]
    Redact(#[from] RedactError),
    #[error("the test of marks does not hold")]
    MarksCase(#[source] StoreError),
    #[error("cannot draw the tree")]
    Tree(#[from] TreeError),
    #[error(
        "the recordings have no context that all of them answered, nor, of three or more, open questions that they share"
    )]
    NothingShared,
    #[error("cannot serve the model")]
    Serve(#[from] ServeError),
    #[error("cannot show the cases")]
    View(#[from] ViewError),
    #[error("cannot read the token file '{}'", path.display())]
    TokenFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot use the token")]
    Token(#[from] NoToken),
    #[error("cannot write the output")]
    Output(#[source] io::Error),
    #[error("cannot use the settings")]
    Config(#[from] ConfigError),
    #[error("'{}' is there already, and nothing is written over it", path.display())]
    Exists { path: PathBuf },
    #[error("there is no bundle at '{}'", path.display())]
    NoBundle { path: PathBuf },
    #[error("'{}' holds more than one bundle: {}", path.display(), found.join(", "))]
    ManyBundles { path: PathBuf, found: Vec<String> },
}

impl From<PipelineError> for CliError {
    fn from(error: PipelineError) -> Self {
        Self::Pipeline(Box::new(error))
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        PipelineError::from(error).into()
    }
}

impl From<MarksError> for CliError {
    fn from(error: MarksError) -> Self {
        StoreError::from(error).into()
    }
}

impl From<FileSealError> for CliError {
    fn from(error: FileSealError) -> Self {
        PipelineError::from(error).into()
    }
}

impl CliError {
    /// The documented exit code.
    pub(super) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Pipeline(error) => pipeline_code(error),
            Self::NoProbe { .. }
            | Self::Config(_)
            | Self::Exists { .. }
            | Self::NoBundle { .. }
            | Self::ManyBundles { .. }
            | Self::TokenFile { .. }
            | Self::Token(_)
            | Self::RedactedWeights
            | Self::RedactedAsk
            | Self::View(ViewError::Directory { .. })
            | Self::Serve(ServeError::TokenRequired { .. }) => 2,
            Self::Seal(error) => match error {
                SealError::Write(_) | SealError::Sign(_) | SealError::Random(_) => 1,
                _ => 2,
            },
            Self::Redact(error) => match error {
                RedactError::Layout(_) | RedactError::Commit(_) => 1,
                _ => 2,
            },
            Self::Verify(_) | Self::OtherAnswers { .. } | Self::MarksCase(_) => 6,
            Self::NothingShared => 5,
            Self::Tree(_) | Self::Serve(_) | Self::View(_) | Self::Output(_) => 1,
        })
    }

    /// One line, a line a cause, at most one hint.
    pub(super) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        say(out, "error", without_backtrace(&self.to_string()))?;
        let mut cause = self.source();
        while let Some(error) = cause {
            say(out, "  because", without_backtrace(&error.to_string()))?;
            cause = error.source();
        }
        if let Some(hint) = self.hint() {
            say(out, "hint", &hint)?;
        }
        Ok(())
    }

    /// The same as one object of JSON.
    pub(super) fn print_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut because = Vec::new();
        let mut cause = self.source();
        while let Some(error) = cause {
            because.push(without_backtrace(&error.to_string()).to_owned());
            cause = error.source();
        }
        let error = serde_json::json!({
            "error": without_backtrace(&self.to_string()),
            "because": because,
            "hint": self.hint(),
        });
        writeln!(out, "{error}")
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Pipeline(error) => pipeline_hint(error),
            Self::OtherAnswers { .. } => Some(
                "a model that was quantised, updated or set up otherwise since gives other answers as well"
                    .to_owned(),
            ),
            Self::Serve(ServeError::TokenRequired { .. }) => Some(
                "give --token-file FILE or PARENTAGE_SERVE_TOKEN; `openssl rand -hex 32` makes a good token"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

fn pipeline_code(error: &PipelineError) -> u8 {
    match error {
        PipelineError::Battery(_)
        | PipelineError::Lineage(_)
        | PipelineError::Population(_)
        | PipelineError::Fit(_)
        | PipelineError::Mixed { .. }
        | PipelineError::NoBattery { .. }
        | PipelineError::Endpoint(_)
        | PipelineError::NoEndpoint { .. }
        | PipelineError::Prices(_)
        | PipelineError::Pick(_)
        | PipelineError::UnknownSize { .. }
        | PipelineError::NoFamily { .. }
        | PipelineError::Reference { .. }
        | PipelineError::Draft(
            DraftError::Other { .. }
            | DraftError::Sealed { .. }
            | DraftError::Stamp { .. }
            | DraftError::Read { .. },
        )
        | PipelineError::NotWeights { .. }
        | PipelineError::OtherWeights { .. }
        | PipelineError::NoSuchWeights { .. }
        | PipelineError::AskedRecording { .. }
        | PipelineError::NoSuspects { .. }
        | PipelineError::NoHouse { .. }
        | PipelineError::NoSuchMember { .. } => 2,
        PipelineError::Import(error) => match error {
            ImportError::Read { .. }
            | ImportError::Archive { .. }
            | ImportError::Write { .. }
            | ImportError::Recording {
                source: EvidenceError::Read { .. } | EvidenceError::Write { .. },
                ..
            } => 1,
            _ => 2,
        },
        PipelineError::OtherGates { .. }
        | PipelineError::Verify(_)
        | PipelineError::MarksSeal(_)
        | PipelineError::MarksTest(_) => 6,
        PipelineError::Marks(error) => marks_code(error),
        PipelineError::Open(error) => failure_code(error.kind),
        PipelineError::NoModel { .. }
        | PipelineError::Fetch { .. }
        | PipelineError::PublicControls { .. }
        | PipelineError::NothingLeft { .. } => 7,
        PipelineError::Collect { source, .. } => match source {
            CollectError::Interrupted => 130,
            CollectError::Model(error) => failure_code(error.kind),
            CollectError::Evidence(EvidenceError::Other { .. }) => 2,
            CollectError::Evidence(EvidenceError::Write { .. }) => 3,
            CollectError::Evidence(_) => 1,
        },
        PipelineError::NothingToAsk { .. }
        | PipelineError::NoCommonForm { .. }
        | PipelineError::Unchecked { .. } => 5,
        PipelineError::Evidence(_)
        | PipelineError::Draft(_)
        | PipelineError::Render(_)
        | PipelineError::Encode(_)
        | PipelineError::Suspects { .. }
        | PipelineError::Declare(_)
        | PipelineError::Table(_)
        | PipelineError::Write { .. } => 1,
    }
}

/// The exit code of a model's failure.
fn failure_code(kind: Failure) -> u8 {
    match kind {
        Failure::Settings => 2,
        Failure::Unfinished => 3,
        Failure::Limit => 4,
        Failure::Unusable => 7,
    }
}

fn pipeline_hint(error: &PipelineError) -> Option<String> {
    let hint = match error {
        PipelineError::Open(error) => return error.hint.clone(),
        PipelineError::NoModel {
            meant: Some(meant), ..
        } => {
            return Some(format!("did you mean {meant}?"));
        }
        PipelineError::NoModel { .. } => {
            "give a Hugging Face directory, a .gguf file, hf:org/name@revision, a recording's directory, an endpoint (openai/NAME, vllm/NAME, ...) or an id of the lineage file of --controls"
        }
        PipelineError::Fetch { source, .. } | PipelineError::PublicControls { source, .. } => {
            return source.hint();
        }
        PipelineError::NothingToAsk { advice, .. } => advice,
        PipelineError::Prices(source) => source.hint()?,
        PipelineError::UnknownSize { .. } => {
            "name a size: public:small, public:medium or public:large"
        }
        PipelineError::NoFamily { .. } => {
            "declare it with its siblings, all of one 'group', in the file of --controls (models/README.md)"
        }
        PipelineError::Unchecked { .. } => {
            "add --check: it takes twenty to fifty-five small requests an endpoint"
        }
        PipelineError::Collect { source, .. } => return collect_hint(source),
        PipelineError::NoSuchWeights { .. } => {
            "name every directory of weights that the comparison took, after --weights"
        }
        PipelineError::Mixed { .. } => {
            "collect it again with the same --battery, --tier, --samples, --seed and posing; imported answers all in one go"
        }
        PipelineError::NoHouse { .. } => {
            "give the models of a house one 'group', in the file of --suspects or --controls (models/README.md)"
        }
        PipelineError::NoSuspects { .. } => {
            "name a lineage file, a directory of recordings, or a file with a model a line"
        }
        PipelineError::NoBattery { .. } => {
            "name the battery that the import wrote with --battery, or import all models in one go"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// What to do after an interruption: run the same command again, except where the recording itself is in the way.
fn collect_hint(error: &CollectError) -> Option<String> {
    let hint = match error {
        CollectError::Model(error) if error.hint.is_some() => return error.hint.clone(),
        CollectError::Evidence(EvidenceError::Write { source, .. })
            if source.kind() == io::ErrorKind::StorageFull =>
        {
            "what was answered is kept; make room on the disk and run the same command again"
        }
        CollectError::Model(_) | CollectError::Evidence(EvidenceError::Write { .. }) => {
            "what was answered is kept; run the same command again to go on"
        }
        CollectError::Evidence(_) | CollectError::Interrupted => return None,
    };
    Some(hint.to_owned())
}

/// One part of an error. What it says may come from outside: nothing in it passes for another part.
fn say(out: &mut dyn Write, part: &str, text: &str) -> io::Result<()> {
    let text = visible(text).trim_end().replace('\n', "\n    | ");
    writeln!(out, "{part}: {text}")
}

/// The exit code of marks that cannot be used: 6 where they are not what was committed to.
fn marks_code(error: &StoreError) -> u8 {
    match error {
        StoreError::Marks(MarksError::Opening { .. }) => 6,
        StoreError::Marks(MarksError::Read { .. } | MarksError::Write { .. })
        | StoreError::Recording(_) => 1,
        StoreError::Marks(_) | StoreError::Battery(_) => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelError;
    use crate::model::local::LocalError;

    fn printed(error: &CliError) -> String {
        let mut out = Vec::new();
        error.print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn room_is_asked_for_on_a_full_disk_alone() {
        let write = |kind: io::ErrorKind| {
            printed(&CliError::from(PipelineError::Collect {
                model: "m".to_owned(),
                source: CollectError::Evidence(EvidenceError::Write {
                    path: PathBuf::from("out"),
                    source: kind.into(),
                }),
            }))
        };
        assert!(write(io::ErrorKind::StorageFull).contains("make room"));
        let denied = write(io::ErrorKind::PermissionDenied);
        assert!(!denied.contains("make room"), "{denied}");
        assert!(
            denied.contains("hint: what was answered is kept"),
            "{denied}"
        );
    }

    #[test]
    fn a_backtrace_does_not_push_the_hint_out_of_sight() {
        let what = "unknown magic\n   0: candle_core::error\n             at lib.rs:1\n   1: main";
        let header = LocalError::Header {
            path: PathBuf::from("x.gguf"),
            what: what.to_owned(),
        };
        let hint = header.hint();
        let error = ModelError::new("m", Failure::Unusable, header).with_hint(hint);
        let text = printed(&CliError::from(PipelineError::Open(error)));
        assert!(text.contains("unknown magic\nhint:"), "{text}");
    }
}
