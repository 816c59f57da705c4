//! Collecting what a screening weighs: every model that can be asked, asked once, and who had to be left aside.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::listed::Listed;
use super::request::ScreenRequest;
use crate::battery::Battery;
use crate::digest;
use crate::evidence::{self, BatteryMark, Header, Recording};
use crate::fingerprint::{AnswerCounts, Fingerprint};
use crate::model::local::{LocalModel, Options};
use crate::panel::Panel;
use crate::passes::SecondPass;
use crate::pipeline::endpoints::Endpoints;
use crate::pipeline::error::PipelineError;
use crate::pipeline::request::Asking;
use crate::pipeline::round::{Failures, Round, slug};
use crate::pipeline::target::{Resolver, Target};
use crate::pipeline::watch::{Event, Stage, Watch};
use crate::question::{Posing, Question, ask_all};
use crate::rules::MIN_ANSWERED;
use crate::screening::{Aside, Why};

/// The models that can be asked or read, and how.
pub(super) struct Opened<'a> {
    pub(super) listed: Listed,
    pub(super) targets: BTreeMap<String, Target>,
    pub(super) round: Round<'a>,
    pub(super) aside: Vec<Aside>,
    /// What is asked of every pair.
    pub(super) asking: Asking,
}

/// Finds out what every name means. Endpoints are checked, models of the hub are fetched.
pub(super) fn open<'a>(
    request: &'a ScreenRequest,
    listed: Listed,
    only_checked: bool,
    watch: &'a dyn Watch,
) -> Result<Opened<'a>, PipelineError> {
    let endpoints = Endpoints::new(&request.endpoints, Some(request.out.join("access")))?;
    let mut resolver = Resolver::new(request.engine, endpoints, &request.given, watch);
    let models = listed.models();
    watch.see(Event::Begun {
        stage: Stage::Fetching,
        steps: 0,
    });
    let (mut targets, mut aside) = (BTreeMap::new(), Vec::new());
    for model in models.keys() {
        if only_checked
            && request.given.get(model).is_none()
            && let Some(endpoint) = Endpoints::find(model)?
            && !resolver.endpoints().knows(&endpoint)
        {
            return Err(PipelineError::Unchecked {
                model: model.clone(),
            });
        }
        match opened(&mut resolver, model, request.engine.options) {
            Ok(target) => drop(targets.insert(model.clone(), target)),
            Err(error) => aside.push(left(model, Why::Unusable, &error)),
        }
    }
    watch.see(Event::Ended);
    let is_asked = |target: &Target| !matches!(target, Target::Recording { .. });
    let mut first = listed.asked.iter().filter_map(|h| targets.get(&h.first));
    let questions = if first.any(is_asked) {
        // Recordings go by those that are asked, and not the other way round.
        let asked = targets.values().filter(|t| is_asked(t)).cloned();
        let asked: Vec<Target> = asked.collect();
        let (round, _) = Round::new(&request.asking, request.engine, watch, &asked)?;
        Some((BatteryMark::of(&round.battery), round.posing))
    } else {
        usual_questions(&listed, &targets)
    };
    targets.retain(|model, target| {
        let Target::Recording { directory, .. } = target else {
            return true;
        };
        let (Some((mark, posing)), Ok(header)) = (&questions, evidence::header(directory)) else {
            return false;
        };
        let other = other_questions(&header, mark, posing);
        aside.extend(other.iter().map(|words| Aside {
            model: model.clone(),
            why: Why::OtherQuestions,
            words: words.clone(),
        }));
        other.is_none()
    });
    let gone = aside.iter().map(|a| a.model.as_str()).collect();
    let listed = listed.without(&gone);
    all_gone(&listed, &aside)?;
    let kept = listed.models();
    targets.retain(|model, _| kept.contains_key(model));
    let all: Vec<Target> = targets.values().cloned().collect();
    let (round, _) = Round::new(&request.asking, request.engine, watch, &all)?;
    // What all together allow is asked of every pair, also where two alone would allow more.
    let asking = Asking {
        access: Some(round.posing.access),
        raw: !round.posing.chat,
        ..request.asking.clone()
    };
    let (round, _) = Round::new(&asking, request.engine, watch, &all)?;
    Ok(Opened {
        listed,
        targets,
        round,
        aside,
        asking,
    })
}

/// A model that can be used, as far as that can be seen without asking it.
fn opened(
    resolver: &mut Resolver<'_>,
    model: &str,
    options: Options,
) -> Result<Target, PipelineError> {
    let target = resolver.resolve(model)?;
    match &target {
        Target::Weights { name, path, .. } => {
            LocalModel::abilities_of(name, path, options).map_err(PipelineError::Open)?;
        }
        Target::Recording { directory, .. } => drop(evidence::header(directory)?),
        Target::Endpoint { .. } | Target::Given { .. } => {}
    }
    Ok(target)
}

/// With which battery most recordings were made and how, those of protected models before all others; `None` without a
/// recording.
fn usual_questions(
    listed: &Listed,
    targets: &BTreeMap<String, Target>,
) -> Option<(BatteryMark, Posing)> {
    let headers = targets.iter().filter_map(|(model, target)| match target {
        Target::Recording { directory, .. } => Some((model, evidence::header(directory).ok()?)),
        _ => None,
    });
    let protected: BTreeSet<&str> = listed.asked.iter().map(|h| h.first.as_str()).collect();
    let mut seen: BTreeMap<String, (usize, (BatteryMark, Posing))> = BTreeMap::new();
    for (model, header) in headers {
        let of = (header.battery, header.posing);
        let counted = seen.entry(digest::of_value(&of)).or_insert((0, of));
        // No number of suspects outweighs the models that they are compared with.
        counted.0 += if protected.contains(model.as_str()) {
            targets.len()
        } else {
            1
        };
    }
    // The first of equals.
    let most = seen.into_values().rev().max_by_key(|(count, _)| *count);
    most.map(|(_, of)| of)
}

/// In what a recording was made otherwise, in words.
fn other_questions(header: &Header, mark: &BatteryMark, posing: &Posing) -> Option<String> {
    if header.battery != *mark {
        return Some(format!(
            "it was recorded with another battery ({} version {}, {} probes) than the others ({} version {}, {} probes): \
             collect or import it again with theirs",
            header.battery.name,
            header.battery.version,
            header.battery.probes,
            mark.name,
            mark.version,
            mark.probes
        ));
    }
    (header.posing != *posing).then(|| {
        "it was asked the same battery in another way (form, samples or access) than the others: collect it again"
            .to_owned()
    })
}

/// What is known of one model once it has answered.
pub(super) struct Answered {
    pub(super) header: Header,
    pub(super) print: Fingerprint,
    pub(super) counts: AnswerCounts,
}

/// All answers of a screening.
pub(super) struct Gathered<'a> {
    pub(super) listed: Listed,
    pub(super) targets: BTreeMap<String, Target>,
    pub(super) round: Round<'a>,
    pub(super) aside: Vec<Aside>,
    pub(super) asking: Asking,
    /// Probes that were asked, in their order.
    pub(super) order: Vec<String>,
    pub(super) headers: BTreeMap<String, Header>,
    /// Answers to the battery, by model.
    pub(super) prints: BTreeMap<String, Fingerprint>,
    pub(super) counts: BTreeMap<String, AnswerCounts>,
    directories: BTreeMap<String, PathBuf>,
    part: Battery,
}

impl<'a> Gathered<'a> {
    /// Asks every model what it has not been asked yet.
    pub(super) fn new(
        request: &ScreenRequest,
        opened: Opened<'a>,
        panels: &dyn Fn(&Listed) -> Vec<Panel>,
    ) -> Result<Self, PipelineError> {
        let Opened {
            listed,
            targets,
            round,
            mut aside,
            asking,
        } = opened;
        let order = round.battery.order(round.seed.0);
        let part = round.battery.part(&order);
        let place = |header: &Header| request.out.join("recordings").join(slug(header));
        let questions = ask_all(&part, round.posing);
        let jobs: Vec<_> = targets.values().map(|t| (t, questions.clone())).collect();
        let (directories, failed) = round.ask_each(Stage::Asking, &jobs, &place)?;
        drop(jobs);
        aside.extend(unfinished(&failed));
        let (answered, failed) = read(&round, &directories, None);
        aside.extend(failed.iter().map(|(model, e)| left(model, kind(e), e)));
        let mut this = Self {
            asking,
            listed,
            targets,
            aside,
            order,
            directories,
            part,
            headers: BTreeMap::new(),
            prints: BTreeMap::new(),
            counts: BTreeMap::new(),
            round,
        };
        this.take(answered);
        this.look_at_answers();
        this.settle()?;
        this.second_pass(&place, panels)?;
        Ok(this)
    }

    fn take(&mut self, answered: BTreeMap<String, Answered>) {
        for (model, of) in answered {
            self.headers.insert(model.clone(), of.header);
            self.counts.insert(model.clone(), of.counts);
            self.prints.insert(model, of.print);
        }
    }

    /// Leaves aside who answered too little, and who is another suspect under a second name.
    fn look_at_answers(&mut self) {
        for (model, counts) in &self.counts {
            let answered = counts.answered as f64;
            if counts.asked == 0 || answered <= MIN_ANSWERED * counts.asked as f64 {
                self.aside.push(Aside {
                    model: model.clone(),
                    why: Why::Unanswered,
                    words: format!(
                        "it answered {} of {} questions, and refused {}: too few to be held against the others",
                        counts.answered, counts.asked, counts.refused
                    ),
                });
            }
        }
        let gone: BTreeSet<String> = self.aside.iter().map(|a| a.model.clone()).collect();
        // Whoever is a protected model under another name is a finding.
        let members = self.listed.asked.iter().flat_map(|h| &h.members);
        let members: BTreeSet<&String> = members.collect();
        let mut first: BTreeMap<String, &str> = BTreeMap::new();
        for entry in &self.listed.lineage.models {
            if members.contains(&entry.id) || gone.contains(&entry.model) {
                continue;
            }
            let Some(print) = self.prints.get(&entry.model) else {
                continue;
            };
            let digest = self.headers[&entry.model].identity.source.digest();
            let mut keys = vec![answers(print)];
            keys.extend(digest.map(str::to_owned));
            let known = keys.iter().find_map(|key| first.get(key).copied());
            match known {
                Some(known) => self.aside.push(Aside {
                    model: entry.model.clone(),
                    why: Why::Same,
                    words: format!(
                        "it is '{known}' under another name: their weights or all their answers are the same; what is \
                         said of that one holds of both"
                    ),
                }),
                None => first.extend(keys.into_iter().map(|key| (key, entry.id.as_str()))),
            }
        }
    }

    /// Goes on without the models that were left aside.
    fn settle(&mut self) -> Result<(), PipelineError> {
        let gone: BTreeSet<&str> = self.aside.iter().map(|a| a.model.as_str()).collect();
        self.listed = self.listed.clone().without(&gone);
        let stays = |model: &String| !gone.contains(model.as_str());
        self.targets.retain(|model, _| stays(model));
        self.directories.retain(|model, _| stays(model));
        self.headers.retain(|model, _| stays(model));
        self.prints.retain(|model, _| stays(model));
        self.counts.retain(|model, _| stays(model));
        all_gone(&self.listed, &self.aside)
    }

    /// Whether models read what others wrote, so that what a pair gives depends on its candidate parents.
    pub(super) fn reads(&self) -> bool {
        self.targets.keys().any(|model| self.round.reads(model))
    }

    /// Has every model read what the candidate parents of every panel ask it to read.
    fn second_pass(
        &mut self,
        place: &(dyn Fn(&Header) -> PathBuf + Sync),
        panels: &dyn Fn(&Listed) -> Vec<Panel>,
    ) -> Result<(), PipelineError> {
        if !self.reads() {
            return Ok(());
        }
        let panels = panels(&self.listed);
        let passes: Vec<SecondPass<'_>> = panels
            .iter()
            .map(|panel| SecondPass::new(panel, &self.prints, self.round.posing.access))
            .collect();
        let jobs = self.targets.iter().map(|(model, target)| {
            let mut questions: Vec<Question> = Vec::new();
            if self.round.reads(model) {
                let mut seen = BTreeSet::new();
                let all = passes.iter();
                let all = all.flat_map(|p| p.questions(model, &self.part, self.round.posing));
                questions.extend(all.filter(|q| seen.insert(digest::of_value(q))));
            }
            (target, questions)
        });
        let jobs: Vec<(&Target, Vec<Question>)> = jobs.collect();
        let (_, failed) = self.round.ask_each(Stage::Reading, &jobs, place)?;
        drop(jobs);
        drop(passes);
        self.aside.extend(unfinished(&failed));
        self.settle()
    }

    /// The answers that a comparison with the candidate parents of a panel looks at: nobody else's pools.
    pub(super) fn prints_beside(&self, panel: &Panel) -> BTreeMap<String, Fingerprint> {
        let questions = ask_all(&self.part, self.round.posing);
        let pass = SecondPass::new(panel, &self.prints, self.round.posing.access);
        let wanted = |model: &str| -> BTreeSet<String> {
            let again = pass.questions(model, &self.part, self.round.posing);
            let all = questions.iter().chain(&again);
            all.map(digest::of_value).collect()
        };
        let (answered, _) = read(&self.round, &self.directories, Some(&wanted));
        let prints = answered.into_iter();
        prints.map(|(model, of)| (model, of.print)).collect()
    }
}

/// The digests of the questions of which a model's answers are looked at, by its name.
type Wanted<'a> = dyn Fn(&str) -> BTreeSet<String> + Sync + 'a;

/// Reads recordings, of which no more is kept than what is compared; `wanted` names the questions by their digests.
fn read(
    round: &Round<'_>,
    directories: &BTreeMap<String, PathBuf>,
    wanted: Option<&Wanted<'_>>,
) -> (BTreeMap<String, Answered>, Failures) {
    round.each_that_can(directories, |model, mut recording: Recording| {
        if let Some(wanted) = wanted {
            let wanted = wanted(model);
            let entries = &mut recording.entries;
            entries.retain(|e| wanted.contains(&digest::of_value(&e.question)));
        }
        let print = Fingerprint::new(&recording, &round.battery);
        Answered {
            counts: print.counts,
            header: recording.header,
            print,
        }
    })
}

/// What a model answered, by its digest.
fn answers(print: &Fingerprint) -> String {
    digest::of_value(&(&print.choices, &print.next, &print.shorts, &print.texts))
}

/// Why a recording cannot be used.
fn kind(error: &PipelineError) -> Why {
    match error {
        PipelineError::Mixed { .. } => Why::OtherQuestions,
        _ => Why::Unusable,
    }
}

fn unfinished(failed: &Failures) -> Vec<Aside> {
    let of = |(model, error): &(String, PipelineError)| {
        let why = match error {
            PipelineError::Collect { .. } => Why::Unfinished,
            _ => Why::Unusable,
        };
        left(model, why, error)
    };
    failed.iter().map(of).collect()
}

/// A model that is left aside because of an error, with its causes in words.
fn left(model: &str, why: Why, error: &PipelineError) -> Aside {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    // A library's trace is no reason.
    let words = words.lines().next().unwrap_or_default().to_owned();
    Aside {
        model: model.to_owned(),
        why,
        words,
    }
}

/// An error where nothing is left to be weighed.
fn all_gone(listed: &Listed, aside: &[Aside]) -> Result<(), PipelineError> {
    if listed.suspects.is_empty() || listed.asked.is_empty() {
        return Err(PipelineError::NothingLeft {
            what: if listed.asked.is_empty() {
                "protected models"
            } else {
                "suspects"
            },
            first: aside
                .first()
                .map(|a| format!("'{}': {}", a.model, a.words))
                .unwrap_or_default(),
        });
    }
    Ok(())
}

/// The candidate parents of a panel, on which hangs what is read.
pub(super) fn parents_of(panel: &Panel) -> BTreeSet<String> {
    let alternatives = panel.alternatives.iter().map(|a| a.model.clone());
    std::iter::once(panel.protected.model.clone())
        .chain(alternatives)
        .collect()
}
