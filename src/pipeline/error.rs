//! What ends a job early.

use std::io;
use std::path::{Path, PathBuf};

use crate::battery::BatteryError;
use crate::bundle::{DraftError, FileSealError, MarksError, VerifyError};
use crate::collect::CollectError;
use crate::evidence::EvidenceError;
use crate::import::ImportError;
use crate::marks::store::StoreError;
use crate::model::ModelError;
use crate::model::hosted::{EndpointError, HostedError};
use crate::model::local::hub::{HubError, HubReferenceError};
use crate::panel::{LineageError, PickError};
use crate::population::PopulationError;
use crate::report::RenderError;
use crate::validation::FitError;

/// A job could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The battery.
    #[error("cannot use the battery")]
    Battery(#[from] BatteryError),
    /// A lineage file.
    #[error("cannot use the lineage file")]
    Lineage(#[from] LineageError),
    /// A population.
    #[error("cannot use the population")]
    Population(#[from] PopulationError),
    /// A population's scores allow no calibration.
    #[error("cannot calibrate on the population's scores")]
    Fit(#[from] FitError),
    /// A model.
    #[error("cannot open model '{}'", .0.model)]
    Open(#[source] ModelError),
    /// A name that means no model.
    #[error(
        "'{model}' is no model: it is no endpoint's name, and no file or directory can be read there"
    )]
    NoModel {
        /// The name.
        model: String,
        /// A name that may have been meant.
        meant: Option<String>,
        /// Why nothing can be read there.
        #[source]
        source: std::io::Error,
    },
    /// A name that looks like an endpoint's.
    #[error("cannot use the endpoint's name")]
    Endpoint(#[source] EndpointError),
    /// A check of access was asked for of something else.
    #[error("'{model}' is no endpoint; weights need no access check")]
    NoEndpoint {
        /// The model.
        model: String,
    },
    /// An endpoint would have to be asked to learn what it gives.
    #[error("what '{model}' gives has not been checked yet")]
    Unchecked {
        /// The endpoint.
        model: String,
    },
    /// An endpoint gives nothing.
    #[error("the access check found nothing that can be asked of '{model}'")]
    NothingToAsk {
        /// The endpoint.
        model: String,
        /// What the user can do about it.
        advice: String,
    },
    /// The file of prices.
    #[error("cannot use the prices")]
    Prices(#[source] HostedError),
    /// A model of the hub.
    #[error("cannot fetch model '{model}'")]
    Fetch {
        /// The model.
        model: String,
        /// The cause.
        #[source]
        source: HubError,
    },
    /// A model of the list of public models.
    #[error("cannot fetch public control {what}")]
    PublicControls {
        /// The model, and what else has still to be fetched.
        what: String,
        /// The cause.
        #[source]
        source: HubError,
    },
    /// The list of public models has no panel of the kind.
    #[error("cannot pick public controls")]
    Pick(#[from] PickError),
    /// Public controls cannot be matched to the suspect.
    #[error("how large '{model}' is cannot be told from here")]
    UnknownSize {
        /// The suspect.
        model: String,
    },
    /// The question is about a family that nobody declared.
    #[error("no lineage file puts '{protected}' into a group with other models")]
    NoFamily {
        /// The protected model.
        protected: String,
    },
    /// A name begins with `hf:` and is not of that form.
    #[error("'{model}' does not name a model of the hub")]
    Reference {
        /// The name.
        model: String,
        /// The cause.
        #[source]
        source: HubReferenceError,
    },
    /// Only weights will do.
    #[error("'{model}' is a recording; only weights can be served")]
    NotWeights {
        /// The recording.
        model: String,
    },
    /// A model failed in the middle, or the work was ended.
    #[error("collecting from '{model}' did not finish")]
    Collect {
        /// The model.
        model: String,
        /// The cause.
        #[source]
        source: CollectError,
    },
    /// A recording.
    #[error("cannot use a recording")]
    Evidence(#[from] EvidenceError),
    /// Answers of others.
    #[error("cannot import the answers")]
    Import(#[from] ImportError),
    /// An import wrote a battery, and it is gone.
    #[error("'{model}' was imported, and its battery is not at '{}'", path.display())]
    NoBattery {
        /// The recording.
        model: String,
        /// Where the battery should be.
        path: PathBuf,
    },
    /// Recordings that were not made alike cannot be compared.
    #[error("the recording '{model}' was made with another {what} than the rest of the comparison")]
    Mixed {
        /// The recording.
        model: String,
        /// What differs.
        what: &'static str,
    },
    /// No form of question suits all models.
    #[error(
        "'{turns}' takes chat turns only and '{plain}' has no chat form, so they cannot be asked alike"
    )]
    NoCommonForm {
        /// A model that takes chat turns only.
        turns: String,
        /// A model that takes plain text only.
        plain: String,
    },
    /// The bundle.
    #[error("cannot make the bundle")]
    Draft(#[from] DraftError),
    /// Weights that a bundle does not know.
    #[error("the weights in '{}' (SHA-256 {digest}) are those of no model in the bundle", path.display())]
    OtherWeights {
        /// Where they lie.
        path: PathBuf,
        /// Their digest.
        digest: String,
    },
    /// Weights that a bundle's comparison took are not at hand.
    #[error("the comparison of weights also took those of '{model}' (SHA-256 {digest})")]
    NoSuchWeights {
        /// The model.
        model: String,
        /// The digest of its weights.
        digest: String,
    },
    /// The comparison of weights comes out otherwise than in the bundle.
    #[error(
        "the bundle holds other figures of the weights than these weights give: it has {held}; computed was {computed}"
    )]
    OtherGates {
        /// The bundle's.
        held: String,
        /// Those of the weights at hand.
        computed: String,
    },
    /// A bundle that was checked cannot be read again.
    #[error("cannot read the bundle")]
    Verify(#[from] VerifyError),
    /// A recording answers what it was asked and nothing else.
    #[error("'{model}' is a recording; only weights and endpoints can be asked again")]
    AskedRecording {
        /// The recording.
        model: String,
    },
    /// A bundle has no model of that name.
    #[error("the bundle has no model '{model}'; it has {}", members.join(", "))]
    NoSuchMember {
        /// The name.
        model: String,
        /// The ids of those that it has.
        members: Vec<String>,
    },
    /// A list of suspects.
    #[error("cannot read the suspects in '{}'", path.display())]
    Suspects {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A list of suspects names none.
    #[error("'{}' names no suspect", path.display())]
    NoSuspects {
        /// The file or directory.
        path: PathBuf,
    },
    /// No model is of the house that is asked about.
    #[error("no lineage file has a model of house '{house}'")]
    NoHouse {
        /// The house; empty if all of them were asked about.
        house: String,
    },
    /// All suspects, or all protected models, had to be left aside.
    #[error("none of the {what} can be used; the first that was left aside is {first}")]
    NothingLeft {
        /// Suspects or protected models.
        what: &'static str,
        /// The first with the reason.
        first: String,
    },
    /// What is declared cannot be written as a lineage file.
    #[error("cannot write what is declared of the controls")]
    Declare(#[source] toml::ser::Error),
    /// The screening as a table.
    #[error("cannot write the rows as a table")]
    Table(#[source] csv::Error),
    /// Planted marks, or a test of them.
    #[error("cannot use the marks")]
    Marks(#[from] StoreError),
    /// A test of planted marks that is to be part of a case.
    #[error("cannot take in the test of planted marks")]
    MarksTest(#[from] MarksError),
    /// A seal of planted marks.
    #[error("a seal of the marks does not hold")]
    MarksSeal(#[from] FileSealError),
    /// The report.
    #[error("the report could not be rendered")]
    Render(#[from] RenderError),
    /// An access check cannot be written as JSON.
    #[error("the access check could not be encoded")]
    Encode(#[source] serde_json::Error),
    /// A file.
    #[error("cannot write '{}'", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl PipelineError {
    /// The error of a file that could not be written.
    pub(crate) fn writing(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write { path, source }
    }
}
