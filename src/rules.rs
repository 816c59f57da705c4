//! The rules: every constant that can move a finding, in one value.
//!
//! What decides is handed down from here: the ladder's thresholds for the condition of a case ([`Ladder`]), how much
//! is borrowed of how controls scatter ([`Scatter`]), and when a model is no control ([`Screen`]). Constants that
//! stand where they are used, because arrays or loops are made of them, are listed by [`Rules::named`] from there.
//! A plan commits to all of them by name and to one digest over them, so that a build with another constant is told
//! from this one.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fingerprint::{self, Fingerprint};
use crate::measure::{self, Measure};
use crate::question::Access;
use crate::weigh::{Null, Scatter};
use crate::{digest, passes, sentinel, sequential, weigh};

/// With fewer controls no distribution of controls can be spoken of, under any condition.
pub const MIN_CONTROLS: usize = 5;

/// Among fewer controls no undeclared descendant is looked for: how far the others vary is known too little.
pub const MIN_TO_SCREEN: usize = 8;
/// Nor with fewer candidate parents, the protected model among them.
pub const MIN_COLUMNS: usize = 3;

/// So many other houses of candidate parents stand for a matched alternative where open text is all there is.
pub const MIN_HOUSES: usize = 2;
/// The share of the first questions of which a recording must have records to stand for protected model or suspect.
/// It moves no finding: with less there is none.
pub const MIN_ANSWERED: f64 = 0.5;

/// What could be had of the models, which settles the thresholds.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The probability of any text.
    #[default]
    Scored,
    /// The most probable next tokens.
    Top,
    /// Samples of text, of closed questions and contexts as well.
    Text,
    /// Answers to open questions and nothing else.
    Open,
}

impl Condition {
    /// All conditions.
    pub const ALL: [Self; 4] = [Self::Scored, Self::Top, Self::Text, Self::Open];

    /// The word in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scored => "scored",
            Self::Top => "top",
            Self::Text => "text",
            Self::Open => "open",
        }
    }

    /// The condition in which models are asked.
    pub fn from(access: Access) -> Self {
        match access {
            Access::Scored => Self::Scored,
            Access::Top => Self::Top,
            Access::Text => Self::Text,
        }
    }

    /// The condition in which a model's answers were had.
    pub fn of(print: &Fingerprint) -> Self {
        if !print.pool.is_empty() {
            Self::Scored
        } else if !print.next.is_empty() {
            Self::Top
        } else if !print.shorts.is_empty() || !print.choices.is_empty() {
            Self::Text
        } else {
            Self::Open
        }
    }
}

/// The thresholds of the ladder ([`crate::verdict`]).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ladder {
    /// Fewer usable controls allow no finding from their distribution.
    pub min_controls: usize,
    /// Mean divergence (nats) below which two models answer alike to within arithmetic: the f32 copy of a
    /// quantised model differs from it by about 0.001, harmless re-quantisation by 0.002, strangers by more
    /// than 0.1.
    pub same_divergence: f64,
    /// And it must be below this share of the divergence of the nearest control.
    pub same_share: f64,
    /// The p of the two-sample test of texts below which two models are told apart.
    pub apart_text_p: f64,
    /// The weight gate's p below which descent is taken as given.
    pub lineage_p: f64,
    /// The p of the pooled score below which a suspect counts as closer.
    pub close_p: f64,
    /// Fewer controls are few: how they scatter is known too little for a p in the far tail.
    pub few: usize,
    /// What is asked for in place of `close_p` where they are few.
    pub few_p: f64,
    /// The share of the controls that may lie above it all the same: where most published models may be undeclared
    /// students, some will.
    pub above: f64,
    /// The same with one control or the strongest measure left out.
    pub stable_p: f64,
    /// The share of the measures' weight whose mixes may fit the suspect too badly, below which it counts as like enough to
    /// the controls to be called closer than they are.
    pub unlike: f64,
    /// The p of the pooled score from which on the figures speak against descent.
    pub against_p: f64,
    /// The effect of a full dose, in standard deviations of the controls, that a panel must be able to show before
    /// its silence says something. That of batteries is the median over the full-dose students of the shipped family,
    /// with 12 controls drawn.
    pub full_effect: f64,
    /// With which probability.
    pub shown_power: f64,
    /// The p of mere likeness among unmatched controls below which common data or base are spoken of.
    pub like_p: f64,
    /// The paired p, Bonferroni-corrected over measures, below which an alternative is told apart.
    pub apart_p: f64,
}

/// When a model of the panel is no control.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Screen {
    /// Mean divergence (nats) below which two members are copies of one another.
    pub copy_divergence: f64,
    /// The share of equal open texts from which on two members are copies where nothing else was had.
    pub copy_texts: f64,
    /// The probability that any control of a panel without undeclared descendants is taken for one: it must show what
    /// a suspect must show, corrected for the number of controls.
    pub beyond_p: f64,
    /// The share of the controls that may be taken for that.
    pub most: f64,
}

/// Every constant that can move a finding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// The thresholds by condition, in the order of [`Condition::ALL`].
    pub ladders: [Ladder; 4],
    /// What is borrowed of how controls scatter.
    pub scatter: Scatter,
    /// When a model is no control.
    pub screen: Screen,
}

/// The thresholds that hold where a condition has none of its own.
const LADDER: Ladder = Ladder {
    min_controls: MIN_CONTROLS,
    same_divergence: 0.003,
    same_share: 0.1,
    apart_text_p: 0.01,
    lineage_p: 1e-6,
    close_p: 1e-5,
    few: 10,
    few_p: 1e-5,
    above: 0.0,
    stable_p: 1e-2,
    unlike: 0.5,
    against_p: 0.1,
    full_effect: 5.5,
    shown_power: 0.8,
    like_p: 0.05,
    apart_p: 1e-2,
};

/// Those at full access. On the family that is shipped, with 5, 7, 12 and all controls drawn, the smallest p of an
/// innocent is 1e-3; this is a tenth of it. A control or a measure more or less moves p of few controls by a power of
/// ten. That few controls must show more was settled later, when with 7 of them 2 of 695 innocents of the confirmation
/// lay between 1e-5 and 1e-4.
const SCORED: Ladder = Ladder {
    close_p: 1e-4,
    stable_p: 0.05,
    ..LADDER
};

/// Those for open text alone, which were settled on published models (`models/public-answers`): what tells their
/// students from others is small beside how models differ. The effect is the median over declared students, each by
/// the nearest of its houses.
const OPEN: Ladder = Ladder {
    close_p: 1e-2,
    few_p: 1e-2,
    above: 0.05,
    stable_p: 0.1,
    full_effect: 2.1,
    ..LADDER
};

impl Rules {
    /// The rules of this version.
    ///
    /// `models/README.md` says on which models each was chosen and has the error rates on others.
    pub const HERE: Self = Self {
        ladders: [SCORED, LADDER, LADDER, OPEN],
        scatter: Scatter {
            measure: 5.0,
            pooled: 8.0,
            columns: 3,
        },
        screen: Screen {
            copy_divergence: 0.003,
            copy_texts: 0.5,
            beyond_p: 1e-4,
            most: 0.25,
        },
    };

    /// How it is estimated under a condition where controls lie and how far they vary.
    pub fn null(&self, condition: Condition) -> Null {
        match condition {
            Condition::Scored | Condition::Top | Condition::Text => Null::Moderated(self.scatter),
            Condition::Open => Null::ShortestHalf,
        }
    }

    /// The thresholds of a condition.
    pub fn ladder(&self, condition: Condition) -> &Ladder {
        let [scored, top, text, open] = &self.ladders;
        match condition {
            Condition::Scored => scored,
            Condition::Top => top,
            Condition::Text => text,
            Condition::Open => open,
        }
    }

    /// Every constant by name.
    pub fn named(&self) -> BTreeMap<String, f64> {
        let mut named = BTreeMap::new();
        for condition in Condition::ALL {
            for (name, value) in self.ladder(condition).named() {
                named.insert(format!("{}.{name}", condition.name()), value);
            }
            let null = format!("{}.null.{}", condition.name(), self.null(condition).name());
            named.insert(null, 1.0);
        }
        let own = [
            ("scatter.measure", self.scatter.measure),
            ("scatter.pooled", self.scatter.pooled),
            ("scatter.columns", self.scatter.columns as f64),
            ("screen.copy_divergence", self.screen.copy_divergence),
            ("screen.copy_texts", self.screen.copy_texts),
            ("screen.beyond_p", self.screen.beyond_p),
            ("screen.most", self.screen.most),
            ("screen.min_controls", MIN_TO_SCREEN as f64),
            ("screen.min_columns", MIN_COLUMNS as f64),
            ("min_houses", MIN_HOUSES as f64),
            ("passes.pool_each", passes::POOL_EACH as f64),
            ("fingerprint.read_each", fingerprint::READ_EACH as f64),
        ];
        let listed = own
            .into_iter()
            .chain(weigh::constants())
            .chain(measure::constants())
            .chain(sentinel::constants())
            .chain(sequential::constants());
        named.extend(listed.map(|(name, value)| (name.to_owned(), value)));
        let weights = Measure::ALL.iter();
        named.extend(weights.map(|m| (format!("weight.{}", m.name()), m.weight())));
        named
    }

    /// SHA-256 over all of them.
    pub fn digest(&self) -> String {
        digest::of_value(&self.named())
    }
}

impl Ladder {
    /// The p of the pooled score below which a suspect counts as closer than so many controls.
    pub fn close_p(&self, controls: usize) -> f64 {
        if controls < self.few {
            self.few_p
        } else {
            self.close_p
        }
    }

    fn named(&self) -> [(&'static str, f64); 16] {
        [
            ("min_controls", self.min_controls as f64),
            ("same_divergence", self.same_divergence),
            ("same_share", self.same_share),
            ("apart_text_p", self.apart_text_p),
            ("lineage_p", self.lineage_p),
            ("close_p", self.close_p),
            ("few", self.few as f64),
            ("few_p", self.few_p),
            ("above", self.above),
            ("stable_p", self.stable_p),
            ("unlike", self.unlike),
            ("against_p", self.against_p),
            ("full_effect", self.full_effect),
            ("shown_power", self.shown_power),
            ("like_p", self.like_p),
            ("apart_p", self.apart_p),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_constant_gives_another_digest() {
        let here = Rules::HERE;
        let mut other = here;
        assert_eq!(here.digest(), other.digest());
        other.ladders[3].close_p = 2e-2;
        assert_ne!(here.digest(), other.digest());
        let differs =
            |(name, value): &(&String, &f64)| here.named()[*name].total_cmp(value).is_ne();
        let named = other.named();
        let names: Vec<&String> = named.iter().filter(differs).map(|(n, _)| n).collect();
        assert_eq!(names, ["open.close_p"]);
    }

    #[test]
    fn constants_of_every_part_are_listed() {
        let named = Rules::HERE.named();
        for name in [
            "scored.close_p",
            "text.full_effect",
            "mix.pronounced",
            "mix.too_bad",
            "mix.min_present",
            "contrast.min_present",
            "sentinel.alpha",
            "bets.alpha",
            "wording.order",
            "style.blocks",
            "texts.exchanges",
            "weight.wording",
            "passes.pool_each",
        ] {
            assert!(named.contains_key(name), "{name}");
        }
    }

    #[test]
    fn the_condition_is_what_could_be_had() {
        let mut print = Fingerprint::default();
        assert_eq!(Condition::of(&print), Condition::Open);
        print.choices.insert("p".to_owned(), vec![1.0]);
        assert_eq!(Condition::of(&print), Condition::Text);
        print.next.insert("p".to_owned(), Vec::new());
        assert_eq!(Condition::of(&print), Condition::Top);
        print
            .pool
            .insert("p".to_owned(), std::iter::empty().collect());
        assert_eq!(Condition::of(&print), Condition::Scored);
    }
}
