//! Validation on models of known sources, which are asked anew.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::error::PipelineError;
use super::round::{Round, slug};
use super::target::{Target, on_disk};
use super::validate::ValidateRequest;
use super::watch::{Event, Stage, Watch};
use crate::evidence::{self, Header};
use crate::fingerprint::Fingerprint;
use crate::identity::Served;
use crate::passes::SecondPass;
use crate::population::{Asked, Case, Part, Population, Score, Thinning, asked_as, score};
use crate::question::{Access, Question, ask_all};

/// What is taken away from every panel and battery, to see what it was worth.
const THINNINGS: [Thinning; 4] = [
    Thinning::None,
    Thinning::Controls(12),
    Thinning::Controls(7),
    Thinning::Probes(50),
];

/// What models answered, and the bytes of their weight files.
type Answered = (BTreeMap<String, Fingerprint>, BTreeMap<String, u64>);

/// The parts whose cases are scored: what is fitted elsewhere needs no fitting part here.
fn parts(request: &ValidateRequest) -> &'static [Part] {
    if request.fitted_on.is_some() {
        &[Part::Test]
    } else {
        &[Part::Fit, Part::Test]
    }
}

/// The models of a population whose cases are scored, being asked.
pub(super) struct Collecting<'a> {
    request: &'a ValidateRequest,
    /// Leave out what cases would be with fewer controls and probes.
    whole: bool,
    watch: &'a dyn Watch,
    population: &'a Population,
    targets: BTreeMap<String, Target>,
    round: Round<'a>,
}

impl<'a> Collecting<'a> {
    /// Finds the models. `served`: the suspects of the test part are asked twice more, as somebody else might serve
    /// them.
    pub(super) fn new(
        request: &'a ValidateRequest,
        (served, whole): (bool, bool),
        watch: &'a dyn Watch,
        population: &'a Population,
        places: &[(String, String)],
    ) -> Result<Self, PipelineError> {
        watch.see(Event::Begun {
            stage: Stage::Fetching,
            steps: 0,
        });
        let mut targets = BTreeMap::new();
        let asked = parts(request)
            .iter()
            .flat_map(|part| population.models(*part));
        let asked: BTreeSet<&str> = asked.map(|m| m.id.as_str()).collect();
        for (id, model) in places.iter().filter(|(id, _)| asked.contains(id.as_str())) {
            // A recording may stand for a model, in a directory of its name.
            let recording = request.population.join(id);
            let model = if evidence::is_recording(&recording) {
                recording.to_string_lossy().into_owned()
            } else {
                model.clone()
            };
            let target = on_disk(&model, request.engine.offline, watch)?;
            targets.insert(id.clone(), target);
        }
        watch.see(Event::Ended);
        if served {
            for model in population.models(Part::Test) {
                for served in Served::ALL.into_iter().filter(|s| !s.is_plain()) {
                    let name = asked_as(&model.id, served);
                    if let Some(target) = targets[&model.id].served(&name, served) {
                        targets.insert(name, target);
                    }
                }
            }
        }
        let models: Vec<Target> = targets.values().cloned().collect();
        let (round, _) = Round::new(&request.asking, request.engine, watch, &models)?;
        Ok(Self {
            request,
            whole,
            watch,
            population,
            targets,
            round,
        })
    }

    /// The models of a part, and of the test part the suspects that are served otherwise.
    fn asked_of(&self, part: Part) -> Vec<String> {
        let served = self.population.models(part).flat_map(|m| {
            let all = Served::ALL.into_iter();
            all.map(|served| asked_as(&m.id, served))
        });
        served
            .filter(|name| self.targets.contains_key(name))
            .collect()
    }

    /// Whether a model reads what others wrote, or has when it was recorded. With less access nobody does, as in a
    /// comparison of models that all give no more.
    fn reads(&self, id: &str) -> bool {
        let target = &self.targets[id];
        let recorded = matches!(target, Target::Recording { .. });
        self.round.reads(target.name()) || recorded && self.round.posing.access == Access::Scored
    }

    /// Every case of the parts in full, and those of the test part thinned and with the suspect served otherwise.
    pub(super) fn scores(&self) -> Result<Vec<Score>, PipelineError> {
        let access = self.round.posing.access;
        let mut scores = Vec::new();
        for &part in parts(self.request) {
            // What is fitted is fitted on full cases.
            let thinnings = if self.whole || part == Part::Fit {
                &THINNINGS[..1]
            } else {
                &THINNINGS
            };
            let models = self.asked_of(part);
            let questions = ask_all(&self.round.battery, self.round.posing);
            let asked = models.iter().map(|id| ((*id).clone(), questions.clone()));
            let first = self.ask(Stage::Asking, &asked.collect())?.0;
            for source in self.population.sources(part) {
                let cases = self.population.cases(part);
                let cases: Vec<&Case> = cases.iter().filter(|c| c.source == *source).collect();
                let Some(case) = cases.first() else { continue };
                // Which case it is does not matter: the candidate parents are the source's.
                let panel = self.population.panel(case, Thinning::None);
                let second = SecondPass::new(&panel, &first, access);
                let asked = models.iter().map(|id| {
                    let again = if self.reads(id) {
                        second.questions(id, &self.round.battery, self.round.posing)
                    } else {
                        Vec::new()
                    };
                    ((*id).clone(), [questions.clone(), again].concat())
                });
                let parents = self.population.parents(source).into_iter();
                let parents: Vec<&str> = parents.map(|p| p.id.as_str()).collect();
                let (fingerprints, bytes) = self.ask(Stage::Reading, &asked.collect())?;
                let order = self.round.battery.order(self.round.seed.0);
                let asked = Asked::new(access, order, fingerprints, bytes, &parents);
                let fewer = thinnings.iter().filter_map(|thinning| match thinning {
                    Thinning::Probes(count) => Some((*thinning, asked.first(*count, &parents))),
                    Thinning::None | Thinning::Controls(_) => None,
                });
                let fewer: BTreeMap<Thinning, Asked> = fewer.collect();
                let plain = thinnings.iter().map(|thinning| (*thinning, Served::Plain));
                let served = Served::ALL.map(|served| (Thinning::None, served));
                let served = served.into_iter().filter(|(_, served)| !served.is_plain());
                for (thinning, served) in plain.chain(served) {
                    let asked = fewer.get(&thinning).unwrap_or(&asked);
                    // Recordings and endpoints cannot be served otherwise.
                    let answered = |case: &&&Case| {
                        asked
                            .fingerprints
                            .contains_key(&asked_as(&case.suspect, served))
                    };
                    let cases: Vec<&Case> = cases.iter().filter(answered).copied().collect();
                    self.watch.see(Event::Begun {
                        stage: Stage::Scoring,
                        steps: cases.len(),
                    });
                    let scored = cases.par_iter().map(|case| {
                        let scored = score(self.population, case, thinning, served, asked);
                        self.watch.see(Event::Advanced(1));
                        scored
                    });
                    scores.extend(scored.collect::<Vec<_>>());
                    self.watch.see(Event::Ended);
                }
            }
        }
        Ok(scores)
    }

    /// Asks models their questions; gives what they answered to these, and to no others, and the bytes of their
    /// weight files.
    fn ask(
        &self,
        stage: Stage,
        asked: &BTreeMap<String, Vec<Question>>,
    ) -> Result<Answered, PipelineError> {
        let place = |header: &Header| self.request.out.join("recordings").join(slug(header));
        let jobs = asked
            .iter()
            .map(|(id, questions)| (&self.targets[id], questions.clone()));
        let jobs: Vec<(&Target, Vec<Question>)> = jobs.collect();
        let directories = self.round.ask(stage, &jobs, &place)?;
        let read = |(id, questions): (&String, &Vec<Question>)| {
            let directory = &directories[self.targets[id].name()];
            let one = BTreeMap::from([(id.clone(), directory.clone())]);
            let wanted: BTreeSet<&Question> = questions.iter().collect();
            let mut answers = Vec::new();
            for (_, mut recording) in self.round.read(&one)? {
                recording.entries.retain(|e| wanted.contains(&e.question));
                let bytes = recording.header.identity.source.bytes();
                let fingerprint = Fingerprint::new(&recording, &self.round.battery);
                answers.push((id.clone(), fingerprint, bytes));
            }
            Ok(answers)
        };
        let answers: Result<Vec<_>, PipelineError> = asked.par_iter().map(read).collect();
        let (mut fingerprints, mut bytes) = (BTreeMap::new(), BTreeMap::new());
        for (id, fingerprint, size) in answers?.into_iter().flatten() {
            bytes.extend(size.map(|size| (id.clone(), size)));
            fingerprints.insert(id, fingerprint);
        }
        Ok((fingerprints, bytes))
    }
}
