//! What is legal in a battery but weakens it.

use std::collections::BTreeMap;
use std::fmt;

use super::{Ask, Battery, Probe};

/// One weakness.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// Two probes ask the same, but for case, space and punctuation.
    Duplicate {
        /// The later probe.
        id: String,
        /// The earlier one.
        of: String,
    },
    /// Two options begin alike, so that many tokenizers give them the same first token.
    SharedStart {
        /// The probe.
        id: String,
        /// The two options.
        options: [String; 2],
    },
    /// The prompt writes its options out in one order instead of by `{options}`.
    FixedOrder {
        /// The probe.
        id: String,
    },
    /// The longest option is more than six times as long as the shortest.
    UnevenLength {
        /// The probe.
        id: String,
    },
    /// The context ends in a space, which splits words differently in each tokenizer.
    TrailingSpace {
        /// The probe.
        id: String,
    },
    /// Models give one option far more often than the others.
    Favoured {
        /// The probe.
        id: String,
        /// The option.
        option: String,
        /// Its mean share of probability among the options.
        share: f64,
        /// How many models gave any of the options.
        models: u32,
    },
    /// A family has so few probes that its share of the result is one answer's luck.
    SmallFamily {
        /// The family.
        family: String,
        /// Its probes.
        probes: usize,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duplicate { id, of } => {
                write!(f, "{id}: asks the same as {of}; drop one of them")
            }
            Self::SharedStart {
                id,
                options: [a, b],
            } => write!(
                f,
                "{id}: options '{a}' and '{b}' begin alike; choose words that differ in the first letters"
            ),
            Self::FixedOrder { id } => write!(
                f,
                "{id}: lists its options in one order; write {{options}} so that the order rotates"
            ),
            Self::UnevenLength { id } => write!(
                f,
                "{id}: options differ in length more than sixfold; longer ones score lower"
            ),
            Self::TrailingSpace { id } => {
                write!(f, "{id}: ends in a space; end at the last letter of a word")
            }
            Self::Favoured {
                id,
                option,
                share,
                models,
            } => write!(
                f,
                "{id}: {models} models give '{option}' {:.0} % of the options' probability; a mark planted there would be everybody's answer, and one planted elsewhere sounds odd, so choose options that are equally good",
                100.0 * share
            ),
            Self::SmallFamily { family, probes } => write!(
                f,
                "family {family}: has {probes} probes; write at least four"
            ),
        }
    }
}

/// All weaknesses of a battery, in the order of its probes.
pub fn lint(battery: &Battery) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = BTreeMap::new();
    for probe in &battery.probes {
        let key = (normalised(&probe.prompt), normalised(&probe.lead));
        if let Some(of) = seen.insert(key, probe.id.clone()) {
            findings.push(Finding::Duplicate {
                id: probe.id.clone(),
                of,
            });
        }
        if probe.prompt.ends_with(char::is_whitespace) || probe.lead.ends_with(' ') {
            findings.push(Finding::TrailingSpace {
                id: probe.id.clone(),
            });
        }
        if let Ask::Choose { options } = &probe.ask {
            findings.extend(lint_options(probe, options));
        }
    }
    for family in &battery.families {
        let probes = battery
            .probes
            .iter()
            .filter(|p| p.family == family.name)
            .count();
        if probes < 4 {
            findings.push(Finding::SmallFamily {
                family: family.name.clone(),
                probes,
            });
        }
    }
    findings
}

/// An option with more than this share of the options' probability is a favourite.
const FAVOURED: f64 = 0.75;

/// The options that models favour. `shares` has, for every model, what it gave to the options of each `choose` probe by
/// id: a probability or a frequency each, and further entries (other answers) behind them, which count for nothing.
/// Probes to which no model gave any option are passed over.
pub fn favourites(battery: &Battery, shares: &[&BTreeMap<String, Vec<f64>>]) -> Vec<Finding> {
    let found = battery.probes.iter().filter_map(|probe| {
        let Ask::Choose { options } = &probe.ask else {
            return None;
        };
        let (mut mean, mut models) = (vec![0.0; options.len()], 0_u32);
        for of in shares {
            let given = of
                .get(&probe.id)
                .and_then(|given| given.get(..options.len()));
            let total: f64 = given.map_or(0.0, |given| given.iter().sum());
            let Some(given) = given.filter(|_| total > 0.0) else {
                continue;
            };
            mean.iter_mut()
                .zip(given)
                .for_each(|(m, g)| *m += g / total);
            models += 1;
        }
        let named = options.iter().zip(mean);
        let (option, sum) = named.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        let share = sum / f64::from(models.max(1));
        (share > FAVOURED).then(|| Finding::Favoured {
            id: probe.id.clone(),
            option: option.clone(),
            share,
            models,
        })
    });
    found.collect()
}

fn lint_options(probe: &Probe, options: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let id = &probe.id;
    let starts: Vec<String> = options.iter().map(|o| start(o)).collect();
    for (i, a) in starts.iter().enumerate() {
        for (j, b) in starts.iter().enumerate().skip(i + 1) {
            if a == b {
                findings.push(Finding::SharedStart {
                    id: id.clone(),
                    options: [options[i].clone(), options[j].clone()],
                });
            }
        }
    }
    let prompt = words(&probe.prompt);
    let listed = options
        .iter()
        .filter(|o| prompt.contains(&words(o)))
        .count();
    if !probe.prompt.contains("{options}") && listed == options.len() {
        findings.push(Finding::FixedOrder { id: id.clone() });
    }
    let lengths = || options.iter().map(|o| o.chars().count());
    if lengths().max() > lengths().min().map(|n| 6 * n) {
        findings.push(Finding::UnevenLength { id: id.clone() });
    }
    findings
}

/// The first three letters or digits, or the first word when it is shorter.
fn start(option: &str) -> String {
    let word = option.split_whitespace().next().unwrap_or("");
    word.to_lowercase().chars().take(3).collect()
}

/// The words of a text in lower case, each between single spaces.
fn words(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric());
    let joined: Vec<&str> = words.filter(|w| !w.is_empty()).collect();
    format!(" {} ", joined.join(" "))
}

fn normalised(text: &str) -> String {
    let letters = text.to_lowercase();
    letters.chars().filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Family, Pose};
    use super::*;

    fn battery(prompts: &[(&str, &[&str])]) -> Battery {
        let probes = prompts
            .iter()
            .enumerate()
            .map(|(i, (prompt, options))| Probe {
                id: format!("f-{i}"),
                family: "f".to_owned(),
                ask: if options.is_empty() {
                    Ask::Next
                } else {
                    Ask::Choose {
                        options: options.iter().map(|o| (*o).to_owned()).collect(),
                    }
                },
                pose: Pose::Raw,
                prompt: (*prompt).to_owned(),
                lead: String::new(),
            })
            .collect();
        Battery {
            name: "f".to_owned(),
            version: 1,
            families: vec![Family {
                name: "f".to_owned(),
                title: String::new(),
                why: String::new(),
                source: String::new(),
            }],
            probes,
        }
    }

    #[test]
    fn the_core_battery_is_clean() {
        let findings = lint(&Battery::built_in("core-v1").unwrap());
        let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "{shown:#?}");
    }

    #[test]
    fn options_that_models_favour_are_found() {
        let battery = battery(&[
            ("Which one?", &["tea", "coffee"]),
            ("Who?", &["ann", "bob"]),
            ("Go on", &[]),
        ]);
        let of = |a: &[f64], b: &[f64]| {
            BTreeMap::from([
                ("f-0".to_owned(), a.to_vec()),
                ("f-1".to_owned(), b.to_vec()),
            ])
        };
        // Other answers behind the options count for nothing, and a model that gives no option neither.
        let models = [
            of(&[0.1, 0.4, 0.5], &[0.5, 0.5]),
            of(&[0.2, 0.8], &[0.0, 0.9]),
            of(&[0.0, 0.0, 1.0], &[1.0, 0.0]),
        ];
        let models: Vec<&BTreeMap<String, Vec<f64>>> = models.iter().collect();
        let found = favourites(&battery, &models);
        let [
            Finding::Favoured {
                id,
                option,
                share,
                models,
            },
        ] = &found[..]
        else {
            panic!("{found:?}");
        };
        assert_eq!(
            (id.as_str(), option.as_str(), *models),
            ("f-0", "coffee", 2)
        );
        assert!((share - 0.8).abs() < 1e-12, "{share}");
        assert_eq!(favourites(&battery, &[]), []);
    }

    #[test]
    fn every_weakness_is_found() {
        let found = lint(&battery(&[
            ("Which one?", &["strong", "strange"]),
            ("which ONE", &["a", "b"]),
            ("Tea or coffee?", &["tea", "coffee"]),
            ("Ends here ", &[]),
            ("Short or long?", &["ox", "a hippopotamus"]),
        ]));
        let has = |f: &dyn Fn(&Finding) -> bool| found.iter().any(f);
        assert!(has(
            &|f| matches!(f, Finding::SharedStart { id, .. } if id == "f-0")
        ));
        assert!(has(
            &|f| matches!(f, Finding::Duplicate { id, .. } if id == "f-1")
        ));
        assert!(has(
            &|f| matches!(f, Finding::FixedOrder { id } if id == "f-2")
        ));
        assert!(has(
            &|f| matches!(f, Finding::TrailingSpace { id } if id == "f-3")
        ));
        assert!(has(
            &|f| matches!(f, Finding::UnevenLength { id } if id == "f-4")
        ));
        let small = lint(&battery(&[("Only one", &[])]));
        assert!(matches!(
            small[..],
            [Finding::SmallFamily { probes: 1, .. }]
        ));
    }
}
