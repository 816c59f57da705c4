//! The whole jobs: what each command does, as a function of plain values.
//!
//! A caller fills in a request ([`Request`], [`CollectRequest`], [`ValidateRequest`], [`ImportRequest`]), calls the
//! function of its name, and gets a value or a [`PipelineError`]. What goes on meanwhile is told to a [`Watch`], which
//! can also end the work early. Nothing here knows a command line, a terminal or an exit code.
//!
//! Models are named by text, and each name is resolved once: to weights, to an endpoint, to a recording, or to a
//! [`Model`](crate::model::Model) that the caller hands over ([`Given`]).
//!
//! Two made-up models, of which one learned from the other, among others that did not:
//!
//! ```
//! use parentage::battery::Tier;
//! use parentage::model::{Seed, scripted};
//! use parentage::pipeline::{Request, Unwatched, compare};
//!
//! let out = tempfile::tempdir()?;
//! let mut request = Request::new("parent", "child", out.path());
//! request.asking.tier = Some(Tier::Quick);
//! request.asking.samples = 4;
//! request.named.alternatives = vec!["sibling-1".to_owned()];
//! request.named.controls = (1..=12).map(|n| format!("stranger-{n}")).collect();
//! request.given = scripted::household(Seed(7), 1, 12).into_iter().collect();
//! let comparison = compare(&request, &Unwatched)?;
//! println!("{}", comparison.report.sentence);
//! # assert_eq!(comparison.report.finding.name(), "distilled");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod again;
mod by_house;
mod by_source;
mod collect;
mod compare;
mod endpoints;
mod error;
mod favourites;
pub(crate) mod gates;
mod given;
mod import;
mod marks;
mod plan;
mod pose;
mod probe;
mod public;
mod request;
mod round;
mod screen;
mod selection;
mod suggest;
mod target;
mod validate;
mod watch;
mod weights;

#[cfg(test)]
mod tests;

pub use again::{AgainRequest, AskedAgain, ask_again};
pub use collect::{CollectRequest, collect};
pub use compare::{Comparison, compare};
pub use error::PipelineError;
pub use favourites::{FavouritesRequest, favourites};
pub use given::Given;
pub use import::{ImportRequest, Imported, import};
pub use marks::{MarksRequest, MarksTested, test_marks};
pub use plan::{Cost, Outlook, plan};
pub use probe::probe;
pub use public::{PublicModel, PublicModels};
pub use request::{Asking, ControlsFrom, EndpointSettings, Engine, Request};
pub use screen::{
    MOST_CONTROLS, Protected, ScreenCost, ScreenOutlook, ScreenRequest, Suspects, plan_screen,
    screen,
};
pub use selection::Selection;
pub use validate::{ScoresFrom, ValidateRequest, validate};
pub use watch::{Event, Stage, Unwatched, Watch};
pub use weights::{SMALL, WeightFiles, weights};
