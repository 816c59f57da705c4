//! Caveats: what limits a finding, why, and what to do about it.

mod rank;

use std::collections::{BTreeMap, BTreeSet};

use crate::case::{Case, Marked, MeasureResult, NoControl, Parts, Screened};
use crate::identity::{AbilityStatus, AnswerFormat, Source};
use crate::measure::Basis;
use crate::panel::{Matching, Member, Panel};
use crate::question::{Access, Posing, SEED};
use crate::rules::MIN_CONTROLS;
use crate::validation::CaseRatio;
use crate::verdict::Finding;

/// From this many controls on the conformal p can reach 0.05 and leads.
const CONFORMAL_LEADS: usize = 19;

/// Advice that is long.
const READ_THEM: &str = "read their answers; who answers nothing that it was asked shows nothing of what it has learned";
const WHO_IS_ASKED: &str = "ask again by another way whether the model asked is the suspect; what is found of it is found of that model";
const LOOK_AT_DATE: &str = "check the time stamp with `openssl ts -verify`, read its date with `openssl ts -reply -text`, and hold it against when the suspect was released";
const HAVE_WEIGHTS: &str =
    "whoever has the weights computes them again with `parentage verify --weights`";
const ASK_MODELS: &str = "ask the models themselves, or collect the recordings again";
const WHO_CHOSE: &str = "ask whoever chose it why, and run it again with the seed left out";

/// One limit of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caveat {
    /// Members were no controls and were left out.
    Screened {
        /// Each with the reason, in words.
        members: Vec<String>,
    },
    /// No likelihood ratio can be given.
    NotCalibrated {
        /// Why.
        why: String,
    },
    /// The likelihood ratio is read outside the conditions that were validated.
    Extrapolated {
        /// In what the case differs.
        outside: Vec<String>,
    },
    /// The conformal p cannot be small.
    FewControls {
        /// Controls used.
        controls: usize,
    },
    /// The t leans on normal controls.
    Normality,
    /// No alternative is alike in data and kind.
    NoMatchedAlternative,
    /// No control is alike in data.
    NoMatchedControl,
    /// Alternatives were named as matched but are not alike.
    DoubtfulAlternative {
        /// Their ids.
        ids: Vec<String>,
    },
    /// A matched alternative rests on the user's word.
    NamedAlternative {
        /// Their ids.
        ids: Vec<String>,
    },
    /// No weights on both sides.
    BehaviourOnly,
    /// Members answer whatever they are asked.
    Unresponsive {
        /// Each with what shows it, in words.
        members: Vec<String>,
    },
    /// The suspect answers as alternatives do.
    SuspectIs {
        /// Their ids.
        ids: Vec<String>,
    },
    /// The weights were compared by whoever made the bundle.
    WeightsTaken,
    /// The finding rests on planted marks, and so on the time stamp of their commitment.
    MarksTimeStamp,
    /// Controls are related to the protected model by weights.
    RelatedControls {
        /// Their ids.
        ids: Vec<String>,
    },
    /// A measure says nothing.
    MeasureMissing {
        /// The measure.
        measure: &'static str,
        /// Why.
        reason: String,
    },
    /// Controls lack answers that others have.
    ControlsDropped {
        /// Their ids.
        ids: Vec<String>,
    },
    /// Questions without an answer.
    Unanswered {
        /// Model and count.
        counts: BTreeMap<String, usize>,
    },
    /// Recordings that stand for a model lack answers.
    IncompleteRecording {
        /// Model, how many first questions have no record, and of how many.
        lacking: BTreeMap<String, (usize, usize)>,
    },
    /// Models with a chat form were asked without it.
    PosedRaw,
    /// Plain text was put as chat turns.
    PosedAsTurns,
    /// Some model gives less than the probability of given texts.
    ReducedAccess {
        /// What all were asked for.
        access: Access,
    },
    /// Endpoints whose sampling could not be set.
    SamplingUnknown {
        /// Their ids.
        ids: Vec<String>,
    },
    /// The suspect or the protected model is an endpoint, whose settings nobody outside sees.
    SettingsUnseen {
        /// Their ids.
        ids: Vec<String>,
        /// The condition of the validation, of those in which suspects alone had settings of their own, with most
        /// innocents accused: how many, and of how many.
        accused: Option<(String, usize, usize)>,
    },
    /// Endpoints that reason out of sight before they answer.
    HiddenReasoning {
        /// Their ids.
        ids: Vec<String>,
    },
    /// Endpoints that say that another model answered than was asked for.
    ServedOther {
        /// Id and the model served.
        served: BTreeMap<String, String>,
    },
    /// Endpoints that changed while they were asked.
    Drifted {
        /// Id and answers set aside.
        set_aside: BTreeMap<String, usize>,
    },
    /// A small battery.
    SmallBattery {
        /// Probes asked.
        probes: usize,
    },
    /// The probes are published.
    PublishedBattery,
    /// Answers that this tool did not ask for.
    Imported {
        /// The formats that they came in.
        formats: Vec<&'static str>,
        /// Ids of the models that they are of.
        ids: Vec<String>,
        /// They are of all models.
        all: bool,
    },
    /// Imported answers hold nothing that these measures compare.
    NothingHeld {
        /// The measures.
        measures: Vec<&'static str>,
    },
    /// Somebody chose the seed.
    ChosenSeed {
        /// The seed.
        seed: u64,
    },
    /// The suspect's answers are older than the plan.
    PlannedAfter,
    /// Published and private probes speak against each other.
    PartsDisagree {
        /// What published ones say.
        published: Finding,
        /// What private ones say.
        private: Finding,
    },
}

impl Caveat {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Screened { .. } => "screened",
            Self::NotCalibrated { .. } => "not_calibrated",
            Self::Extrapolated { .. } => "extrapolated",
            Self::FewControls { .. } => "few_controls",
            Self::Normality => "normality_assumed",
            Self::NoMatchedAlternative => "no_matched_alternative",
            Self::NoMatchedControl => "no_matched_control",
            Self::DoubtfulAlternative { .. } => "doubtful_alternative",
            Self::NamedAlternative { .. } => "named_alternative",
            Self::BehaviourOnly => "behaviour_only",
            Self::Unresponsive { .. } => "unresponsive",
            Self::SuspectIs { .. } => "suspect_is_alternative",
            Self::WeightsTaken => "weights_taken",
            Self::MarksTimeStamp => "marks_time_stamp",
            Self::RelatedControls { .. } => "related_controls",
            Self::MeasureMissing { .. } => "measure_missing",
            Self::ControlsDropped { .. } => "controls_dropped",
            Self::Unanswered { .. } => "unanswered",
            Self::IncompleteRecording { .. } => "incomplete_recording",
            Self::PosedRaw => "posed_raw",
            Self::PosedAsTurns => "posed_as_turns",
            Self::ReducedAccess { .. } => "reduced_access",
            Self::SamplingUnknown { .. } => "sampling_unknown",
            Self::SettingsUnseen { .. } => "settings_unseen",
            Self::HiddenReasoning { .. } => "hidden_reasoning",
            Self::ServedOther { .. } => "served_other",
            Self::Drifted { .. } => "drifted",
            Self::SmallBattery { .. } => "small_battery",
            Self::PublishedBattery => "published_battery",
            Self::Imported { .. } => "imported",
            Self::NothingHeld { .. } => "nothing_held",
            Self::ChosenSeed { .. } => "chosen_seed",
            Self::PlannedAfter => "planned_after",
            Self::PartsDisagree { .. } => "parts_disagree",
        }
    }

    /// What was seen and what it may mean.
    #[expect(
        clippy::too_many_lines,
        reason = "a sentence a caveat, and nothing else"
    )]
    pub fn text(&self) -> String {
        match self {
            Self::Screened { members } => format!(
                "these models cannot serve as controls, as their answers show, and were left out: {}",
                members.join("; ")
            ),
            Self::NotCalibrated { why } => format!("no likelihood ratio is given: {why}"),
            Self::Extrapolated { outside } => format!(
                "the likelihood ratio is outside the conditions under which it was validated, and is therefore limited to 100: {}",
                outside.join("; ")
            ),
            Self::FewControls { controls } => format!(
                "with {controls} controls the conformal p cannot be smaller than {:.3}; the finding therefore rests on t",
                1.0 / (*controls as f64 + 1.0)
            ),
            Self::Normality => {
                "the test assumes that the controls' scores are normally distributed; with few controls this cannot be checked"
                    .to_owned()
            }
            Self::NoMatchedAlternative => {
                "no other candidate parent has the protected model's data and kind".to_owned()
            }
            Self::NoMatchedControl => {
                "no control is declared to have had the protected model's data without learning from the model".to_owned()
            }
            Self::DoubtfulAlternative { ids } => format!(
                "{}: named as an alternative, but no more like the protected model than unrelated models are; not counted as matched",
                ids.join(", ")
            ),
            Self::NamedAlternative { ids } => format!(
                "{}: counted as a matched alternative only because the user says so and because it resembles the protected model",
                ids.join(", ")
            ),
            Self::Unresponsive { members } => format!(
                "these models give nearly the same answers whatever is asked: {}",
                members.join("; ")
            ),
            Self::SuspectIs { ids } => format!(
                "the suspect gives the same answers as {} up to rounding errors: it may be that model under another name",
                ids.join(", ")
            ),
            Self::WeightsTaken => {
                "the comparison of weights rests on the word of whoever made this report: the bundle does not contain the weights, so it cannot be computed again from the bundle"
                    .to_owned()
            }
            Self::MarksTimeStamp => {
                "the finding rests on planted marks. The tool does not check that an authority signed the time stamp of their commitment, nor that the stamp is older than the suspect's training and answers. Keys that are drawn later can be drawn again and again until they fit"
                    .to_owned()
            }
            Self::BehaviourOnly => {
                "the weights of both models could not be compared, so training on outputs cannot be told apart from derivation from the weights"
                    .to_owned()
            }
            Self::RelatedControls { ids } => format!(
                "the weights of {} are related to the protected model's, so they have a common ancestor",
                ids.join(", ")
            ),
            Self::MeasureMissing { measure, reason } => {
                format!("the measure '{measure}' is left out: {reason}")
            }
            Self::ControlsDropped { ids } => format!(
                "{}: not used in the pooled figure, because answers or other candidate parents are missing",
                ids.join(", ")
            ),
            Self::Unanswered { counts } => {
                let list: Vec<String> = counts.iter().map(|(id, n)| format!("{id}: {n}")).collect();
                format!("questions without an answer: {}", list.join(", "))
            }
            Self::IncompleteRecording { lacking } => {
                let share = |missing: usize, planned: usize| {
                    format!("{:.1} %", 100.0 * missing as f64 / planned as f64)
                };
                let list = lacking.iter().map(|(id, (missing, planned))| {
                    let share = share(*missing, *planned);
                    format!("{id}: {missing} of {planned} ({share})")
                });
                format!(
                    "recordings that were handed over lack planned questions, {}; whoever made them may have chosen what to leave out",
                    list.collect::<Vec<_>>().join(", ")
                )
            }
            Self::PosedRaw => {
                "chat questions were put as plain text, because not every model in the comparison has a chat form"
                    .to_owned()
            }
            Self::PosedAsTurns => {
                "plain text was put as chat turns that ask to continue it, because at least one model accepts only chat turns".to_owned()
            }
            Self::ReducedAccess { access: Access::Text } => {
                "distributions were estimated from short samples, because at least one model gives only text".to_owned()
            }
            Self::ReducedAccess { .. } => {
                "distributions were taken from the most probable tokens, because at least one model gives no more than these".to_owned()
            }
            Self::SamplingUnknown { ids } => format!(
                "{}: the temperature could not be set, so these texts were drawn under the provider's settings and those of the other models were not",
                ids.join(", ")
            ),
            Self::SettingsUnseen { ids, accused } => format!(
                "{}: may answer under a system prompt or other settings that cannot be seen from outside and that the other models do not have{}",
                ids.join(", "),
                accused.as_ref().map_or_else(
                    || "; the validation has not tried what that does".to_owned(),
                    |(condition, count, of)| format!(
                        "; in the validation, {count} of {of} innocent models were accused under such conditions ({condition})"
                    )
                )
            ),
            Self::HiddenReasoning { ids } => format!(
                "{}: reasons before it answers and does not show it; the other models may not do so",
                ids.join(", ")
            ),
            Self::ServedOther { served } => {
                let list: Vec<String> = served.iter().map(|(id, s)| format!("{id}: {s}")).collect();
                format!("another model answered than was asked for: {}", list.join(", "))
            }
            Self::Drifted { set_aside } => {
                let list: Vec<String> = set_aside.iter().map(|(id, n)| format!("{id}: {n}")).collect();
                format!(
                    "sentinel questions show that an endpoint changed while it was asked; answers set aside: {}",
                    list.join(", ")
                )
            }
            Self::SmallBattery { probes } => {
                format!("only {probes} questions were asked; weak effects may be missed")
            }
            Self::PublishedBattery => {
                "the questions are public, so a suspect could have been trained to answer them differently"
                    .to_owned()
            }
            Self::Imported { formats, ids, all } => format!(
                "the answers of {} were imported ({}), not asked for by this tool: the plan bound how they are compared, \
                 not what was asked, when, or how often; who answered, under which settings, and whether answers were chosen or \
                 changed before, nobody can check here",
                if *all { "all models".to_owned() } else { ids.join(", ") },
                formats.join(", ")
            ),
            Self::NothingHeld { measures } => format!(
                "the imported answers contain nothing for some measures, which are left out: {}",
                measures.join(", ")
            ),
            Self::ChosenSeed { seed } => format!(
                "the seed is {seed} and not {SEED}, which it is unless somebody chooses: a finding moves with the seed, and nothing here shows how many were tried"
            ),
            Self::PlannedAfter => {
                "the suspect was asked before the plan was committed, so the panel could have been chosen with its answers in view"
                    .to_owned()
            }
            Self::PartsDisagree { published, private } => format!(
                "published and private questions contradict each other: the published ones alone give '{}', the private ones alone '{}'; whoever serves the suspect may know the published ones and let another model answer them",
                published.name(),
                private.name()
            ),
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Screened { .. } => {
                "find out what these models are, and ask whoever chose them as controls"
            }
            Self::NotCalibrated { .. } => "do not turn the p into a probability of distillation",
            Self::Extrapolated { .. } => {
                "validate on a population like the case (parentage validate), or give no ratio (--strict)"
            }
            Self::FewControls { .. } => {
                "add controls; from 19 on the conformal p can stand by itself"
            }
            Self::Normality => "look at the controls' scores in report.json",
            Self::NoMatchedAlternative => {
                "add one: an unreleased sibling, another seed, an internal checkpoint, or comparable models of the same era"
            }
            Self::NoMatchedControl => {
                "add a model trained on the same data, or the same base on the same data"
            }
            Self::DoubtfulAlternative { .. } => {
                "name an alternative that shares the protected model's data and kind"
            }
            Self::NamedAlternative { .. } => {
                "declare data and group in a lineage file, with the reason, so that others can check it"
            }
            Self::Unresponsive { .. } => READ_THEM,
            Self::SuspectIs { .. } => WHO_IS_ASKED,
            Self::WeightsTaken => HAVE_WEIGHTS,
            Self::MarksTimeStamp => LOOK_AT_DATE,
            Self::BehaviourOnly => "read 'distilled' as 'distilled, or derived from its weights'",
            Self::RelatedControls { .. } => {
                "give --base, or controls that do not share the ancestor"
            }
            Self::MeasureMissing { .. } => "collect what it needs, if access allows",
            Self::ControlsDropped { .. } => {
                "collect the missing answers, or add alternatives they did not learn from"
            }
            Self::Unanswered { .. } => {
                "see the reasons in the recordings; many of one kind can bias a comparison"
            }
            Self::IncompleteRecording { .. } => ASK_MODELS,
            Self::PosedRaw => {
                "compare models that all have a chat form, or read the result as one about plain text"
            }
            Self::PosedAsTurns => {
                "read the result as one about chat models, or leave that model out"
            }
            Self::ReducedAccess { .. } => {
                "where the owner of a model can grant more, let them run 'parentage serve' or send a recording"
            }
            Self::SamplingUnknown { .. } => {
                "prefer controls served under the same conditions; a similar temperature is no sign of descent"
            }
            Self::SettingsUnseen { .. } => {
                "ask the operator for the settings in writing, and put the controls under them"
            }
            Self::HiddenReasoning { .. } => {
                "switch reasoning off on both sides, or compare models that all reason"
            }
            Self::ServedOther { .. } => {
                "find out what the name stands for before the finding is used"
            }
            Self::Drifted { .. } => "collect again into another --out, in one go",
            Self::SmallBattery { .. } => "ask more with --tier standard or --tier full",
            Self::PublishedBattery => "add private probes with --battery DIR",
            Self::Imported { .. } => {
                "have whoever collected them vouch for the files, whose SHA-256 the recordings name; ask suspect and protected model the same prompts with 'parentage collect' where that can be"
            }
            Self::NothingHeld { .. } => {
                "read the finding as one about what the other measures see; closed questions can be imported with their likelihoods (lm-eval), open ones with samples"
            }
            Self::ChosenSeed { .. } => WHO_CHOSE,
            Self::PlannedAfter => {
                "ask the suspect anew into an empty --out, with the panel settled"
            }
            Self::PartsDisagree { .. } => {
                "do not use the finding; ask both sides private probes alone, and new ones"
            }
        }
    }
}

/// What was asked and how, as far as it limits a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditions {
    /// Probes asked.
    pub probes: usize,
    /// Only batteries that ship with the tool were used.
    pub published: bool,
    /// A model with a chat form was asked without it.
    pub posed_raw: bool,
    /// Questions without an answer, by model.
    pub unanswered: BTreeMap<String, usize>,
    /// First questions of which a recording that stands for a model has no record, and of how many, by id.
    pub missing: BTreeMap<String, (usize, usize)>,
    /// The suspect had answered before the plan was committed.
    pub planned_after: bool,
    /// What published and private probes say apart, where there are both.
    pub parts: Option<Parts>,
    /// The seed of everything random.
    pub seed: u64,
    /// How all were asked.
    pub posing: Posing,
    /// What was seen of the endpoints, by id.
    pub endpoints: BTreeMap<String, Source>,
    /// Answers set aside because an endpoint changed, by id.
    pub set_aside: BTreeMap<String, usize>,
    /// Where imported answers came from, by id.
    pub imported: BTreeMap<String, Source>,
}

impl Conditions {
    /// Endpoints of which the access check did not find this ability.
    fn without(&self, ability: &str, found: fn(AbilityStatus) -> bool) -> Vec<String> {
        let lacks = |source: &Source| match source {
            Source::Endpoint { access, .. } => access.get(ability).is_some_and(|a| found(a.status)),
            _ => false,
        };
        let ids = self.endpoints.iter().filter(|(_, source)| lacks(source));
        ids.map(|(id, _)| id.clone()).collect()
    }

    /// Whether a measure has nothing to compare, because imported answers are what they are.
    pub(super) fn holds_nothing(&self, measure: &MeasureResult) -> bool {
        let nothing = || measure.affinity.cells.iter().all(|cell| cell.is_nan());
        !self.imported.is_empty() && measure.figures.scores.is_err() && nothing()
    }

    /// What is to be said of imported answers.
    fn of_import(&self, panel: &Panel) -> Option<Caveat> {
        let formats = self.imported.values().filter_map(|source| match source {
            Source::Imported { format, .. } => Some(*format),
            _ => None,
        });
        let formats: BTreeSet<AnswerFormat> = formats.collect();
        (!formats.is_empty()).then(|| Caveat::Imported {
            formats: formats.into_iter().map(AnswerFormat::name).collect(),
            ids: self.imported.keys().cloned().collect(),
            all: panel
                .members()
                .iter()
                .all(|m| self.imported.contains_key(&m.id)),
        })
    }

    /// Endpoints that say that another model answers than was asked for, beyond a dated name of it.
    fn served_other(&self) -> BTreeMap<String, String> {
        // Servers of one's own name the file that they serve.
        fn last(name: &str) -> &str {
            name.rsplit('/').next().unwrap_or(name)
        }
        let other = |source: &Source| match source {
            Source::Endpoint {
                asked,
                served: Some(served),
                ..
            } if !last(served).starts_with(last(asked)) => Some(served.clone()),
            Source::Imported { model, served, .. } => {
                let mut other = served.iter();
                other.find(|s| !last(s).starts_with(last(model))).cloned()
            }
            _ => None,
        };
        let pairs = self.endpoints.iter().chain(&self.imported);
        pairs
            .filter_map(|(id, source)| Some((id.clone(), other(source)?)))
            .collect()
    }
}

/// With so many controls the shape of their distribution can be looked at.
const MANY: usize = 30;

/// Controls (ids) that the pooled figure does without.
fn dropped(panel: &Panel, case: &Case) -> Vec<String> {
    let controls = panel.controls.iter().map(|c| c.id.clone());
    controls
        .filter(|id| !case.pooled_controls.contains(id))
        .filter(|id| !case.screened.iter().any(|s| s.id == *id))
        .filter(|id| {
            // By open text candidate parents and the models of their houses are read beside the protected model and are no
            // controls.
            let is_parent = panel.alternatives.iter().any(|a| a.id == *id);
            let of_a_house = |m: &Member| m.id == *id && m.group.is_some();
            let in_a_house = panel.controls.iter().any(of_a_house);
            !(case.basis == Basis::OpenText && (is_parent || in_a_house))
        })
        .collect()
}

/// Who was left out, and why, in words.
fn screened(member: &Screened) -> String {
    let (id, like) = (&member.id, member.like.as_deref().unwrap_or("none"));
    match member.why {
        NoControl::Protected => {
            format!("{id} answers as the protected model does, to within arithmetic")
        }
        NoControl::Suspect => format!("{id} answers as the suspect does, to within arithmetic"),
        NoControl::Copy => format!("{id} is a copy of {like}, by its answers"),
        NoControl::Beyond => format!(
            "{id} is so much closer to the protected model than the other controls that it probably descends from it"
        ),
    }
}

/// What limits the likelihood ratio.
fn of_ratio(ratio: Result<&CaseRatio, &String>) -> Option<Caveat> {
    match ratio {
        Err(why) => Some(Caveat::NotCalibrated { why: why.clone() }),
        Ok(ratio) if ratio.outside.is_empty() => None,
        Ok(ratio) => Some(Caveat::Extrapolated {
            outside: ratio.outside.clone(),
        }),
    }
}

/// All limits of a case, the weightiest first.
pub fn caveats(
    panel: &Panel,
    case: &Case,
    conditions: &Conditions,
    ratio: Result<&CaseRatio, &String>,
) -> Vec<Caveat> {
    let mut caveats = Vec::new();
    let mut add = |applies: bool, caveat: Caveat| {
        if applies {
            caveats.push(caveat);
        }
    };
    let evidence = &case.evidence;
    let controls = evidence.controls;
    let contrasted = evidence.pooled.is_some() && controls >= MIN_CONTROLS;
    let answers = case.unresponsive.iter();
    let members: Vec<String> = answers
        .map(|(id, u)| format!("{id}: {}", u.words()))
        .collect();
    add(!members.is_empty(), Caveat::Unresponsive { members });
    let by_marks = case.marks.as_ref().is_some_and(Marked::decides);
    add(by_marks, Caveat::MarksTimeStamp);
    let ids = case.suspect_is.clone();
    add(!ids.is_empty(), Caveat::SuspectIs { ids });
    let members: Vec<String> = case.screened.iter().map(screened).collect();
    add(!members.is_empty(), Caveat::Screened { members });
    if let Some(caveat) = of_ratio(ratio) {
        add(true, caveat);
    }
    add(
        contrasted && controls < CONFORMAL_LEADS,
        Caveat::FewControls { controls },
    );
    add(contrasted && controls < MANY, Caveat::Normality);
    add(
        evidence.matched_alternatives == 0,
        Caveat::NoMatchedAlternative,
    );
    // By open text other makers' models stand for what common data would bring.
    let by_houses = case.basis == Basis::OpenText && evidence.matched_alternatives > 0;
    add(
        evidence.matched_controls == 0 && !by_houses,
        Caveat::NoMatchedControl,
    );
    let doubtful = case.doubtful_alternatives.clone();
    add(
        !doubtful.is_empty(),
        Caveat::DoubtfulAlternative { ids: doubtful },
    );
    let named: Vec<String> = panel
        .alternatives
        .iter()
        .filter(|a| a.matching == Matching::Named && case.matched_alternatives.contains(&a.id))
        .map(|a| a.id.clone())
        .collect();
    add(!named.is_empty(), Caveat::NamedAlternative { ids: named });
    add(evidence.weights.is_none(), Caveat::BehaviourOnly);
    add(evidence.weights.is_some(), Caveat::WeightsTaken);
    let weights = evidence.weights.iter();
    let related: Vec<String> = weights.flat_map(|w| w.controls_related.clone()).collect();
    add(
        !related.is_empty(),
        Caveat::RelatedControls { ids: related },
    );
    for caveat in of_measures(case, conditions) {
        add(true, caveat);
    }
    let dropped = dropped(panel, case);
    add(
        contrasted && !dropped.is_empty(),
        Caveat::ControlsDropped { ids: dropped },
    );
    let unseen = |member: &&Member| conditions.endpoints.contains_key(&member.id);
    let sides = [&panel.suspect, &panel.protected].into_iter();
    let ids: Vec<String> = sides.filter(unseen).map(|m| m.id.clone()).collect();
    let row = ratio.ok().and_then(|r| r.served_otherwise.as_ref());
    let accused = row.and_then(|row| {
        let accused = row.accused?;
        Some((row.condition.clone(), accused.count, accused.of))
    });
    add(!ids.is_empty(), Caveat::SettingsUnseen { ids, accused });
    caveats.extend(conditions.of_import(panel));
    caveats.extend(of_asking(conditions));
    caveats.sort_by_key(Caveat::rank);
    caveats
}

/// Measures that say nothing; in one line those for which imported answers hold nothing.
fn of_measures(case: &Case, conditions: &Conditions) -> Vec<Caveat> {
    let (nothing, others): (Vec<&MeasureResult>, Vec<&MeasureResult>) = case
        .measures
        .iter()
        .partition(|m| conditions.holds_nothing(m));
    let missing = others.into_iter().filter_map(|m| {
        let reason = m.figures.scores.as_ref().err()?.clone();
        let measure = m.measure.name();
        Some(Caveat::MeasureMissing { measure, reason })
    });
    let measures: Vec<&'static str> = nothing.iter().map(|m| m.measure.name()).collect();
    let nothing = (!measures.is_empty()).then_some(Caveat::NothingHeld { measures });
    missing.chain(nothing).collect()
}

/// Limits that come from what was asked and how.
fn of_asking(conditions: &Conditions) -> Vec<Caveat> {
    let mut caveats = Vec::new();
    let mut add = |applies: bool, caveat: Caveat| {
        if applies {
            caveats.push(caveat);
        }
    };
    let counts = conditions.unanswered.clone();
    add(!counts.is_empty(), Caveat::Unanswered { counts });
    let lacking = conditions.missing.clone();
    add(!lacking.is_empty(), Caveat::IncompleteRecording { lacking });
    add(conditions.posed_raw, Caveat::PosedRaw);
    let imported = !conditions.imported.is_empty();
    // Imported prompts that are turns were turns.
    add(!conditions.posing.raw && !imported, Caveat::PosedAsTurns);
    let access = conditions.posing.access;
    // Without short samples nothing was estimated from any.
    let estimated = access != Access::Text || conditions.posing.repeats > 0 || !imported;
    add(
        access != Access::Scored && estimated,
        Caveat::ReducedAccess { access },
    );
    let ids = conditions.without("temperature", |status| status != AbilityStatus::Verified);
    add(!ids.is_empty(), Caveat::SamplingUnknown { ids });
    let ids = conditions.without("thinking_off", |status| {
        status == AbilityStatus::SilentlyIgnored
    });
    add(!ids.is_empty(), Caveat::HiddenReasoning { ids });
    let served = conditions.served_other();
    add(!served.is_empty(), Caveat::ServedOther { served });
    let set_aside = conditions.set_aside.clone();
    add(!set_aside.is_empty(), Caveat::Drifted { set_aside });
    let probes = conditions.probes;
    add(probes < 200, Caveat::SmallBattery { probes });
    add(conditions.published, Caveat::PublishedBattery);
    let seed = conditions.seed;
    add(seed != SEED && !imported, Caveat::ChosenSeed { seed });
    add(conditions.planned_after, Caveat::PlannedAfter);
    if let Some(Parts { published, private }) = conditions.parts.filter(|p| p.contradict()) {
        add(true, Caveat::PartsDisagree { published, private });
    }
    caveats
}
