//! What a screening found: many suspects against many protected models, corrected for how many were looked at.
//!
//! A row is a pair of a suspect and a protected model or house, and says what a comparison of the two says. *Found* is
//! what stands after the correction: the q-values are those of [`yekutieli`], because pairs share controls and
//! candidate parents, so that their tests depend on each other in ways that nobody can state. What bets give (e-values,
//! e-BH) would allow the same, but a bet needs a rival to bet against and loses most where samples are few.
//!
//! Everything here is plain data, in the form that `screen.json` has.

use schemars::JsonSchema;
use serde::Serialize;

use crate::question::Posing;
use crate::validation::HeldBy;
use crate::verdict::Finding;
use crate::weigh::yekutieli;

/// The form of a screening's facts. Within it fields are added, never taken away or given another meaning.
pub const SCHEMA: &str = "parentage.screening/1";

/// The expected share of false ones among what is found, unless somebody says otherwise.
pub const LEVEL: f64 = 0.05;

/// What a screening found.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Screening {
    /// The form of this file.
    pub schema: String,
    /// The version of the tool.
    pub tool: String,
    /// The battery that all models were asked.
    pub battery: String,
    /// Probes of it.
    pub probes: usize,
    /// How they were asked.
    pub posing: Posing,
    /// How it was corrected for the number of pairs: `benjamini_yekutieli`.
    pub correction: String,
    /// The false discovery rate that is held: a pair with a q-value of at most this is found.
    pub level: f64,
    /// Suspects that were weighed.
    pub suspects: usize,
    /// Pairs with a p-value, which is what was corrected for.
    pub tested: usize,
    /// How often the null was fitted.
    pub rounds: usize,
    /// Whether the last fit found nothing that was still among the controls.
    pub settled: bool,
    /// What was asked about.
    pub protected: Vec<Asked>,
    /// A row a pair: what was found first, then by q and p.
    pub rows: Vec<Row>,
    /// Models that were left aside, and why; the others were weighed without them.
    pub aside: Vec<Aside>,
}

/// A protected model or a house.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Asked {
    /// What it is called here.
    pub name: String,
    /// The models that are asked about together: one, or a house.
    pub members: Vec<String>,
    /// The lineage file of its controls, from which the full case is made.
    pub controls: String,
    /// Models in it.
    pub listed: usize,
    /// Suspects that were found to descend from it, and are no controls of the others for it.
    pub found: Vec<String>,
    /// Others that were taken from its controls, because they are declared to descend from those.
    pub with_them: Vec<String>,
}

/// A suspect and a protected model or house.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Row {
    /// What the suspect is called here.
    pub suspect: String,
    /// How the command line names it.
    pub model: String,
    /// The protected model or house.
    pub protected: String,
    /// What the full case says, before anything is corrected.
    pub finding: Finding,
    /// Whether it stands after the correction, or weights show it.
    pub found: bool,
    /// The p-value of the pooled score; null where there is none.
    pub p: Option<f64>,
    /// Corrected for the number of pairs.
    pub q: Option<f64>,
    /// The t that p is of.
    pub t: Option<f64>,
    /// log10 of the least favourable likelihood ratio; null where none may be stated.
    pub log10_lr: Option<f64>,
    /// What keeps the ratio from being what its curve gives.
    pub held_by: Option<HeldBy>,
    /// The innocent explanation that lies nearest.
    pub innocent: String,
    /// What a firmer answer lacks.
    pub missing: Vec<String>,
    /// Controls that the score rests on.
    pub controls: usize,
    /// The command that makes the full case, word by word.
    pub command: Vec<String>,
}

/// A model that was left aside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Aside {
    /// The model, as it was named.
    pub model: String,
    /// Why.
    pub why: Why,
    /// It in words.
    pub words: String,
}

/// Why a model is left aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It is not there, or cannot be opened or read.
    Unusable,
    /// It was recorded with another battery, or asked in another way.
    OtherQuestions,
    /// It did not answer to the end; what it answered is kept, and the same command goes on.
    Unfinished,
    /// It answered too few questions.
    Unanswered,
    /// It answers word by word as another of the suspects, which stays.
    Same,
}

impl Why {
    /// Whether running the same command again may help.
    pub fn may_go_on(self) -> bool {
        self == Self::Unfinished
    }
}

impl Row {
    /// The command as a line for a shell.
    pub fn line(&self) -> String {
        let words: Vec<String> = self.command.iter().map(|word| quoted(word)).collect();
        words.join(" ")
    }
}

/// A word as a shell reads it: as it is, or within single quotes.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Gives every row its q-value, says which are found, and puts them in order.
pub(crate) fn correct(rows: &mut [Row], level: f64) {
    let ps: Vec<f64> = rows.iter().filter_map(|row| row.p).collect();
    let mut qs = yekutieli(&ps).unwrap_or_default().into_iter();
    for row in rows.iter_mut() {
        row.q = row.p.and_then(|_| qs.next());
        // A gate on weights is no test among these.
        let gate = matches!(row.finding, Finding::SameModel | Finding::WeightDerivative);
        row.found = gate || row.q.is_some_and(|q| q <= level);
    }
    let last = |value: Option<f64>| value.unwrap_or(f64::INFINITY);
    rows.sort_by(|a, b| {
        let found = b.found.cmp(&a.found);
        let qs = last(a.q).total_cmp(&last(b.q));
        let ps = last(a.p).total_cmp(&last(b.p));
        let names = (&a.suspect, &a.protected).cmp(&(&b.suspect, &b.protected));
        found.then(qs).then(ps).then(names)
    });
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn row(suspect: &str, finding: Finding, p: Option<f64>) -> Row {
        Row {
            suspect: suspect.to_owned(),
            model: format!("m/{suspect}"),
            protected: "parent".to_owned(),
            finding,
            found: false,
            p,
            q: None,
            t: p.map(|p| 3.0 - p),
            log10_lr: p.map(|p| 1.0 - p),
            held_by: p.map(|_| HeldBy::Nothing),
            innocent: "the suspect has nothing in common with it".to_owned(),
            missing: vec!["more controls".to_owned()],
            controls: 20,
            command: ["parentage", "compare", "--suspect", "m/it's a model"]
                .map(str::to_owned)
                .to_vec(),
        }
    }

    #[test]
    fn rows_are_corrected_for_their_number_and_put_in_order() {
        let mut rows = vec![
            row("none", Finding::Inconclusive, None),
            row("far", Finding::Unrelated, Some(0.5)),
            row("near", Finding::Distilled, Some(1e-6)),
            row("so-so", Finding::Distilled, Some(0.02)),
            row("derivative", Finding::WeightDerivative, Some(0.3)),
        ];
        correct(&mut rows, 0.05);
        let order: Vec<&str> = rows.iter().map(|r| r.suspect.as_str()).collect();
        assert_eq!(order, ["near", "derivative", "so-so", "far", "none"]);
        let found: Vec<bool> = rows.iter().map(|r| r.found).collect();
        // 0.02 x 4 x (1 + 1/2 + 1/3 + 1/4) / 2 = 0.083.
        assert_eq!(found, [true, true, false, false, false]);
        assert!((rows[2].q.unwrap() - 0.02 * 4.0 * (25.0 / 12.0) / 2.0).abs() < 1e-12);
        assert_eq!(rows[4].q, None);
    }

    #[test]
    fn a_command_is_one_that_a_shell_reads_back() {
        let line = row("a", Finding::Unrelated, None).line();
        assert_eq!(line, r"parentage compare --suspect 'm/it'\''s a model'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("$(x)\n;"), "'$(x)\n;'");
    }
}
