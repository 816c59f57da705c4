//! What ends a command early, how it is shown, and with which exit code.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::battery::BatteryError;
use crate::bundle::{DraftError, FileSealError, RedactError, SealError, VerifyError};
use crate::collect::CollectError;
use crate::evidence::EvidenceError;
use crate::import::ImportError;
use crate::marks::MarksError;
use crate::marks::store::StoreError;
use crate::model::ModelError;
use crate::model::hosted::{EndpointError, HostedError};
use crate::model::local::hub::{HubError, HubReferenceError};
use crate::model::local::{LocalError, without_backtrace};
use crate::panel::{LineageError, PickError};
use crate::population::PopulationError;
use crate::printable::visible;
use crate::report::RenderError;
use crate::serve::{NoToken, ServeError};
use crate::tree::TreeError;
use crate::validation::FitError;
use crate::view::ViewError;

/// A command could not be finished.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    #[error("cannot use the battery")]
    Battery(#[from] BatteryError),
    #[error("cannot use the lineage file")]
    Lineage(#[from] LineageError),
    #[error("cannot use the population")]
    Population(#[from] PopulationError),
    #[error("cannot calibrate on the population's scores")]
    Fit(#[from] FitError),
    #[error("cannot open model '{model}'")]
    Open {
        model: String,
        #[source]
        source: ModelError,
    },
    #[error("cannot use the endpoint's name")]
    Endpoint(#[source] EndpointError),
    #[error("'{model}' is no endpoint; weights need no access check")]
    NoEndpoint { model: String },
    #[error("what '{model}' gives has not been checked yet")]
    Unchecked { model: String },
    #[error("the access check found nothing that can be asked of '{model}'")]
    NothingToAsk { model: String, advice: String },
    #[error("cannot use the prices")]
    Prices(#[source] HostedError),
    #[error("cannot fetch model '{model}'")]
    Fetch {
        model: String,
        #[source]
        source: HubError,
    },
    #[error("cannot fetch public control {what}")]
    PublicControls {
        what: String,
        #[source]
        source: HubError,
    },
    #[error("cannot pick public controls")]
    Pick(#[from] PickError),
    #[error("how large '{model}' is cannot be told from here")]
    UnknownSize { model: String },
    #[error("no lineage file puts '{protected}' into a group with other models")]
    NoFamily { protected: String },
    #[error("'{model}' cannot be the third model: it stands in another role that decides")]
    Third { model: String },
    #[error("'{model}' does not name a model of the hub")]
    Reference {
        model: String,
        #[source]
        source: HubReferenceError,
    },
    #[error("collecting from '{model}' did not finish")]
    Collect {
        model: String,
        #[source]
        source: CollectError,
    },
    #[error("cannot use a recording")]
    Evidence(#[from] EvidenceError),
    #[error("cannot import the answers")]
    Import(#[from] ImportError),
    #[error("'{model}' was imported, and its battery is not at '{}'", path.display())]
    NoBattery { model: String, path: PathBuf },
    #[error("the recording '{model}' was made with another {what} than the rest of the comparison")]
    Mixed { model: String, what: &'static str },
    #[error(
        "'{turns}' takes chat turns only and '{plain}' has no chat form, so they cannot be asked alike"
    )]
    NoCommonForm { turns: String, plain: String },
    #[error("the battery has neither a family nor a probe called '{name}'")]
    NoProbe { name: String },
    #[error("cannot make the bundle")]
    Draft(#[from] DraftError),
    #[error("the bundle does not hold")]
    Verify(#[from] VerifyError),
    #[error("the weights in '{}' (SHA-256 {digest}) are those of no model in the bundle", path.display())]
    OtherWeights { path: PathBuf, digest: String },
    #[error("the comparison of weights also took those of '{model}' (SHA-256 {digest})")]
    NoSuchWeights { model: String, digest: String },
    #[error(
        "the bundle holds other figures of the weights than these weights give: it has {held}; computed was {computed}"
    )]
    OtherGates { held: String, computed: String },
    #[error(
        "a redacted copy holds no weights' digests in full; only a whole bundle can be checked with --weights"
    )]
    RedactedWeights,
    #[error("cannot seal the bundle")]
    Seal(#[from] SealError),
    #[error("cannot redact the bundle")]
    Redact(#[from] RedactError),
    #[error("cannot use the marks")]
    Marks(#[from] StoreError),
    #[error("the test of marks does not hold")]
    MarksCase(#[source] StoreError),
    #[error("cannot take in the test of planted marks")]
    MarksTest(#[from] crate::bundle::MarksError),
    #[error("a seal of the marks does not hold")]
    MarksSeal(#[from] FileSealError),
    #[error("cannot draw the tree")]
    Tree(#[from] TreeError),
    #[error(
        "the recordings have no context that all of them answered, nor, of three or more, open questions that they share"
    )]
    NothingShared,
    #[error("the report could not be rendered")]
    Render(#[from] RenderError),
    #[error("cannot write '{}'", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
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
    #[error("'{model}' is a recording; only weights can be served")]
    NotWeights { model: String },
    #[error("cannot write the output")]
    Output(#[source] io::Error),
}

impl From<MarksError> for CliError {
    fn from(error: MarksError) -> Self {
        Self::Marks(error.into())
    }
}

impl CliError {
    /// The documented exit code.
    pub(super) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Battery(_)
            | Self::Lineage(_)
            | Self::Population(_)
            | Self::Fit(_)
            | Self::Mixed { .. }
            | Self::NoBattery { .. }
            | Self::NoProbe { .. }
            | Self::Endpoint(_)
            | Self::NoEndpoint { .. }
            | Self::Prices(_)
            | Self::Pick(_)
            | Self::UnknownSize { .. }
            | Self::NoFamily { .. }
            | Self::Third { .. }
            | Self::Reference { .. }
            | Self::Draft(
                DraftError::Other { .. }
                | DraftError::Sealed { .. }
                | DraftError::Stamp { .. }
                | DraftError::Read { .. },
            )
            | Self::TokenFile { .. }
            | Self::Token(_)
            | Self::NotWeights { .. }
            | Self::OtherWeights { .. }
            | Self::NoSuchWeights { .. }
            | Self::RedactedWeights
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
            Self::Import(error) => match error {
                ImportError::Read { .. }
                | ImportError::Archive { .. }
                | ImportError::Write { .. }
                | ImportError::Recording {
                    source: EvidenceError::Read { .. } | EvidenceError::Write { .. },
                    ..
                } => 1,
                _ => 2,
            },
            Self::Verify(_)
            | Self::OtherGates { .. }
            | Self::MarksCase(_)
            | Self::MarksSeal(_)
            | Self::MarksTest(_) => 6,
            Self::Marks(error) => marks_code(error),
            Self::Open {
                source: ModelError::Hosted { source, .. },
                ..
            } => hosted_code(source),
            Self::Open { .. } | Self::Fetch { .. } | Self::PublicControls { .. } => 7,
            Self::Collect { source, .. } => match source {
                CollectError::Interrupted => 130,
                CollectError::Model(ModelError::Hosted { source, .. }) => hosted_code(source),
                CollectError::Evidence(EvidenceError::Other { .. }) => 2,
                CollectError::Evidence(e) if !matches!(e, EvidenceError::Write { .. }) => 1,
                _ => 3,
            },
            Self::NothingShared
            | Self::NothingToAsk { .. }
            | Self::NoCommonForm { .. }
            | Self::Unchecked { .. } => 5,
            Self::Evidence(_)
            | Self::Draft(_)
            | Self::Tree(_)
            | Self::Write { .. }
            | Self::Render(_)
            | Self::Serve(_)
            | Self::View(_)
            | Self::Output(_) => 1,
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

    fn hint(&self) -> Option<String> {
        match self {
            Self::Open {
                source: ModelError::Hosted { source, .. },
                ..
            }
            | Self::Collect {
                source: CollectError::Model(ModelError::Hosted { source, .. }),
                ..
            } => source.hint().map(str::to_owned),
            Self::Fetch { source, .. } | Self::PublicControls { source, .. } => source.hint(),
            Self::UnknownSize { .. } => {
                Some("name a size: public:small, public:medium or public:large".to_owned())
            }
            Self::NoFamily { .. } => Some(
                "declare it with its siblings, all of one 'group', in the file of --controls (models/README.md)"
                    .to_owned(),
            ),
            Self::Third { .. } => Some(
                "name a model beside protected model, suspect and base with --third, or leave it out"
                    .to_owned(),
            ),
            Self::Open {
                source: ModelError::Local { source, .. },
                ..
            } => open_hint(source).map(str::to_owned),
            Self::NothingToAsk { advice, .. } => Some(advice.clone()),
            Self::Collect {
                source: CollectError::Evidence(EvidenceError::Write { source, .. }),
                ..
            } if source.kind() == io::ErrorKind::StorageFull => Some(
                "what was answered is kept; make room on the disk and run the same command again"
                    .to_owned(),
            ),
            Self::Unchecked { .. } => Some(
                "add --check: it takes twenty to fifty-five small requests an endpoint".to_owned(),
            ),
            Self::Prices(source) => source.hint().map(str::to_owned),
            // Nothing gets better by running again where the recording itself is in the way.
            Self::Collect {
                source: CollectError::Model(_) | CollectError::Evidence(EvidenceError::Write { .. }),
                ..
            } => Some("what was answered is kept; run the same command again to go on".to_owned()),
            Self::NoSuchWeights { .. } => {
                Some("name every directory of weights that the comparison took, after --weights".to_owned())
            }
            Self::Mixed { .. } => Some(
                "collect it again with the same --battery, --tier, --samples, --seed and posing; imported answers all in one go"
                    .to_owned(),
            ),
            Self::NoBattery { .. } => Some(
                "name the battery that the import wrote with --battery, or import all models in one go"
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

/// One part of an error. What it says may come from outside: nothing in it passes for another part.
fn say(out: &mut dyn Write, part: &str, text: &str) -> io::Result<()> {
    let text = visible(text).trim_end().replace('\n', "\n    | ");
    writeln!(out, "{part}: {text}")
}

/// The exit code of an endpoint's failure: 4 at a limit, 7 without key or model, 3 to be gone on with.
fn hosted_code(error: &HostedError) -> u8 {
    match error {
        HostedError::Unpriced { .. }
        | HostedError::PriceFile { .. }
        | HostedError::PriceForm { .. }
        | HostedError::PriceValue { .. } => 2,
        HostedError::Client { .. }
        | HostedError::Runtime { .. }
        | HostedError::Broken { .. }
        | HostedError::Ended { .. }
        | HostedError::ServedChanged { .. } => 3,
        HostedError::Billing { .. } | HostedError::Budget { .. } => 4,
        HostedError::Key { .. }
        | HostedError::Auth { .. }
        | HostedError::NotFound { .. }
        | HostedError::Redirected { .. } => 7,
    }
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

fn open_hint(error: &LocalError) -> Option<&'static str> {
    match error {
        LocalError::NotAModel { .. } => Some(
            "give a Hugging Face directory, a .gguf file, hf:org/name@revision, or a recording's directory",
        ),
        LocalError::Header { .. } => {
            Some("the file may be damaged or a download cut off; fetch it again")
        }
        LocalError::Foreign { what, .. } => Some(what.advice()),
        LocalError::MissingPart { .. } => Some("fetch all parts into one directory"),
        LocalError::Format { .. } => Some(
            "give a file in one of these formats; of the original weights, llama.cpp's `llama-quantize` makes Q8_0",
        ),
        LocalError::Template(_) => Some(
            "mend chat_template.jinja or 'chat_template' in tokenizer_config.json (of a GGUF: `gguf-new-metadata --chat-template-file`), or take it out to ask the model as plain text",
        ),
        LocalError::Tokenizer(_) => Some("put the model's own tokenizer.json beside its weights"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(error: &CliError) -> String {
        let mut out = Vec::new();
        error.print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn room_is_asked_for_on_a_full_disk_alone() {
        let write = |kind: io::ErrorKind| {
            printed(&CliError::Collect {
                model: "m".to_owned(),
                source: CollectError::Evidence(EvidenceError::Write {
                    path: PathBuf::from("out"),
                    source: kind.into(),
                }),
            })
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
        let text = printed(&CliError::Open {
            model: "m".to_owned(),
            source: ModelError::Local {
                model: "m".to_owned(),
                source: Box::new(LocalError::Header {
                    path: PathBuf::from("x.gguf"),
                    what: what.to_owned(),
                }),
            },
        });
        assert!(text.contains("unknown magic\nhint:"), "{text}");
    }
}
