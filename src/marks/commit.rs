//! What is committed to before anything is served, and what is opened of it later.
//!
//! A leaf for every choice, in order, then a leaf for every channel, the control last. A leaf is
//! `SHA-256(0x00 || salt || JSON of the piece)`, with `salt = HMAC-SHA256(salt key, number of the leaf as eight bytes)`;
//! the root is the Merkle tree hash of RFC 6962 (section 2.1) over the leaves. The piece of a channel has its name and
//! the digest of its key. Without its salt a leaf says nothing about its piece, so a channel that is not opened keeps
//! its name as well as its key.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::choice::{Choice, Choices};
use super::classify::RULE;
use super::{Key, MarksError};
use crate::digest::hex;

/// The version of the form.
pub const FORMAT: u32 = 1;
/// The channel that is never served: its key must not be hit.
pub const CONTROL: &str = "never-served";
/// The level at which a hit counts, unless the owner commits to another.
pub const LEVEL: f64 = 1e-5;
/// The highest level that can be committed to: a hit may decide a finding by itself.
pub const HIGHEST_LEVEL: f64 = 1e-3;
/// The most channels.
const MAX_CHANNELS: usize = 1_000;

/// Whether a channel is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It gives its planted options to whoever asks on it.
    Served,
    /// Nobody was ever given its options: the control.
    Control,
}

/// A channel with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// Whether it is served.
    pub role: Role,
    /// What it plants.
    pub key: Key,
}

/// What is signed and dated before anything is served. It shows nothing of prompts, options, names or keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commitment {
    /// The version of the form.
    pub format: u32,
    /// The version of the tool that wrote it.
    pub tool: String,
    /// How many prompts there are.
    pub choices: usize,
    /// How many options each of them has.
    pub options: usize,
    /// How many channels are served; the control comes on top. Every test is corrected for all of them.
    pub channels: usize,
    /// The rule by which answers are put to options.
    pub rule: String,
    /// The corrected p-value up to which a hit counts.
    pub level: f64,
    /// The root of the tree, in hexadecimal digits.
    pub root: String,
}

/// All that the owner keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct Marks {
    /// The prompts with their options.
    pub choices: Choices,
    /// The channels that are served, then the control.
    pub channels: Vec<Channel>,
    /// What the salts are made of.
    pub salts: Key,
    /// The corrected p-value up to which a hit counts.
    pub level: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Piece<'a> {
    Choice(&'a Choice),
    Channel {
        name: &'a str,
        role: Role,
        key_sha256: String,
    },
}

/// A leaf as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Leaf {
    /// A prompt with its options.
    Choice {
        /// Its salt, in hexadecimal digits.
        salt: String,
        /// The prompt.
        choice: Choice,
    },
    /// A channel with its key.
    Channel {
        /// Its salt.
        salt: String,
        /// Its name.
        name: String,
        /// Whether it is served.
        role: Role,
        /// Its key, in hexadecimal digits.
        key: String,
    },
    /// A channel that stays secret, its name as well as its key.
    Closed {
        /// The leaf, in hexadecimal digits.
        digest: String,
    },
}

/// What is opened of a commitment, as found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// The leaves in order.
    pub leaves: Vec<Leaf>,
}

/// What is opened, held against the commitment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The prompts with their options.
    pub choices: Choices,
    /// The channels whose keys are opened.
    pub channels: Vec<Channel>,
    /// How many served channels stay secret.
    pub closed: usize,
}

impl Marks {
    /// Puts marks together: the served channels in order, then the control.
    ///
    /// # Errors
    ///
    /// When a name is not usable or stands twice, there is no channel or absurdly many, or the level is none.
    pub fn new(
        choices: Choices,
        served: Vec<(String, Key)>,
        control: Key,
        salts: Key,
        level: f64,
    ) -> Result<Self, MarksError> {
        if !is_level(level) {
            return Err(MarksError::Level { level });
        }
        let mut channels: Vec<Channel> = Vec::new();
        for (name, key) in served {
            let wrong = if !is_name(&name) {
                Some("has an unusable name")
            } else if name == CONTROL {
                Some("has the name of the channel that is never served")
            } else if channels.iter().any(|c| c.name == name) {
                Some("stands twice")
            } else if channels.len() >= MAX_CHANNELS {
                Some("is more than the thousandth")
            } else {
                None
            };
            if let Some(what) = wrong {
                return Err(MarksError::Channel { name, what });
            }
            channels.push(Channel {
                name,
                role: Role::Served,
                key,
            });
        }
        if channels.is_empty() {
            return Err(MarksError::Channel {
                name: String::new(),
                what: "is the only one; name at least one that is served",
            });
        }
        channels.push(Channel {
            name: CONTROL.to_owned(),
            role: Role::Control,
            key: control,
        });
        Ok(Self {
            choices,
            channels,
            salts,
            level,
        })
    }

    /// The commitment to all of it.
    pub fn commitment(&self) -> Commitment {
        let leaves: Vec<[u8; 32]> = self
            .leaves()
            .map(|(salt, piece)| leaf(&salt, &piece))
            .collect();
        Commitment {
            format: FORMAT,
            tool: env!("CARGO_PKG_VERSION").to_owned(),
            choices: self.choices.count(),
            options: self.choices.options(),
            channels: self.channels.len() - 1,
            rule: RULE.to_owned(),
            level: self.level,
            root: hex(&root(&leaves)),
        }
    }

    /// What has to be shown to open some channels: all prompts, those channels with their keys, and the control.
    ///
    /// # Errors
    ///
    /// When there is no channel of a name.
    pub fn open(&self, channels: &[String]) -> Result<Opening, MarksError> {
        for name in channels {
            if !self.channels.iter().any(|c| c.name == *name) {
                let known: Vec<&str> = self.channels.iter().map(|c| c.name.as_str()).collect();
                return Err(MarksError::NoChannel {
                    name: name.clone(),
                    known: known.join(", "),
                });
            }
        }
        let mut leaves: Vec<Leaf> = Vec::new();
        for (salt, piece) in self.leaves() {
            let salted = hex(&salt);
            leaves.push(match &piece {
                Piece::Choice(choice) => Leaf::Choice {
                    salt: salted,
                    choice: (*choice).clone(),
                },
                Piece::Channel { name, role, .. } => {
                    let wanted = *role == Role::Control || channels.iter().any(|c| c == name);
                    let channel = self.channels.iter().find(|c| c.name == *name);
                    match channel.filter(|_| wanted) {
                        Some(channel) => Leaf::Channel {
                            salt: salted,
                            name: channel.name.clone(),
                            role: channel.role,
                            key: channel.key.reveal(),
                        },
                        None => Leaf::Closed {
                            digest: hex(&leaf(&salt, &piece)),
                        },
                    }
                }
            });
        }
        Ok(Opening { leaves })
    }

    /// Salt and piece of every leaf.
    fn leaves(&self) -> impl Iterator<Item = ([u8; 32], Piece<'_>)> {
        let choices = self.choices.all().iter().map(Piece::Choice);
        let channels = self.channels.iter().map(|channel| Piece::Channel {
            name: &channel.name,
            role: channel.role,
            key_sha256: channel.key.digest(),
        });
        let salt = |n: u64| self.salts.mac(&n.to_be_bytes());
        (0..).map(salt).zip(choices.chain(channels))
    }
}

impl Commitment {
    /// Holds what is opened against the commitment.
    ///
    /// # Errors
    ///
    /// When the commitment is of another form, or anything that is opened is not what was committed to.
    pub fn check(&self, opening: &Opening) -> Result<Opened, MarksError> {
        let wrong = |what: &str| MarksError::Opening {
            what: what.to_owned(),
        };
        if self.format != FORMAT {
            return Err(MarksError::Format {
                found: self.format,
                expected: FORMAT,
            });
        }
        if self.rule != RULE {
            return Err(MarksError::Rule {
                found: self.rule.clone(),
                expected: RULE,
            });
        }
        if !is_level(self.level) {
            return Err(MarksError::Level { level: self.level });
        }
        let expected = self.choices.checked_add(self.channels);
        if expected.and_then(|n| n.checked_add(1)) != Some(opening.leaves.len()) {
            return Err(wrong("it has another number of leaves"));
        }
        let (mut choices, mut channels, mut closed, mut tree) =
            (Vec::new(), Vec::new(), 0, Vec::new());
        for (n, shown) in opening.leaves.iter().enumerate() {
            let is_choice = n < self.choices;
            let (digest, salt) = match shown {
                Leaf::Closed { digest } => (digest, None),
                Leaf::Choice { salt, .. } | Leaf::Channel { salt, .. } => (salt, Some(salt)),
            };
            let Some(bytes) = bytes_of(digest) else {
                return Err(wrong(&format!("leaf {n} has no 64 hexadecimal digits")));
            };
            tree.push(match (shown, salt) {
                (Leaf::Choice { choice, .. }, Some(_)) if is_choice => {
                    choices.push(choice.clone());
                    leaf(&bytes, &Piece::Choice(choice))
                }
                (
                    Leaf::Channel {
                        name, role, key, ..
                    },
                    Some(_),
                ) if !is_choice => {
                    let key = Key::parse(key)
                        .ok_or_else(|| wrong(&format!("leaf {n} has no 64 hexadecimal digits")))?;
                    let piece = Piece::Channel {
                        name,
                        role: *role,
                        key_sha256: key.digest(),
                    };
                    let digest = leaf(&bytes, &piece);
                    let (name, role) = (name.clone(), *role);
                    channels.push(Channel { name, role, key });
                    digest
                }
                (Leaf::Closed { .. }, None) if !is_choice => {
                    closed += 1;
                    bytes
                }
                _ => return Err(wrong(&format!("leaf {n} is of another kind"))),
            });
        }
        if hex(&root(&tree)) != self.root {
            return Err(wrong("the root of its leaves is another one"));
        }
        let control = channels.iter().filter(|c| c.role == Role::Control).count();
        if control != 1 || channels.last().is_some_and(|c| c.role != Role::Control) {
            return Err(wrong("the channel that is never served is not opened"));
        }
        let choices = Choices::new(choices)?;
        if choices.options() != self.options {
            return Err(wrong("its prompts have another number of options"));
        }
        Ok(Opened {
            choices,
            channels,
            closed,
        })
    }
}

fn is_level(level: f64) -> bool {
    level > 0.0 && level <= HIGHEST_LEVEL
}

/// A name that is safe as a file's.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=60).contains(&name.len())
        && name.chars().all(plain)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn bytes_of(text: &str) -> Option<[u8; 32]> {
    // A salt has the form of a key.
    Key::parse(text)?;
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

fn leaf(salt: &[u8; 32], piece: &Piece<'_>) -> [u8; 32] {
    match serde_json::to_vec(piece) {
        Ok(bytes) => leaf_of(salt, &bytes),
        Err(error) => unreachable!("plain data serialises: {error}"),
    }
}

fn leaf_of(salt: &[u8; 32], piece: &[u8]) -> [u8; 32] {
    let leaf = Sha256::new().chain_update([0]).chain_update(salt);
    leaf.chain_update(piece).finalize().into()
}

/// The tree hash: a tree of more than one leaf is split at the largest power of two that is less than their number.
fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => Sha256::digest([]).into(),
        [one] => *one,
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(split);
            let node = Sha256::new().chain_update([1]).chain_update(root(left));
            node.chain_update(root(right)).finalize().into()
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn key(n: u8) -> Key {
        Key::new([n; 32])
    }

    pub(in super::super) fn marks(prompts: usize, channels: &[&str]) -> Marks {
        let choice = |i: usize| Choice {
            id: format!("c-{i:03}"),
            prompt: format!("Which one, for case {i}?"),
            paraphrases: vec![format!("For case {i}, which?")],
            options: ["ash", "birch", "cedar", "elder"]
                .map(str::to_owned)
                .to_vec(),
        };
        let choices = Choices::new((0..prompts).map(choice).collect()).unwrap();
        let served = (1..).zip(channels).map(|(n, c)| ((*c).to_owned(), key(n)));
        Marks::new(choices, served.collect(), key(100), key(200), LEVEL).unwrap()
    }

    // hashlib: leaf(salt, piece) = sha256(b"\0" + salt + piece), node = sha256(b"\1" + left + right)
    #[test]
    fn roots_are_those_of_another_implementation() {
        let leaves: Vec<[u8; 32]> = (0..7)
            .map(|i| leaf_of(&[i; 32], format!("piece {i}").as_bytes()))
            .collect();
        for (n, expected) in [
            (
                1,
                "213966d34e81acdca2836710869085e708fb9c987fd023f74f71833570920630",
            ),
            (
                2,
                "376e6f92de8cfb7b8aba46b563e18124c18dfb12557b361a3a596cea52220a57",
            ),
            (
                3,
                "f07cf4867e435974d40d13d87864f6a81bc5847f956e9c0ab48b1f602f954a22",
            ),
            (
                5,
                "cefb448d37b1e0eeabb0ad35216af4f7c2a6dd6cae48024a5c192296b413e8ef",
            ),
            (
                7,
                "59326f75ec1c836db9b7b3df6b2b679aa3a06b107aa6a4c692c2c3ffacd26850",
            ),
        ] {
            assert_eq!(hex(&root(&leaves[..n])), expected, "{n}");
        }
    }

    #[test]
    fn one_channel_is_opened_and_the_others_stay_secret() {
        let marks = marks(5, &["api", "app", "account-17"]);
        let commitment = marks.commitment();
        let opening = marks.open(&["app".to_owned()]).unwrap();
        let opened = commitment.check(&opening).unwrap();
        assert_eq!(opened.choices, marks.choices);
        let names: Vec<&str> = opened.channels.iter().map(|c| c.name.as_str()).collect();
        assert_eq!((names, opened.closed), (vec!["app", CONTROL], 2));
        let text = serde_json::to_string(&opening).unwrap();
        for secret in ["account-17", "\"api\""] {
            assert!(!text.contains(secret), "{secret}");
        }
        for hidden in [&marks.channels[0], &marks.channels[2]] {
            assert!(!text.contains(&hidden.key.reveal()) && !text.contains(&hidden.key.digest()));
        }
        assert!(!text.contains(&marks.salts.reveal()));
    }

    #[test]
    fn whatever_is_opened_otherwise_is_refused() {
        let marks = marks(4, &["api", "app"]);
        let commitment = marks.commitment();
        let good = marks.open(&["api".to_owned()]).unwrap();
        let refused = |change: &dyn Fn(&mut Opening)| {
            let mut bad = good.clone();
            change(&mut bad);
            assert_ne!(bad, good);
            assert!(commitment.check(&bad).is_err(), "{bad:?}");
        };
        refused(&|o| o.leaves.swap(0, 1));
        refused(&|o| drop(o.leaves.pop()));
        refused(&|o| {
            if let Leaf::Choice { choice, .. } = &mut o.leaves[2] {
                choice.options.swap(0, 1);
            }
        });
        refused(&|o| {
            if let Leaf::Channel { key: of, .. } = &mut o.leaves[4] {
                *of = key(9).reveal();
            }
        });
        refused(&|o| {
            if let Leaf::Channel { role, .. } = &mut o.leaves[4] {
                *role = Role::Control;
            }
        });
        refused(&|o| {
            if let Leaf::Choice { salt, .. } = &mut o.leaves[0] {
                *salt = "00".repeat(32);
            }
        });
        let closed = Leaf::Closed {
            digest: "00".repeat(32),
        };
        refused(&|o| o.leaves[5] = closed.clone());
        refused(&|o| o.leaves[0] = closed.clone());
        for other in [
            Commitment {
                choices: 5,
                channels: 1,
                ..commitment.clone()
            },
            Commitment {
                options: 3,
                ..commitment.clone()
            },
            Commitment {
                choices: usize::MAX,
                ..commitment.clone()
            },
            Commitment {
                format: 2,
                ..commitment.clone()
            },
            Commitment {
                rule: "other/1".to_owned(),
                ..commitment.clone()
            },
            Commitment {
                level: 0.0,
                ..commitment.clone()
            },
        ] {
            assert!(other.check(&good).is_err(), "{other:?}");
        }
    }

    #[test]
    fn unusable_channels_are_refused_by_name() {
        let choices = marks(1, &["api"]).choices;
        let made = |names: &[&str], level| {
            let served = names.iter().map(|n| ((*n).to_owned(), key(1))).collect();
            Marks::new(choices.clone(), served, key(2), key(3), level)
        };
        for names in [
            &["a", "a"][..],
            &[CONTROL],
            &["../x"],
            &[".x"],
            &[""],
            &[],
            &["é"],
        ] {
            let found = made(names, LEVEL);
            assert!(
                matches!(found, Err(MarksError::Channel { .. })),
                "{names:?}"
            );
        }
        assert!(matches!(made(&["a"], 1.0), Err(MarksError::Level { .. })));
        let marks = marks(1, &["api"]);
        assert!(matches!(
            marks.open(&["web".to_owned()]),
            Err(MarksError::NoChannel { .. })
        ));
    }
}
