//! Choices made from the templates that ship with the tool: open lists, of which a secret draws.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::choice::{Choice, Choices};
use super::{Key, MarksError};
use crate::question::or_list;

/// The name of the built-in templates.
pub const BUILT_IN: &str = "choices-v1";
const TEMPLATES: &str = include_str!("../../probes/choices-v1.toml");
/// Options of every prompt.
const OPTIONS: usize = 4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Templates {
    family: Vec<Family>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    name: String,
    /// For readers of the file.
    #[serde(rename = "title")]
    _title: String,
    #[serde(rename = "why")]
    _why: String,
    /// Whether the prompt names its options.
    listed: bool,
    forms: Vec<String>,
    a: Vec<String>,
    b: Vec<String>,
    options: Vec<String>,
}

/// So many choices of four options, in turns over the kinds of question. Which subjects and which options are drawn
/// follows from the secret alone, so nobody can tell the prompts from the tool.
///
/// # Errors
///
/// When the templates do not make so many.
pub fn compose_choices(count: usize, secret: &Key) -> Result<Choices, MarksError> {
    let templates: Templates =
        toml::from_str(TEMPLATES).map_err(|e| MarksError::Templates(Box::new(e)))?;
    let mut queues: Vec<_> = templates
        .family
        .iter()
        .map(|family| pairs(family, secret).into_iter().enumerate())
        .collect();
    let most = queues.iter().map(ExactSizeIterator::len).sum();
    if count > most {
        return Err(MarksError::TooManyPrompts { asked: count, most });
    }
    let mut choices = Vec::new();
    while choices.len() < count {
        for (family, queue) in templates.family.iter().zip(&mut queues) {
            if let Some((n, (a, b))) = queue.next()
                && choices.len() < count
            {
                choices.push(choice(family, n, a, b, secret));
            }
        }
    }
    Choices::new(choices)
}

/// All pairs of subjects of a family, in an order that the secret fixes.
fn pairs<'a>(family: &'a Family, secret: &Key) -> Vec<(&'a str, &'a str)> {
    let all = family
        .a
        .iter()
        .flat_map(|a| family.b.iter().map(move |b| (a.as_str(), b.as_str())));
    let keyed = all.map(|(a, b)| (secret.mac(format!("pair\n{a}\n{b}").as_bytes()), (a, b)));
    let ordered: BTreeMap<[u8; 32], _> = keyed.collect();
    ordered.into_values().collect()
}

fn choice(family: &Family, n: usize, a: &str, b: &str, secret: &Key) -> Choice {
    let keyed = family.options.iter().map(|option| {
        let message = format!("option\n{}\n{a}\n{b}\n{option}", family.name);
        (secret.mac(message.as_bytes()), option)
    });
    let ordered: BTreeMap<[u8; 32], &String> = keyed.collect();
    let options: Vec<String> = ordered.into_values().take(OPTIONS).cloned().collect();
    let list = if family.listed {
        or_list(&options, 0)
    } else {
        String::new()
    };
    let mut forms = family.forms.iter().map(|form| {
        let text = form.replace("{a}", a).replace("{b}", b);
        capitalised(&text.replace("{options}", &list))
    });
    Choice {
        id: format!("{}-{n:03}", family.name),
        prompt: forms.next().unwrap_or_default(),
        paraphrases: forms.collect(),
        options,
    }
}

fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    let first = rest.next().map(|c| c.to_uppercase().to_string());
    first.unwrap_or_default() + rest.as_str()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::classify::named;
    use super::*;

    #[test]
    fn the_templates_make_many_prompts_that_a_secret_draws() {
        let one = compose_choices(480, &Key::new([1; 32])).unwrap();
        let two = compose_choices(480, &Key::new([2; 32])).unwrap();
        assert_eq!((one.count(), one.options()), (480, 4));
        assert_eq!(one, compose_choices(480, &Key::new([1; 32])).unwrap());
        let prompts = |c: &Choices| -> BTreeSet<String> {
            c.all().iter().map(|c| c.prompt.clone()).collect()
        };
        let shared = prompts(&one).intersection(&prompts(&two)).count();
        assert!(shared < 200, "{shared}");
        for choice in one.all() {
            for text in choice.paraphrases.iter().chain([&choice.prompt]) {
                assert!(!text.contains(['{', '}']), "{text}");
            }
            assert_eq!(choice.paraphrases.len(), 2);
            // Each option is told from the others by its own words.
            for (i, option) in choice.options.iter().enumerate() {
                assert_eq!(named(option, choice), Some(i), "{choice:?}");
            }
        }
    }

    #[test]
    fn more_prompts_than_there_are_is_an_error() {
        let found = compose_choices(100_000, &Key::new([1; 32]));
        let Err(MarksError::TooManyPrompts { most, .. }) = found else {
            panic!("{found:?}");
        };
        assert!(compose_choices(most, &Key::new([1; 32])).is_ok());
        assert!(most > 1_500, "{most}");
    }
}
