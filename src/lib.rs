//! A parentage test for language models.
//!
//! Given a *protected* model and a *suspect*, `parentage` asks both the same battery of questions,
//! asks *controls* that are known not to descend from the protected model as well, and says at which
//! rung of a ladder the evidence stops: same model, weight derivative, distilled, family, related,
//! undecided, shared, unrelated, inconclusive.
//!
//! ```text
//! probes (battery)      Model (model::local: weights, model::hosted: endpoints)
//!        |                   |
//!        +---- collect ------+          plan (bundle) committed before anything is asked
//!                 |
//!             recording (evidence)          everything below is a pure function of recordings
//!                 |
//!             fingerprint                   sentinel: answers after a drift are set aside
//!                 |
//!     measure: affinity -> synthetic control, contrast   rows: suspect and controls; columns: candidate parents
//!                 |
//!             weigh: conformal p, t, paired tests, mixes, dose, direction
//!                 |                                      sequential: bets that may stop at any time
//!                 |
//!             case -> verdict -> report          (detail: what a person looks at)
//!                 |
//!             bundle: verified and rendered again by others; view: read in a browser
//! ```
//!
//! All models of a comparison are asked alike: [`question::Posing`] settles how, from what the least open
//! of them gives. [`reach`] says beforehand what that can show, [`estimate`] what it takes, [`adequacy`] what the controls
//! allow.
//!
//! Answers that somebody else collected become recordings as well ([`import`]).
//!
//! Proof that was planted ([`marks`]) stands beside: it takes no controls, and a case may hold a test of it.
//!
//! Collecting has two passes: every model answers the battery; then every model reads what the
//! candidate parents wrote ([`passes`]).

pub mod adequacy;
pub mod battery;
pub mod bundle;
pub mod case;
pub mod cli;
pub mod collect;
pub mod detail;
pub mod digest;
pub mod direction;
pub mod estimate;
pub mod evidence;
pub mod fingerprint;
pub mod identity;
pub mod import;
mod lenient;
pub mod marks;
pub mod measure;
pub mod model;
pub mod panel;
pub mod passes;
pub mod population;
mod printable;
pub mod question;
pub mod reach;
pub mod report;
pub mod response;
pub mod rules;
pub mod sentinel;
pub mod sequential;
pub mod serve;
mod tagged;
pub mod tree;
pub mod validation;
pub mod verdict;
pub mod view;
pub mod weigh;
