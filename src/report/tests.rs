//! Claims about every form of the report, over made-up cases.

mod curves;
#[cfg(feature = "pdf")]
mod pdf;

use std::collections::BTreeMap;

use super::caveat::Conditions;
use super::facts::{StandingFacts, json_schema};
use super::{Report, Sources, html, markdown, terminal};
use crate::adequacy::adequacy;
use crate::battery::{Battery, Tier};
use crate::case::{Case, Gates, weigh};
use crate::detail::describe;
use crate::evidence::{BatteryMark, Dates, Entry, Header, Recording};
use crate::fingerprint::Fingerprint;
use crate::identity::{ModelIdentity, Source};
use crate::model::Seed;
use crate::panel::{Matter, Named, Panel};
use crate::passes::SecondPass;
use crate::question::{Access, Posing, Question, Request, ask_all};
use crate::response::{Continuation, Finish, Response, Scored};
use crate::validation::CaseRatio;
use crate::validation::tests::{BEYOND_ALL, made_up};
use crate::verdict::{Finding, WeightEvidence};
use crate::weigh::Fitted;

const POSING: Posing = Posing {
    chat: false,
    raw: true,
    access: Access::Scored,
    samples: 1,
    repeats: 0,
    top: 6,
};

/// A made-up comparison: every model answers by a hash of its name, the suspect partly as the protected.
struct World {
    panel: Panel,
    battery: Battery,
    /// What the suspect writes, if not words like the others.
    written: Option<String>,
    /// How much of the protected model's likings the suspect has taken over.
    taught: f64,
    refuses: bool,
    ratio: Result<CaseRatio, String>,
}

impl World {
    fn new(suspect: &str, controls: usize, base: bool) -> Self {
        let named = Named {
            protected: "models/parent".to_owned(),
            suspect: suspect.to_owned(),
            base: base.then(|| "models/base".to_owned()),
            controls: (0..controls).map(|i| format!("models/c{i}")).collect(),
            alternatives: vec!["models/sibling".to_owned(), "models/cousin".to_owned()],
            family: false,
        };
        Self {
            panel: Panel::new(&named, &[]),
            battery: Battery::built_in("core-v1").unwrap().select(Tier::Quick),
            written: None,
            taught: 1.0,
            refuses: false,
            ratio: Err("nothing was calibrated".to_owned()),
        }
    }

    fn likes(&self, model: &str, probe: &str, text: &str) -> f64 {
        let own = |model: &str| hash(&[model, probe, text]);
        let taught = if model == self.panel.suspect.model {
            self.taught * own("models/parent")
        } else {
            0.0
        };
        2.0 * hash(&[probe, text]) + own(model) + taught
    }

    /// What a model writes: in every place the word that it likes best there.
    fn words(&self, model: &str, probe: &str) -> String {
        const WORDS: [&str; 8] = [
            "stone", "river", "and", "the", "which", "garden", "of", "far",
        ];
        let best = |place: usize| {
            let like = |word: &str| self.likes(model, probe, &format!("{place} {word}"));
            WORDS.into_iter().max_by(|a, b| like(a).total_cmp(&like(b)))
        };
        let words: Vec<&str> = (0..20).filter_map(best).collect();
        words.join(" ")
    }

    fn scores(&self, model: &str, probe: &str, texts: &[String]) -> Vec<Scored> {
        let likes: Vec<f64> = texts.iter().map(|t| self.likes(model, probe, t)).collect();
        let total = likes.iter().map(|l| l.exp()).sum::<f64>().ln() + 0.1;
        likes
            .iter()
            .map(|l| Scored {
                log_probability: Some(l - total),
                tokens: 1,
            })
            .collect()
    }

    fn respond(&self, model: &str, question: &Question) -> Response {
        let probe = question.probe.as_str();
        match &question.request {
            Request::Score { texts } => Response::Scored {
                scores: self.scores(model, probe, texts),
            },
            Request::Next { .. } => {
                let texts = [" one", " two", " three", " four", " five", " six"].map(str::to_owned);
                let scores = self.scores(model, probe, &texts);
                let mut top: Vec<Continuation> = texts
                    .into_iter()
                    .zip(scores)
                    .map(|(text, s)| Continuation {
                        text,
                        log_probability: s.log_probability.unwrap(),
                    })
                    .collect();
                top.sort_by(|a, b| b.log_probability.total_cmp(&a.log_probability));
                Response::Next { top }
            }
            Request::Write { .. } if self.refuses && model == self.panel.suspect.model => {
                Response::Refused {
                    reason: "no".to_owned(),
                }
            }
            Request::Write { .. } => {
                let own = self
                    .written
                    .clone()
                    .filter(|_| model == self.panel.suspect.model);
                Response::Text {
                    text: own.unwrap_or_else(|| self.words(model, probe)),
                    tokens: 5,
                    finish: Finish::Stop,
                }
            }
        }
    }

    fn recording(&self, model: &str, questions: &[Question]) -> Recording {
        let entries = (0..).zip(questions).map(|(n, question)| Entry {
            n,
            previous: String::new(),
            question: question.clone(),
            rendered: question.prompt.text.clone(),
            response: self.respond(model, question),
            exchange: None,
            at: None,
        });
        let entries: Vec<Entry> = entries.collect();
        Recording {
            dates: Dates::of(&entries),
            entries,
            head: "ab".repeat(32),
            header: Header {
                format: 1,
                tool: "0.0.0".to_owned(),
                identity: ModelIdentity {
                    name: model.to_owned(),
                    source: Source::Scripted {
                        script: "hash".to_owned(),
                    },
                },
                battery: BatteryMark {
                    name: self.battery.name.clone(),
                    version: 1,
                    probes: self.battery.probes.len(),
                    digest: self.battery.digest(),
                },
                posing: POSING,
                seed: Seed(1),
            },
        }
    }

    fn recordings(&self) -> BTreeMap<String, Recording> {
        let models = || self.panel.members().into_iter().map(|m| m.model.clone());
        let asked = ask_all(&self.battery, POSING);
        let first: BTreeMap<String, Fingerprint> = models()
            .map(|model| {
                let recording = self.recording(&model, &asked);
                (model, Fingerprint::new(&recording, &self.battery))
            })
            .collect();
        let second = SecondPass::new(&self.panel, &first, Access::Scored);
        models()
            .map(|model| {
                let mut questions = asked.clone();
                questions.extend(second.questions(&model, &self.battery, POSING));
                (model.clone(), self.recording(&model, &questions))
            })
            .collect()
    }

    fn report(&self, change: impl FnOnce(&mut Case)) -> Report {
        let recordings = self.recordings();
        let prints: BTreeMap<String, Fingerprint> = recordings
            .iter()
            .map(|(model, r)| (model.clone(), Fingerprint::new(r, &self.battery)))
            .collect();
        let order = self.battery.order(1);
        let mut case = weigh(&self.panel, &prints, Gates::default(), &order);
        change(&mut case);
        let conditions = Conditions {
            imported: BTreeMap::new(),
            probes: self.battery.probes.len(),
            published: true,
            posed_raw: true,
            unanswered: BTreeMap::from([("suspect".to_owned(), 3)]),
            missing: BTreeMap::new(),
            seed: 1,
            posing: POSING,
            endpoints: BTreeMap::new(),
            set_aside: BTreeMap::new(),
            planned_after: false,
            parts: None,
        };
        Report::new(Sources {
            panel: &self.panel,
            case: &case,
            details: describe(&self.panel, &case, &prints, &self.battery),
            battery: &self.battery,
            recordings: &recordings,
            prints: &prints,
            conditions: &conditions,
            ratio: self.ratio.clone(),
            adequacy: adequacy(&self.panel, &case, &[]),
            matter: &Matter::default(),
        })
    }
}

/// A number from 0 to 1 that words decide (FNV-1a).
fn hash(words: &[&str]) -> f64 {
    let bytes = words.iter().flat_map(|w| w.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 40) as f64 / f64::from(1_u32 << 24)
}

/// Every form, by name.
fn forms(report: &Report) -> [(&'static str, String); 4] {
    [
        ("html", html::page(report).unwrap()),
        ("markdown", markdown::document(report).unwrap()),
        ("terminal", terminal::render(report, 100)),
        ("json", serde_json::to_string_pretty(report).unwrap()),
    ]
}

/// Cases of every finding, and of what may be missing.
fn cases() -> Vec<Report> {
    let world = World::new("models/suspect", 6, false);
    let mut reports: Vec<Report> = Finding::ALL
        .into_iter()
        .map(|finding| {
            world.report(|case| {
                case.verdict.finding = finding;
                case.verdict.not_excluded = vec!["sibling".to_owned()];
                case.verdict.settles = Some("more".to_owned());
                case.evidence.weights =
                    (finding == Finding::WeightDerivative).then(|| WeightEvidence {
                        p: 1e-30,
                        log10_p: -30.0,
                        layers: 3,
                        base_related: false,
                        controls_related: vec!["c1".to_owned()],
                    });
            })
        })
        .collect();
    reports.push(world.report(|_| {}));
    reports.push(World::new("models/suspect", 5, true).report(|_| {}));
    reports.push(World::new("models/suspect", 1, false).report(|_| {}));
    let mut silent = World::new("models/suspect", 0, false);
    silent.refuses = true;
    silent.panel.alternatives.clear();
    reports.push(silent.report(|_| {}));
    // With a likelihood ratio: as its curve gives it, held by a bound, and extrapolated.
    for (score, outside) in [(4.0, false), (BEYOND_ALL, false), (12.0, true)] {
        reports.push(curves::report(made_up(score, outside, None)));
    }
    reports
}

/// What no form may say.
const REFUSED: [&str; 9] = [
    "match",
    "matches",
    "proves",
    "proof of",
    "probably distilled",
    "probability that",
    "confidence",
    "posterior",
    "most likely",
];

/// The first refused words in a text, whole words only.
fn refused(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    let inside = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    REFUSED.into_iter().find(|words| {
        text.match_indices(words).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + words.len()..].chars().next();
            !inside(before) && !inside(after)
        })
    })
}

#[test]
fn the_wording_check_finds_what_it_looks_for() {
    for text in [
        "They Match.",
        "a match",
        "95 % confidence interval",
        "the probability that it",
    ] {
        assert!(refused(text).is_some(), "{text}");
    }
    assert_eq!(
        refused("a matched alternative, unmatched, proofreading"),
        None
    );
}

#[test]
fn no_form_of_any_case_says_more_than_the_evidence() {
    for report in cases() {
        for (form, text) in forms(&report) {
            assert_eq!(refused(&text), None, "{form} of {:?}", report.finding);
        }
    }
}

#[test]
fn every_form_names_the_finding_and_its_sentence() {
    for report in cases() {
        let [(_, html), (_, markdown), ..] = forms(&report);
        let word = report.finding.name().replace('_', " ");
        assert!(html.contains(&format!("<p class=\"rung\">{word}</p>")));
        assert!(markdown.contains(&format!("| **Finding** | **{word}** |")));
        assert_eq!(html.matches("aria-current").count(), 1);
        assert_eq!(markdown.matches("(this case)").count(), 1);
    }
}

#[test]
fn every_form_shows_the_nearest_innocent_explanation() {
    let judged = |fitted: Fitted| {
        World::new("models/suspect", 6, false).report(|case| {
            for measure in &mut case.measures {
                measure.figures.synthetic.as_mut().unwrap().fitted = fitted;
            }
        })
    };
    let report = judged(Fitted::Enough);
    let next = report.measures.iter().find(|m| m.name == "next").unwrap();
    let heaviest = &next.synthetic.mix[0];
    assert!(heaviest.id.starts_with('c'), "{heaviest:?}");
    assert_eq!(next.synthetic.controls.len(), 6);
    assert_eq!(next.synthetic.donors, 6);
    let ratio = format!("{:+.4}", next.synthetic.ratio.unwrap());
    let gap = format!("{:+.4}", next.synthetic.gap.unwrap());
    for (form, text) in &forms(&report)[..3] {
        assert!(text.contains("Nearest innocent explanation"), "{form}");
        assert!(
            text.contains(&heaviest.id)
                && text.contains(&gap)
                && (*form == "terminal" || text.contains(&ratio)),
            "{form}: {gap} {ratio}"
        );
    }
    // A suspect that no mix comes near is not judged, whatever its rank.
    let misfit = judged(Fitted::TooBadly);
    for (form, text) in &forms(&misfit)[..3] {
        assert!(text.contains("fitted too badly to be judged"), "{form}");
    }
}

#[test]
fn the_brief_has_the_finding_its_reasons_and_its_limits() {
    let report = World::new("models/suspect", 6, false).report(|_| {});
    let brief = super::html::brief(&report).unwrap();
    let long = super::html::page(&report).unwrap();
    let escaped = |text: &str| {
        let text = text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        text.replace('"', "&quot;").replace('\'', "&#x27;")
    };
    let said = [report.sentence.clone(), report.dated.clone()];
    let said = said.iter().chain(&report.strength).chain(&report.reasons);
    for text in said {
        assert!(brief.contains(&escaped(text)), "{text}");
    }
    assert!(brief.contains(&report.protected.recording));
    assert!(
        4 * brief.len() < 3 * long.len(),
        "{} {}",
        brief.len(),
        long.len()
    );
}

#[test]
fn the_score_is_the_gap_and_without_alternatives_the_contrast() {
    let report = World::new("models/suspect", 6, false).report(|_| {});
    let mut scored = 0;
    for measure in report.measures.iter().filter(|m| m.left_out.is_none()) {
        assert_eq!(measure.standing.score, measure.synthetic.gap);
        assert_ne!(measure.standing.score, measure.contrast.map(|c| c.score));
        for (id, score) in &measure.standing.controls {
            assert!((score - measure.synthetic.controls[id].gap).abs() < 1e-15);
        }
        scored += 1;
    }
    assert!(scored >= 5, "{scored}");
    let mut alone = World::new("models/suspect", 6, false);
    alone.panel.alternatives.clear();
    let report = alone.report(|_| {});
    let next = report.measures.iter().find(|m| m.name == "next").unwrap();
    assert!(next.synthetic.left_out.is_some() && next.standing.score.is_some());
    assert_eq!(next.standing.score, next.contrast.map(|c| c.score));
}

#[test]
fn a_measure_whose_mix_is_far_from_the_suspect_says_nothing() {
    let mut world = World::new("models/suspect", 6, false);
    world.taught = 4.0;
    let report = world.report(|_| {});
    let next = report.measures.iter().find(|m| m.name == "next").unwrap();
    assert_eq!(next.synthetic.too_bad, Some(true));
    assert!(next.left_out.as_ref().unwrap().contains("fitted worse"));
    assert_eq!((next.standing.score, next.standing.t_p), (None, None));
    assert!(
        report
            .caveats
            .iter()
            .any(|c| c.text.contains("fitted worse"))
    );
}

#[test]
fn a_taught_suspect_is_drawn_with_its_controls() {
    let report = World::new("models/suspect", 6, false).report(|_| {});
    let t = report.pooled.as_ref().unwrap().t.unwrap();
    assert!(t > 2.0, "{t}");
    let html = html::page(&report).unwrap();
    for id in [
        "plot-pooled",
        "plot-preference",
        "plot-next",
        "plot-likelihood",
        "plot-heat-next",
        "plot-families",
        "plot-bets",
    ] {
        assert_eq!(
            html.matches(&format!("id=\"{id}-title\"")).count(),
            1,
            "{id}"
        );
    }
    assert!(html.contains("class=\"parentage-tree\""));
    assert!(report.examples.len() >= 6);
    assert!(report.examples.iter().all(|e| e.answers.len() == 3));
}

#[test]
fn the_page_loads_nothing_and_runs_nothing() {
    for report in cases() {
        let html = html::page(&report).unwrap();
        for outside in [
            "<script", "src=", "url(", "@import", "<link", "<iframe", "<form", " onload",
        ] {
            assert!(!html.contains(outside), "{outside}");
        }
        for link in html.split("href=\"").skip(1) {
            assert!(link.starts_with('#'), "{}", &link[..20]);
        }
        let mut ids: Vec<&str> = html
            .split(" id=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "an id stands twice");
    }
}

#[test]
fn the_same_case_gives_the_same_bytes() {
    let report = || forms(&World::new("models/suspect", 6, false).report(|_| {}));
    assert_eq!(report(), report());
}

#[test]
fn hostile_names_and_answers_stay_text() {
    let attack = "</p></section><script>alert('x')</script><img src=x onerror=y>{{ 7 * 7 }}{% raw %}\
                  \u{202e}rtl\u{2066}\u{200b}\u{7}\u{1b}[31m\u{feff} [l](javascript:x) | a\n# b `c` <!-- ";
    let mut world = World::new(attack, 6, false);
    world.written = Some(attack.to_owned());
    let report = world.report(|_| {});
    let [(_, html), (_, markdown), (_, terminal), (_, json)] = forms(&report);
    for (form, text) in [
        ("html", &html),
        ("markdown", &markdown),
        ("terminal", &terminal),
    ] {
        let bad = |c: char| {
            matches!(
                c,
                '\u{202e}' | '\u{2066}' | '\u{200b}' | '\u{7}' | '\u{1b}' | '\u{feff}'
            )
        };
        let found = text.chars().find(|c| bad(*c));
        assert_eq!(found, None, "{form}");
    }
    for (form, text) in [("html", &html), ("markdown", &markdown)] {
        for tag in ["<script", "<img", "<!-- ", "</p></section><"] {
            assert!(!text.contains(tag), "{form}: {tag}");
        }
        assert!(
            text.contains("\u{2039}U+202E\u{203a}") && text.contains("{{ 7"),
            "{form}"
        );
    }
    assert!(!markdown.contains("[l](javascript"));
    assert!(!markdown.lines().any(|l| l.starts_with("# b")));
    // Once as the finding's ladder and the like, and never broken by an answer.
    assert_eq!(html.matches("</main>").count(), 1);
    let back: serde_json::Value = serde_json::from_str(&json).unwrap();
    // Of what lies on disk the last part of its place is told.
    let (_, last) = attack.rsplit_once('/').unwrap();
    assert_eq!(back["suspect"]["name"], last);
}

#[test]
fn endless_words_are_cut_and_the_cut_is_said() {
    let mut world = World::new("models/suspect", 6, false);
    // Every model reads it, so it is short of the megabyte that the excerpt's own test has.
    world.written = Some("a".repeat(1 << 14));
    let report = world.report(|_| {});
    for (form, text) in forms(&report) {
        assert!(text.len() < 400_000, "{form}: {}", text.len());
        if form == "html" || form == "markdown" {
            assert!(text.contains("more characters not shown"), "{form}");
        }
    }
    let mut named = World::new("models/suspect", 6, false);
    named.panel.suspect.model = "x".repeat(1 << 20);
    let html = html::page(&named.report(|_| {})).unwrap();
    assert!(html.len() < 400_000, "{}", html.len());
}

#[test]
fn the_schema_describes_every_field() {
    let schema = json_schema();
    let schema = schema.as_value();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    for report in cases() {
        let json = serde_json::to_value(&report).unwrap();
        let described = schema["properties"].as_object().unwrap();
        for field in json.as_object().unwrap().keys() {
            assert!(described[field]["description"].is_string(), "{field}");
        }
        let measure = schema["$defs"]["MeasureFacts"]["properties"]
            .as_object()
            .unwrap();
        for field in json["measures"][0].as_object().unwrap().keys() {
            assert!(measure.contains_key(field), "{field}");
        }
    }
}

/// What is shown of a score is what the rules read: its p is that of its t.
#[test]
fn a_shown_p_is_that_of_the_shown_t() {
    use statrs::distribution::{ContinuousCDF as _, StudentsT};
    let agrees = |standing: &StandingFacts| {
        let (Some(t), Some(df), Some(p)) = (standing.t, standing.t_df, standing.t_p) else {
            return;
        };
        let expected = StudentsT::new(0.0, 1.0, df).unwrap().sf(t);
        assert!((p - expected).abs() <= 1e-9 * expected, "{standing:?}");
    };
    let mut moderated = 0;
    for report in cases() {
        for measure in &report.measures {
            agrees(&measure.standing);
            let plain = measure.standing.controls.len() as f64 - 1.0;
            moderated += usize::from(measure.standing.t_df.is_some_and(|df| df > plain));
        }
        let Some(pooled) = report.pooled.as_ref().filter(|_| report.group.is_none()) else {
            continue;
        };
        agrees(pooled);
        let (t, df) = (pooled.t.unwrap(), pooled.t_df.unwrap());
        // And the reasons give the same.
        let said = format!("t = {t:.1} with {df:.1} degrees of freedom");
        let of_the_pooled = report
            .reasons
            .iter()
            .find(|r| r.contains("pooled score is"));
        assert!(
            of_the_pooled.is_none_or(|reason| reason.contains(&said)),
            "{said}: {of_the_pooled:?}"
        );
    }
    assert!(moderated > 0);
}
