//! Many suspects against many protected models.
//!
//! Every pair is weighed as a comparison of the two would be: by the same panel, which [`Controls`] writes as a lineage
//! file, and by the same functions. What is shared is worked out once. Suspects that are found are then taken from the
//! controls of the model that they were found for, and the null is fitted again, until nothing more is found.

mod command;
mod gather;
mod listed;
mod nulls;
mod outlook;
mod request;
mod row;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rayon::prelude::*;

use super::error::PipelineError;
use super::gates;
use super::target::{Target, load};
use super::watch::{Event, Stage, Watch};
use crate::case::{self, Gates};
use crate::files::write_whole;
use crate::fingerprint::Fingerprint;
use crate::measure::{Basis, Prepared};
use crate::panel::{Panel, same_source};
use crate::question::Posing;
use crate::report::screening as report;
use crate::rules::Rules;
use crate::screening::{self, Row, SCHEMA, Screening};
use crate::validation::{self, Circumstances, Validation, case_ratio};

use gather::{Gathered, parents_of};
use listed::{House, Listed};
use nulls::Controls;

pub use outlook::{ScreenCost, ScreenOutlook, plan_screen};
pub use request::{MOST_CONTROLS, Protected, ScreenRequest, Suspects};

/// The null is fitted no more often than this.
const MOST_ROUNDS: usize = 8;

impl Screening {
    /// Writes `screen.json`, `screen.csv` and `screen.html` into a directory.
    ///
    /// # Errors
    ///
    /// When a form cannot be made or a file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<(), PipelineError> {
        let put = |name: &str, bytes: &[u8]| {
            let path = directory.join(name);
            write_whole(&path, bytes).map_err(PipelineError::writing(&path))
        };
        let mut facts = serde_json::to_vec_pretty(self).map_err(PipelineError::Encode)?;
        facts.push(b'\n');
        put("screen.json", &facts)?;
        put(
            "screen.csv",
            &report::csv(self).map_err(PipelineError::Table)?,
        )?;
        put("screen.html", report::page(self)?.as_bytes())
    }
}

/// Weighs every suspect against every protected model.
///
/// Recordings and the controls of every protected model lie in the request's directory then, so that a comparison of any
/// pair asks nothing anew. A suspect that cannot be used is left aside and named; the others are weighed without it. The
/// same request goes on after an interruption.
///
/// # Errors
///
/// When a file of the request cannot be used, a limit is reached, or no suspect or no protected model is left.
pub fn screen(request: &ScreenRequest, watch: &dyn Watch) -> Result<Screening, PipelineError> {
    let listed = Listed::new(request)?;
    let opened = gather::open(request, listed, false, watch)?;
    let panels = |listed: &Listed| reading_panels(request, listed);
    let gathered = Gathered::new(request, opened, &panels)?;
    Screener::new(request, &gathered, watch).screened()
}

/// The pairs of a house: every suspect that is none of its members.
fn suspects<'a>(listed: &'a Listed, house: &House) -> Vec<(&'a str, &'a str)> {
    let all = listed.lineage.models.iter();
    let all = all.filter(|m| listed.suspects.contains(&m.id) && !house.members.contains(&m.id));
    all.filter(|m| !same_source(&m.model, &house.first))
        .map(|m| (m.id.as_str(), m.model.as_str()))
        .collect()
}

/// A panel of everybody for each set of candidate parents that some pair has: on these hangs what is read.
fn reading_panels(request: &ScreenRequest, listed: &Listed) -> Vec<Panel> {
    let mut panels = BTreeMap::new();
    for house in &listed.asked {
        let Ok(controls) = Controls::new(request, listed, house, &BTreeSet::new()) else {
            continue;
        };
        for (_, model) in suspects(listed, house) {
            let panel = controls.panel(listed, house, model);
            panels.entry(parents_of(&panel)).or_insert(panel);
        }
    }
    panels.into_values().collect()
}

/// A pair that is to be weighed.
struct Pair<'a> {
    house: usize,
    id: &'a str,
    model: &'a str,
}

/// The answers of all models, and what was worked out of them.
struct Screener<'a> {
    request: &'a ScreenRequest,
    gathered: &'a Gathered<'a>,
    watch: &'a dyn Watch,
    validations: [(Basis, Result<Validation, String>); 2],
}

/// The answers beside some candidate parents, and their comparisons.
struct Beside {
    prints: BTreeMap<String, Fingerprint>,
    prepared: Prepared,
}

impl<'a> Screener<'a> {
    fn new(request: &'a ScreenRequest, gathered: &'a Gathered<'a>, watch: &'a dyn Watch) -> Self {
        let of = |basis| {
            let read = validation::built_in(basis);
            (basis, read.map_err(|e| e.to_string()))
        };
        Self {
            request,
            gathered,
            watch,
            validations: [Basis::Battery, Basis::OpenText].map(of),
        }
    }

    fn screened(&self) -> Result<Screening, PipelineError> {
        let (gathered, listed) = (self.gathered, &self.gathered.listed);
        let mut found: Vec<BTreeSet<String>> = vec![BTreeSet::new(); listed.asked.len()];
        let mut controls: Vec<Controls> = Vec::new();
        let mut rows: BTreeMap<(usize, String), Row> = BTreeMap::new();
        let mut cached: BTreeMap<(usize, String), Gates> = BTreeMap::new();
        let mut changed: BTreeSet<usize> = (0..listed.asked.len()).collect();
        let shared = (!gathered.reads()).then(|| self.all_beside());
        let (mut rounds, mut settled) = (0, false);
        let mut all: Vec<Row> = Vec::new();
        while rounds < MOST_ROUNDS && !settled {
            rounds += 1;
            for (place, house) in listed.asked.iter().enumerate() {
                if changed.contains(&place) {
                    let now = Controls::new(self.request, listed, house, &found[place])?;
                    if place < controls.len() {
                        controls[place] = now;
                    } else {
                        controls.push(now);
                    }
                }
            }
            for (key, row, gates) in self.weigh(&controls, &changed, &cached, shared.as_ref())? {
                cached.insert(key.clone(), gates);
                rows.insert(key, row);
            }
            all = rows.values().cloned().collect();
            screening::correct(&mut all, self.request.level);
            changed.clear();
            for (place, house) in listed.asked.iter().enumerate() {
                let of_house = all.iter().filter(|r| r.protected == house.name && r.found);
                let before = found[place].len();
                found[place].extend(of_house.map(|r| r.suspect.clone()));
                if found[place].len() > before {
                    changed.insert(place);
                }
            }
            settled = changed.is_empty();
        }
        self.finished(all, &controls, &found, (rounds, settled))
    }

    /// The facts, with the files of controls that they rest on.
    fn finished(
        &self,
        mut rows: Vec<Row>,
        controls: &[Controls],
        found: &[BTreeSet<String>],
        (rounds, settled): (usize, bool),
    ) -> Result<Screening, PipelineError> {
        let (gathered, listed) = (self.gathered, &self.gathered.listed);
        for of in controls {
            write_whole(&of.path, of.text.as_bytes()).map_err(PipelineError::writing(&of.path))?;
        }
        let places: BTreeMap<&str, usize> = listed
            .asked
            .iter()
            .enumerate()
            .map(|(i, h)| (h.name.as_str(), i))
            .collect();
        for row in &mut rows {
            let Some(place) = places.get(row.protected.as_str()) else {
                continue;
            };
            let (house, of) = (&listed.asked[*place], &controls[*place]);
            let named = nulls::named(listed, house, &row.model);
            row.command = command::command(
                &named,
                &of.path,
                &gathered.asking,
                &self.request.engine,
                &self.request.out,
            );
        }
        let asked = listed.asked.iter().zip(controls).zip(found);
        let asked = asked.map(|((house, of), found)| screening::Asked {
            name: house.name.clone(),
            members: if house.whole {
                house.members.clone()
            } else {
                vec![house.first.clone()]
            },
            controls: of.path.display().to_string(),
            listed: of.lineage.models.len(),
            found: found.iter().cloned().collect(),
            with_them: of.with_them.clone(),
        });
        let mut aside = gathered.aside.clone();
        aside.sort();
        Ok(Screening {
            schema: SCHEMA.to_owned(),
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            battery: gathered.round.battery.name.clone(),
            probes: gathered.order.len(),
            posing: gathered.round.posing,
            correction: "benjamini_yekutieli".to_owned(),
            level: self.request.level,
            suspects: listed.suspects.len(),
            tested: rows.iter().filter(|r| r.p.is_some()).count(),
            rounds,
            settled,
            protected: asked.collect(),
            rows,
            aside,
        })
    }

    /// What all models answered, compared with every candidate parent: where nobody reads what others wrote, that is the
    /// same for every pair.
    fn all_beside(&self) -> Beside {
        let listed = &self.gathered.listed;
        let members = listed.asked.iter().flat_map(|h| &h.members);
        let members = members.filter_map(|id| listed.lineage.get(id));
        let groups: BTreeSet<&String> = members.filter_map(|m| m.group.as_ref()).collect();
        let siblings = listed.lineage.models.iter();
        let siblings = siblings.filter(|m| m.group.as_ref().is_some_and(|g| groups.contains(g)));
        let first = listed.asked.iter().map(|h| h.first.as_str());
        let parents: BTreeSet<&str> = siblings.map(|m| m.model.as_str()).chain(first).collect();
        let parents: Vec<&str> = parents.into_iter().collect();
        Beside {
            prepared: Prepared::new(&self.gathered.prints, &parents, &Rules::HERE.screen),
            prints: BTreeMap::new(),
        }
    }

    /// The answers beside the candidate parents of a panel.
    fn beside(&self, panel: &Panel) -> Beside {
        let prints = self.gathered.prints_beside(panel);
        let parents = parents_of(panel);
        let parents: Vec<&str> = parents.iter().map(String::as_str).collect();
        Beside {
            prepared: Prepared::new(&prints, &parents, &Rules::HERE.screen),
            prints,
        }
    }

    /// Weighs the pairs of the protected models whose controls changed.
    #[expect(clippy::type_complexity, reason = "one caller takes it apart at once")]
    fn weigh(
        &self,
        controls: &[Controls],
        changed: &BTreeSet<usize>,
        known: &BTreeMap<(usize, String), Gates>,
        shared: Option<&Beside>,
    ) -> Result<Vec<((usize, String), Row, Gates)>, PipelineError> {
        let listed = &self.gathered.listed;
        let pairs: Vec<Pair<'_>> = changed
            .iter()
            .flat_map(|house| {
                let of = suspects(listed, &listed.asked[*house]).into_iter();
                of.map(|(id, model)| Pair {
                    house: *house,
                    id,
                    model,
                })
            })
            .collect();
        self.watch.see(Event::Begun {
            stage: Stage::Scoring,
            steps: pairs.len(),
        });
        let panel = |pair: &Pair<'_>| {
            controls[pair.house].panel(listed, &listed.asked[pair.house], pair.model)
        };
        let one = |pair: &Pair<'_>, panel: &Panel, beside: &Beside| {
            let result = self.pair(pair, panel, beside, known);
            self.watch.see(Event::Advanced(1));
            result
        };
        let weighed: Result<Vec<_>, PipelineError> = if let Some(shared) = shared {
            let of = |pair: &Pair<'_>| one(pair, &panel(pair), shared);
            pairs.par_iter().map(of).collect()
        } else {
            // One set of candidate parents after the other, for each takes the answers of all models.
            let mut sets: BTreeMap<BTreeSet<String>, Vec<(&Pair<'_>, Panel)>> = BTreeMap::new();
            for pair in &pairs {
                let panel = panel(pair);
                sets.entry(parents_of(&panel))
                    .or_default()
                    .push((pair, panel));
            }
            let mut weighed = Vec::new();
            for of_set in sets.values() {
                let beside = self.beside(&of_set[0].1);
                let of = |(pair, panel): &(&Pair<'_>, Panel)| one(pair, panel, &beside);
                let set: Result<Vec<_>, PipelineError> = of_set.par_iter().map(of).collect();
                weighed.extend(set?);
            }
            Ok(weighed)
        };
        self.watch.see(Event::Ended);
        weighed
    }

    fn pair(
        &self,
        pair: &Pair<'_>,
        panel: &Panel,
        beside: &Beside,
        known: &BTreeMap<(usize, String), Gates>,
    ) -> Result<((usize, String), Row, Gates), PipelineError> {
        let gathered = self.gathered;
        let key = (pair.house, pair.id.to_owned());
        // Weights that are no derivatives stay so, whoever else is in the panel.
        let unrelated = |g: &&Gates| {
            !g.weights
                .as_ref()
                .is_some_and(|w| w.base_related || !w.controls_related.is_empty())
        };
        let gates = match known.get(&key).filter(unrelated) {
            Some(gates) => gates.clone(),
            None => self.gates(panel)?,
        };
        let prints = if beside.prints.is_empty() {
            &gathered.prints
        } else {
            &beside.prints
        };
        let weighed = case::weigh_among_many(panel, prints, &beside.prepared, gates.clone());
        let bytes = |model: &str| gathered.headers[model].identity.source.bytes();
        let circumstances = Circumstances {
            access: gathered.round.posing.access,
            probes: gathered.order.len(),
            bytes: bytes(&panel.protected.model)
                .zip(bytes(&panel.suspect.model))
                .map(|(a, b)| a.max(b)),
            same_questions: gathered.round.published
                && gathered.round.posing == Posing::usual(gathered.round.posing.access),
            strict: false,
            prior_odds: None,
        };
        let validation = self
            .validations
            .iter()
            .find(|(basis, _)| *basis == weighed.basis);
        let ratio = match validation {
            Some((_, Ok(validation))) => case_ratio(validation, &weighed, &circumstances),
            Some((_, Err(why))) => Err(why.clone()),
            None => Err("no validation is built in".to_owned()),
        };
        let counts = gathered.counts.get(pair.model).copied().unwrap_or_default();
        let names = (
            pair.id,
            pair.model,
            gathered.listed.asked[pair.house].name.as_str(),
        );
        Ok((key, row::row(names, &weighed, &ratio, counts), gates))
    }

    /// The gates that look at weights instead of answers.
    fn gates(&self, panel: &Panel) -> Result<Gates, PipelineError> {
        let gathered = self.gathered;
        let digest = |model: &str| {
            gathered.headers[model]
                .identity
                .source
                .digest()
                .map(str::to_owned)
        };
        let options = self.request.engine.options;
        let open = |model: &str| match &gathered.targets[model] {
            Target::Weights { name, path, .. } => load(name, path, options).map(Some),
            Target::Endpoint { .. } | Target::Recording { .. } | Target::Given { .. } => Ok(None),
        };
        gates::gates(panel, &digest, &open)
    }
}

#[cfg(test)]
mod rates;
#[cfg(test)]
mod tests;
