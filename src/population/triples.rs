//! Questions of direction with known answers: three models of known descent.

use std::path::Path;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Part, Population, PopulationError};
use crate::direction::{Among, Likeness};
use crate::panel::{Declared, Lineage, Named, Panel};
use crate::weigh::{Answer, Standing};

/// What the third model truly is to the other two.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ThirdIs {
    /// Both descend from it.
    Root,
    /// One of the two descends from it, the other does not.
    RootOfOne,
    /// Neither does, but it is a sibling of the teacher of one of them.
    Sibling,
    /// It has nothing to do with them.
    Stranger,
    /// It descends from one of the two, which the rule takes for excluded.
    Descendant,
}

impl ThirdIs {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Root => "an ancestor of both",
            Self::RootOfOne => "an ancestor of one alone",
            Self::Sibling => "a sibling of the teacher",
            Self::Stranger => "a stranger",
            Self::Descendant => "a descendant of one (assumed not to be)",
        }
    }
}

/// Three models, and what is true of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Triple {
    /// The part that they belong to.
    pub part: Part,
    /// The source of the first two.
    pub source: String,
    /// The protected model.
    pub protected: String,
    /// The suspect.
    pub suspect: String,
    /// The third model.
    pub third: String,
    /// What that is to them.
    pub third_is: ThirdIs,
    /// Who descends from whom, where one of the three does from another or both from the third: through whose
    /// outputs or weights does not count. `cannot_say` where no answer is true.
    pub truth: Answer,
}

/// What was said of a triple, and by which figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DirectionScore {
    /// Of which.
    #[serde(flatten)]
    pub triple: Triple,
    /// What was said.
    pub said: Answer,
    /// t of the closeness of suspect to protected model, the other way about, of the suspect to the third and of
    /// the protected model to the third, to three decimals.
    pub t: [Option<f64>; 4],
}

impl Population {
    /// Triples of a part: pairs of one source that are related through one of its listed teachers, in both
    /// roles where one of them descends from the other, with each kind of third model that the source has; and
    /// pairs of which one descends from a teacher and the other does not, with that teacher.
    pub fn triples(&self, part: Part) -> Vec<Triple> {
        let sources = self.sources(part);
        let mut triples = Vec::new();
        for (i, source) in sources.iter().enumerate() {
            let teachers = self.parents(source);
            let next = &sources[(i + 1) % sources.len()];
            let stranger = self.parents(next).first().map(|m| m.id.as_str());
            let stranger = stranger.filter(|_| next != source);
            let models: Vec<&Declared> = self
                .models(part)
                .filter(|m| m.source.as_ref() == Some(source) && !self.is_unlisted(&m.id))
                .collect();
            for (place, first) in models.iter().enumerate() {
                for second in &models[place + 1..] {
                    let pair = [first.id.as_str(), second.id.as_str()];
                    let direct = self.descends(pair[0], pair[1]) || self.descends(pair[1], pair[0]);
                    let roles = if direct { 2 } else { 1 };
                    for [protected, suspect] in [pair, [pair[1], pair[0]]].into_iter().take(roles) {
                        for third in self.thirds(pair, &teachers, stranger, &models) {
                            triples.push(Triple {
                                part,
                                source: source.clone(),
                                protected: protected.to_owned(),
                                suspect: suspect.to_owned(),
                                third: third.0.to_owned(),
                                third_is: third.1,
                                truth: self.truth(protected, suspect, third.0),
                            });
                        }
                    }
                }
            }
        }
        triples
    }

    fn descends(&self, id: &str, ancestor: &str) -> bool {
        self.lineage.descends(id, ancestor)
    }

    /// The third models that a pair is tried with.
    fn thirds<'a>(
        &self,
        [a, b]: [&str; 2],
        teachers: &[&'a Declared],
        stranger: Option<&'a str>,
        models: &[&'a Declared],
    ) -> Vec<(&'a str, ThirdIs)> {
        let under = |id: &str, teacher: &str| id == teacher || self.descends(id, teacher);
        let (mut thirds, mut related) = (Vec::new(), false);
        let free = |id: &str| id != a && id != b;
        for teacher in teachers.iter().map(|t| t.id.as_str()) {
            match (under(a, teacher), under(b, teacher)) {
                (true, true) => {
                    related = true;
                    if free(teacher) {
                        thirds.push((teacher, ThirdIs::Root));
                    }
                }
                (true, false) | (false, true) if free(teacher) => {
                    thirds.push((teacher, ThirdIs::RootOfOne));
                }
                _ => {}
            }
        }
        if !related {
            return thirds;
        }
        let sibling = teachers.iter().map(|t| t.id.as_str());
        let mut sibling = sibling.filter(|t| free(t) && !under(a, t) && !under(b, t));
        thirds.extend(sibling.next().map(|t| (t, ThirdIs::Sibling)));
        thirds.extend(stranger.map(|t| (t, ThirdIs::Stranger)));
        if self.descends(a, b) || self.descends(b, a) {
            let below = |id: &&str| free(id) && (self.descends(id, a) || self.descends(id, b));
            let descendant = models.iter().map(|m| m.id.as_str()).find(below);
            thirds.extend(descendant.map(|t| (t, ThirdIs::Descendant)));
        }
        thirds
    }

    /// What is true of a triple.
    fn truth(&self, protected: &str, suspect: &str, third: &str) -> Answer {
        if self.descends(suspect, protected) {
            return Answer::SuspectFromProtected;
        }
        if self.descends(protected, suspect) {
            return Answer::ProtectedFromSuspect;
        }
        let common = |id: &str| self.descends(protected, id) && self.descends(suspect, id);
        // A common ancestor that itself descends from the third is nearer.
        let models = self.lineage.models.iter().map(|m| m.id.as_str());
        let mut nearer = models.filter(|id| common(id) && self.descends(id, third));
        if common(third) && nearer.next().is_none() {
            Answer::BothFromThird
        } else {
            Answer::CannotSay
        }
    }

    /// The panel of a triple: all models of the part that a user could know of, less the descendants of the three
    /// and the ancestors of the protected and the third model.
    pub fn panel_of(&self, triple: &Triple) -> Panel {
        let three = [&triple.protected, &triple.suspect, &triple.third];
        let shown = self
            .models(triple.part)
            .filter(|m| three.contains(&&m.id) || !self.is_unlisted(&m.id));
        let lineage = Lineage {
            name: self.lineage.name.clone(),
            models: shown.cloned().collect(),
            picked: None,
        };
        let named = Named {
            protected: triple.protected.clone(),
            suspect: triple.suspect.clone(),
            third: Some(triple.third.clone()),
            ..Named::default()
        };
        Panel::new(&named, &[lineage])
    }
}

/// Decides triples of one source as a comparison would. `likeness` has every model of the part beside every other,
/// with the answers that a panel with this source's candidate parents asks for.
pub fn score_directions(
    population: &Population,
    triples: &[Triple],
    likeness: &Likeness,
) -> Vec<DirectionScore> {
    let score = |triple: &Triple| {
        let found = likeness.among(&population.panel_of(triple))?;
        Some(DirectionScore {
            triple: triple.clone(),
            said: found.answer.answer(),
            t: figures(&found),
        })
    };
    triples.par_iter().filter_map(score).collect()
}

/// The t of each closeness.
fn figures(found: &Among) -> [Option<f64>; 4] {
    let t = |standing: &Option<Standing>| {
        let t = standing.as_ref()?.t?.t;
        Some((t * 1e3).round() / 1e3)
    };
    [
        t(&found.suspect_protected),
        t(&found.protected_suspect),
        t(&found.suspect_third),
        t(&found.protected_third),
    ]
}

/// Reads what was said of triples, a line each; nothing where there is no such file.
///
/// # Errors
///
/// When the file cannot be read or a line is not of the right form.
pub fn read_directions(path: &Path) -> Result<Vec<DirectionScore>, PopulationError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    super::read_lines(path)
}
