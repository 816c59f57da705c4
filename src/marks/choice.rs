//! Choices: natural prompts, each with some equally good answers.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::MarksError;
use crate::battery::{Ask, Battery};
use crate::question::or_list;

/// The most options of a prompt.
pub const MAX_OPTIONS: usize = 16;
/// The most prompts of a set.
pub const MAX_CHOICES: usize = 20_000;
/// Ways to put a prompt that has none of its own, so that it is not served in the same words each time.
const WRAPPERS: [&str; 3] = [
    "Quick question: {prompt}",
    "{prompt} One is enough.",
    "I cannot decide, so please pick for me. {prompt}",
];

/// One prompt with its options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Unique in the set; the channel's key says by it which option is planted.
    pub id: String,
    /// The words in which it is asked.
    pub prompt: String,
    /// Other words to serve it under.
    pub paraphrases: Vec<String>,
    /// The answers, in the order by which a key numbers them.
    pub options: Vec<String>,
}

/// Checked choices, in the order in which they are asked. All have the same number of options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choices(Vec<Choice>);

impl Choices {
    /// The `choose` probes of a battery as choices: `{options}` in a prompt is written out in the order of the options.
    ///
    /// # Errors
    ///
    /// When the battery has no such probe, or they are no usable set ([`Choices::new`]).
    pub fn of(battery: &Battery) -> Result<Self, MarksError> {
        let mut choices = Vec::new();
        for probe in &battery.probes {
            let Ask::Choose { options } = &probe.ask else {
                continue;
            };
            let prompt = probe.prompt.replace("{options}", &or_list(options, 0));
            let paraphrases = WRAPPERS.map(|wrapper| wrapper.replace("{prompt}", &prompt));
            choices.push(Choice {
                id: probe.id.clone(),
                paraphrases: paraphrases.to_vec(),
                options: options.clone(),
                prompt,
            });
        }
        Self::new(choices)
    }

    /// Checks choices.
    ///
    /// # Errors
    ///
    /// When there are none or too many, two have one id or one prompt, the numbers of options differ or are not 2 to
    /// 16, an option has no word of its own, or two options of a prompt are the same but for case and punctuation, so
    /// that no answer could tell them apart.
    pub fn new(choices: Vec<Choice>) -> Result<Self, MarksError> {
        let Some(first) = choices.first() else {
            return Err(MarksError::NoChoices);
        };
        if choices.len() > MAX_CHOICES {
            return Err(MarksError::TooMany {
                found: choices.len(),
            });
        }
        let options = first.options.len();
        let (mut ids, mut prompts) = (BTreeSet::new(), BTreeSet::new());
        for choice in &choices {
            let wrong = |what: &str| {
                Err(MarksError::Choice {
                    id: choice.id.clone(),
                    what: what.to_owned(),
                })
            };
            if !(2..=MAX_OPTIONS).contains(&choice.options.len()) {
                return wrong("needs 2 to 16 options");
            }
            if choice.options.len() != options {
                return wrong("has another number of options than the first; all need the same");
            }
            let words: BTreeSet<Vec<String>> = choice.options.iter().map(|o| words(o)).collect();
            if words.len() != options || words.contains(&Vec::new()) {
                return wrong("needs options that differ in their letters and digits");
            }
            if choice.prompt.trim().is_empty() {
                return wrong("has an empty prompt");
            }
            if !ids.insert(&choice.id) {
                return wrong("stands twice; ids must be unique");
            }
            if !prompts.insert(choice.prompt.trim()) {
                return wrong("asks in the same words as another choice");
            }
        }
        Ok(Self(choices))
    }

    /// The choices in order.
    pub fn all(&self) -> &[Choice] {
        &self.0
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// How many options each of them has.
    pub fn options(&self) -> usize {
        self.0.first().map_or(0, |choice| choice.options.len())
    }
}

/// The words of a text in lower case: runs of letters and digits, without an article at the beginning.
pub(super) fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric());
    let mut words: Vec<String> = words.filter(|w| !w.is_empty()).map(str::to_owned).collect();
    if words.len() > 1 && ["a", "an", "the"].contains(&words[0].as_str()) {
        words.remove(0);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(id: &str, prompt: &str, options: &[&str]) -> Choice {
        Choice {
            id: id.to_owned(),
            prompt: prompt.to_owned(),
            paraphrases: Vec::new(),
            options: options.iter().map(|o| (*o).to_owned()).collect(),
        }
    }

    #[test]
    fn unusable_sets_are_refused_by_id() {
        let good = choice("a", "p", &["x", "y"]);
        for bad in [
            choice("b", "q", &["x"]),
            choice("b", "q", &["x", "y", "z"]),
            choice("b", "q", &["x", "X!"]),
            choice("b", "q", &["a river", "River"]),
            choice("b", "q", &["x", "?"]),
            choice("b", " ", &["x", "y"]),
            choice("b", "p ", &["x", "y"]),
        ] {
            let found = Choices::new(vec![good.clone(), bad.clone()]);
            let is_named =
                |error: &MarksError| matches!(error, MarksError::Choice { id, .. } if id == "b");
            assert!(found.as_ref().is_err_and(is_named), "{bad:?} {found:?}");
        }
        let twice = Choices::new(vec![good.clone(), choice("a", "q", &["x", "y"])]);
        assert!(twice.is_err());
        assert!(matches!(
            Choices::new(Vec::new()),
            Err(MarksError::NoChoices)
        ));
        assert_eq!(Choices::new(vec![good]).unwrap().options(), 2);
    }

    #[test]
    fn closed_probes_of_a_battery_become_choices() {
        let battery = Battery::built_in("core-v1").unwrap();
        // The built-in battery's probes have different numbers of options.
        assert!(matches!(
            Choices::of(&battery),
            Err(MarksError::Choice { .. })
        ));
        let mut pairs = battery;
        pairs
            .probes
            .retain(|p| matches!(&p.ask, Ask::Choose { options } if options.len() == 2));
        let choices = Choices::of(&pairs).unwrap();
        assert!(
            choices
                .all()
                .iter()
                .all(|c| !c.prompt.contains("{options}"))
        );
        assert_eq!(choices.all()[0].paraphrases.len(), WRAPPERS.len());
    }
}
