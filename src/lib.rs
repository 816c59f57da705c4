//! A parentage test for language models.
//!
//! Given a *protected* model and a *suspect*, `parentage` asks both the same battery of questions,
//! asks *controls* that are known not to descend from the protected model as well, and says at which
//! rung of a ladder the evidence stops: same model, weight derivative, distilled, family, related,
//! undecided, shared, unrelated, inconclusive.
//!
//! Start at [`pipeline`]: it has a function for each whole job, and an example that runs. Whoever brings models of another
//! kind implements [`model::Model`].
//!
//! ```text
//! probes (battery)      Model (model::local: weights, model::hosted: endpoints, model::scripted: made up)
//!        |                   |
//!        +---- collect ------+          plan (bundle) committed before anything is asked
//!                 |
//!             recording (evidence)          everything below is a pure function of recordings
//!                 |
//!             fingerprint                   sentinel: answers after a drift are set aside
//!                 |
//!     measure: affinity -> synthetic control, contrast   rows: suspect and controls; columns: candidate parents
//!                 |
//!             weigh: conformal p, t, paired tests, mixes, dose
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
//!
//! # Glossary
//!
//! Each term is used in one way only.
//!
//! | term | meaning |
//! |---|---|
//! | probe | one item of a battery: a prompt with what is asked of the answer ([`battery::Probe`]) |
//! | battery | an ordered, named set of probes; its digest stands in every recording ([`battery::Battery`]) |
//! | question | a probe as it is put to a model, with what exactly is asked ([`question::Question`]) |
//! | access | how far a model's distributions can be seen: text, top tokens, or the probability of any text ([`question::Access`]) |
//! | posing | the settings by which all models of a comparison are asked alike ([`question::Posing`]) |
//! | recording | all answers of one model to one battery, as observed ([`evidence::Recording`]) |
//! | fingerprint | what is compared of a recording ([`fingerprint::Fingerprint`]) |
//! | protected model | the model whose outputs may have been learned from |
//! | suspect | the model under question |
//! | base | the checkpoint that the suspect started from |
//! | control | a model that is known not to descend from the protected model |
//! | alternative | another candidate parent, alike in data and kind to the protected model where possible |
//! | candidate parent | the protected model or an alternative |
//! | family | the protected model and the alternatives of its group, asked about as one candidate |
//! | panel | all models of a comparison in their roles ([`panel::Panel`]) |
//! | lineage | what is declared of the descent of models ([`panel::Lineage`]) |
//! | measure | one way to say how alike two models answer ([`measure::Measure`]) |
//! | affinity | the value of a measure for two models, probe by probe ([`measure::Affinity`]) |
//! | synthetic control | the mix of innocent models that fits the suspect best; what it leaves at the protected model is the score ([`measure::Synthetic`]) |
//! | gate | a comparison of weights instead of answers ([`case::Gates`]) |
//! | finding | the rung of the ladder at which the evidence stops ([`verdict::Finding`]) |
//! | caveat | one limit of a finding, with what was seen and what to do ([`report::caveat::Caveat`]) |
//! | plan | what is settled before anything is asked, committed by its digest ([`bundle::Plan`]) |
//! | bundle | a directory with everything by which others can draw the finding again ([`bundle::Bundle`]) |
//! | screening | many suspects against many protected models, corrected for how many were looked at ([`screening::Screening`]) |
//! | population | models of known descent on which the method is validated ([`population::Population`]) |

pub mod adequacy;
pub mod again;
pub mod battery;
pub mod bundle;
pub mod case;
pub mod cli;
pub mod collect;
pub mod detail;
pub mod digest;
pub mod estimate;
pub mod evidence;
mod files;
pub mod fingerprint;
pub mod identity;
pub mod import;
mod lenient;
pub mod marks;
pub mod measure;
pub mod model;
pub mod panel;
pub mod passes;
pub mod pipeline;
pub mod population;
mod printable;
pub mod question;
pub mod reach;
pub mod report;
pub mod response;
pub mod rules;
pub mod screening;
pub mod sentinel;
pub mod sequential;
pub mod serve;
mod tagged;
pub mod tree;
pub mod validation;
pub mod verdict;
pub mod view;
pub mod weigh;
