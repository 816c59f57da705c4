//! The report's texts on how figures come about and by which rules they decide, made of the rules' own values.

use super::words::{Passage, passages};
use crate::measure::Measure;
use crate::rules::{Condition, Rules};
use crate::weigh::Null;

/// How the figures came about.
pub(super) fn method(condition: Condition) -> Vec<Passage> {
    let rules = Rules::HERE;
    let mut method = match condition {
        Condition::Scored | Condition::Top | Condition::Text => of_batteries(),
        Condition::Open => of_open_text(&rules),
    };
    method.push(decided_by(&rules, condition));
    method
}

/// Where a battery was asked that more than open text is known of.
fn of_batteries() -> Vec<Passage> {
    let texts: [(&'static str, &str); 6] = [
        (
            "Questions",
            "All models were asked one battery of everyday questions without a right answer, in one form. Then every model read what the candidate parents had written, and every candidate parent what the others had. Answers are compared as distributions over strings, so that tokenizers may differ.",
        ),
        (
            "Measures",
            "preference: distributions over closed answers (Bhattacharyya coefficient). next: distributions of what follows a context (the same). likelihood: how well the suspect predicts what the protected model wrote (minus bits per byte). likelihood_reverse: how well the protected model predicts what the suspect wrote. style: function words, character trigrams, layout and sentence skeletons of open text, each row's block of probes against all of the column's text (cosine of z-scored features); wording: how well a byte n-gram model of the suspect's texts predicts what the protected model wrote (minus bits per byte); wording_reverse: how well one of the protected model's texts predicts what the suspect wrote.",
        ),
        (
            "Score",
            "Good models resemble each other, and some are easy to resemble; so raw likeness counts for nothing. Every measure gives a table: models under test (the suspect and the controls) by candidate parents (the protected model and the alternatives). The suspect is written as a mix of innocent models, weights not negative and of a sum up to the bound below, so that the mix relates to the alternatives as the suspect does, probe by probe and its own level apart (synthetic control: Abadie, Diamond and Hainmueller 2010; level: Doudchenko and Imbens 2016). The mix predicts how close the suspect would be to the protected model; what is left is the gap: how much closer it is to the protected model than comparable models are. That is its score. A model that is not compared with every alternative that the suspect is compared with takes no part in the mix. A measure whose mix fits the suspect worse than every control's fits it, and more than twice as badly as their median, says nothing. Without alternatives there is nothing to fit a mix by; the score is then the likeness to the protected model beyond the controls', which cannot tell distillation from shared data.",
        ),
        (
            "Weighing",
            "The same is done for every control, without the suspect. The conformal p counts the controls that are at least as close. Crawford and Howell's t (1998) compares one case with few controls and assumes that controls vary normally. Pooled figures are means over the measures, each in units of its controls' standard deviation; wording counts four times and style twice as much as each of the others. Each alternative is told apart probe by probe with Wilcoxon's signed ranks; there the unit is the probe, so this says nothing about models that are not in the panel.",
        ),
        (
            "Beside it",
            "Another figure stands beside the score that no rule reads. The contrast is what is left in the suspect's cell of the protected column, its interaction, when what rows and columns of the table explain is taken out, and what a model's level on the other columns predicts. Probe by probe, the interaction says which probes and families contribute, tells alternatives apart, and is bet on.",
        ),
        (
            "Bets",
            "Beside that stand bets on the probes, in a random order that was fixed before the first answer: wealth grows as long as the suspect is closer to the protected model than to an alternative, or than a control is (Waudby-Smith and Ramdas 2024, without replacement). Under the hypothesis that it is not, wealth of 1/p is reached at any time with probability at most p. They speak of these models on this battery; the rules below do not use them, and no run stops by them.",
        ),
    ];
    passages(&texts)
}

/// Where answers to open questions are all there is.
fn of_open_text(rules: &Rules) -> Vec<Passage> {
    let named = rules.named();
    let constant = |name: &str| named.get(name).copied().unwrap_or(f64::NAN);
    let texts = [
        (
            "Answers",
            "Of all models there are answers to the same prompts, and of some no more than these. No model reads what another wrote, and no probabilities are used.".to_owned(),
        ),
        (
            "Measures",
            format!(
                "habits: which words and pairs of words stand in the first {} and in the first {} characters of a model's answers, whatever they are about: the share of answers that hold each, variance-stabilised, less the mean over models. phrases: pairs and triples of words in the first {} characters that at least {} and at most {:.0} % of the models have on the same prompt, weighted by how few have them. Both give inner products of every two models of the panel.",
                constant("habits.first_window"),
                constant("habits.second_window"),
                constant("phrases.characters"),
                constant("phrases.least"),
                constant("phrases.most") * 100.0
            ),
        ),
        (
            "Score",
            format!(
                "Good models resemble each other, and some are easy to resemble; so raw likeness counts for nothing. From the inner products follows the correlation of the suspect with the protected model (or the mean of its house) in what all other models of the panel leave unexplained of both (a partial correlation, ridge {} of their total variance). The mean of the same over all houses of candidate parents is taken off: who learned from one house is nearer to it than to the rest. The score of every control is had in the same way.",
                constant("open_text.ridge")
            ),
        ),
        (
            "Weighing",
            format!(
                "Undeclared students are the rule among published models. So centre and spread of the controls are those of the shortest half of their scores (least median of squares, Rousseeuw 1984), which a minority that does not belong cannot move; the price is that n controls tell as much of the spread as {:.0} % of them would otherwise. t is the suspect's distance from that centre in units of that spread, and of what is uncertain about the centre. Pooled figures are means over the measures, habits counting {} times as much as phrases. The conformal p counts the controls that are at least as close.",
                constant("shortest_half.efficiency") * 100.0,
                Measure::Habits.weight() / Measure::Phrases.weight()
            ),
        ),
    ];
    texts
        .into_iter()
        .map(|(title, text)| Passage { title, text })
        .collect()
}

/// The rules in words.
fn decided_by(rules: &Rules, condition: Condition) -> Passage {
    let ladder = rules.ladder(condition);
    let same = format!(
        "same_model: the same bytes, or answers that differ by at most {} nats and by {:.0} % of the nearest control's difference. weight_derivative: hidden units of both models' weights pair up with p < {:.0e}, and those of base and controls do not.",
        ladder.same_divergence,
        ladder.same_share * 100.0,
        ladder.lineage_p
    );
    let beyond = if ladder.above > 0.0 {
        format!(
            "all but {:.0} % of the controls at most",
            ladder.above * 100.0
        )
    } else {
        "every control".to_owned()
    };
    let fit = match condition {
        Condition::Open => String::new(),
        _ => format!(
            ", and mixes must fit it on more than {:.0} % of the measures' weight",
            (1.0 - ladder.unlike) * 100.0
        ),
    };
    let few = if ladder.few_p < ladder.close_p {
        format!(
            " ({} with fewer than {} controls)",
            ladder.few_p, ladder.few
        )
    } else {
        String::new()
    };
    let closer = format!(
        "At least {} controls are needed, and the suspect must lie beyond {beyond} with pooled p < {}{few}, and p < {} with any one control or any one measure left out{fit}. Then: related without a model of the same data in the panel, family while an alternative is not told apart (p < {}, corrected for the number of measures), else distilled.",
        ladder.min_controls, ladder.close_p, ladder.stable_p, ladder.apart_p
    );
    let rest = format!(
        "Else undecided while p < {}, or while an effect of {} of the controls' standard deviations, that of a full dose, would be found with a probability below {:.0} %. Of the rest, more like it than all controls without its data: shared; else unrelated.",
        ladder.against_p,
        ladder.full_effect,
        ladder.shown_power * 100.0
    );
    Passage {
        title: "Rules",
        text: [same, no_controls(rules, condition), closer, rest].join(" "),
    }
}

/// Who is no control, and what is borrowed for the rest.
fn no_controls(rules: &Rules, condition: Condition) -> String {
    let screen = rules.screen;
    match rules.null(condition) {
        Null::ShortestHalf => format!(
            "A model that gives the very answer of the protected model or the suspect to {:.0} % of the prompts is no control, and of controls that alike one counts.",
            screen.copy_texts * 100.0
        ),
        Null::Moderated(scatter) => format!(
            "The weights of a mix sum to at most {}, because a model may relate to all candidate parents as comparable models do, only more strongly. A member within {} nats of the protected model or the suspect is no control, and of controls that near to each other one counts; every control is tried as if it were the suspect, and of those that stand out most at most {:.0} % are left out as likely descendants of the protected model (generalised extreme Studentised deviate, Rosner 1983, upper tail, alpha = {}). The variance of controls is moderated by that of the same controls at up to {} other candidate parents (Smyth 2004), on at most {} more degrees of freedom for a measure and {} for the pooled score.",
            rules
                .named()
                .get("mix.pronounced")
                .copied()
                .unwrap_or(f64::NAN),
            screen.copy_divergence,
            screen.most * 100.0,
            screen.beyond_p,
            scatter.columns,
            scatter.measure,
            scatter.pooled
        ),
    }
}
