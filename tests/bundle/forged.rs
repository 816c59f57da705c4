//! What someone changes who mends the manifests behind it: the steps after the digests refuse it.

use std::fs;

use parentage::battery::Battery;
use parentage::bundle::{Bundle, Demand, Step};
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::bench::{Copy, failure, verify};

const DIGESTS: usize = 2;
const CHAIN: usize = 3;
const PLAN: usize = 5;
const COMPLETENESS: usize = 6;
const VERDICT: usize = 7;

/// A forgery of an unsealed copy: what was done must be refused at a step, in words.
fn forge(step: usize, part: &str, forgery: impl FnOnce(&Copy)) {
    let copy = Copy::unsealed();
    forgery(&copy);
    let (found, text) = copy.refused();
    assert!(
        found == step && text.contains(part),
        "wanted {step} {part}; {text}"
    );
}

fn answers(name: &str) -> String {
    format!("data/recordings/{name}/answers.jsonl")
}

fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes
        .split_inclusive(|b| *b == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}

/// Changes a recording's answers and mends its chain; gives its new length and head.
fn rechain(copy: &Copy, name: &str, change: impl FnOnce(&mut Vec<Value>)) -> (usize, String) {
    let mut lines = copy.lines(&answers(name));
    change(&mut lines);
    let header = copy.read(&format!("data/recordings/{name}/recording.json"));
    let start = parentage::digest::of_bytes(&header);
    let head = copy.chain(&answers(name), &start, &lines);
    (lines.len(), head)
}

/// Lets the log's last marks of a recording agree with what it is now, and drops its earlier ones.
fn remark(copy: &Copy, name: &str, length: usize, head: &str) {
    copy.relog(|lines| {
        let of = |line: &Value| {
            let events = [&line["event"]["begun"], &line["event"]["ended"]];
            events.iter().any(|mark| mark["recording"] == name)
        };
        let last = lines.iter().rposition(of).unwrap();
        let mut place = 0;
        lines.retain(|line| {
            place += 1;
            place - 1 == last || !of(line)
        });
        let ended = lines.iter_mut().find(|line| of(line)).unwrap();
        ended["event"]["ended"]["answers"] = length.into();
        ended["event"]["ended"]["head"] = head.into();
    });
}

#[test]
fn an_untouched_copy_without_a_seal_holds() {
    let copy = Copy::unsealed();
    assert_eq!(verify(copy.path()).unwrap(), "undecided");
}

#[test]
fn removed_repeated_and_swapped_records_break_the_chain() {
    let names = Copy::unsealed().recordings();
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for _ in 0..10 {
        let name = names.choose(&mut rng).unwrap();
        let file = answers(name);
        let with = |part: &str, change: &mut dyn FnMut(&mut Vec<Vec<u8>>)| {
            forge(CHAIN, part, |copy| {
                let mut lines = split(&copy.read(&file));
                change(&mut lines);
                copy.write(&file, lines.concat());
            });
        };
        let damaged = format!("recording '{name}' is damaged");
        let length = split(&Copy::unsealed().read(&file)).len();
        let at = rng.random_range(0..length - 1);
        with(&damaged, &mut |lines| drop(lines.remove(at)));
        with(&damaged, &mut |lines| lines.insert(at, lines[at].clone()));
        with(&damaged, &mut |lines| lines.swap(at, at + 1));
        // The last record is missed by no line behind it, but by the log.
        with("'data/log.jsonl' ends it at", &mut |lines| {
            drop(lines.pop());
        });
        with("ends in the middle of a line", &mut |lines| {
            lines.last_mut().unwrap().pop();
        });
    }
}

#[test]
fn a_changed_answer_in_a_mended_chain_is_refused_by_the_log() {
    for name in Copy::unsealed().recordings() {
        forge(
            CHAIN,
            "with another head than its chain has there",
            |copy| {
                rechain(copy, &name, |lines| {
                    lines.last_mut().unwrap()["rendered"] = "something else".into();
                });
            },
        );
    }
}

#[test]
fn a_swapped_recording_is_refused() {
    forge(
        CHAIN,
        "with another head than its chain has there",
        |copy| {
            let names = copy.recordings();
            let at = |name: &str| copy.at(&format!("data/recordings/{name}"));
            fs::rename(at(&names[0]), at("aside")).unwrap();
            fs::rename(at(&names[1]), at(&names[0])).unwrap();
            fs::rename(at("aside"), at(&names[1])).unwrap();
        },
    );
    // Even when the log says that each is the other model's: the verdict is then another.
    forge(VERDICT, "is not what the recordings give", |copy| {
        let plan: Value = serde_json::from_slice(&copy.read("data/plan.json")).unwrap();
        let model = |i: usize| plan["panel"]["controls"][i]["model"].clone();
        copy.relog(|lines| {
            for line in lines {
                for event in ["begun", "ended"] {
                    let Some(mark) = line["event"].get_mut(event) else {
                        continue;
                    };
                    if mark["model"] == model(0) {
                        mark["model"] = model(1);
                    } else if mark["model"] == model(1) {
                        mark["model"] = model(0);
                    }
                }
            }
        });
    });
}

#[test]
fn a_recording_without_a_model_and_a_model_without_one_are_refused() {
    forge(CHAIN, "disagree about", |copy| {
        let names = copy.recordings();
        fs::remove_dir_all(copy.at(&format!("data/recordings/{}", names[0]))).unwrap();
    });
    forge(CHAIN, "'data/log.jsonl' ends it at 0", |copy| {
        let names = copy.recordings();
        for file in ["recording.json", "answers.jsonl"] {
            let bytes = copy.read(&format!("data/recordings/{}/{file}", names[0]));
            fs::create_dir_all(copy.at("data/recordings/extra")).unwrap();
            copy.write(&format!("data/recordings/extra/{file}"), bytes);
        }
    });
}

#[test]
fn a_log_that_was_touched_is_refused() {
    let length = Copy::unsealed().lines("data/log.jsonl").len();
    for at in 0..length - 1 {
        // As it stands, the order is in the chain.
        forge(CHAIN, "does not follow the line before it", |copy| {
            let mut lines = split(&copy.read("data/log.jsonl"));
            lines.swap(at, at + 1);
            copy.write("data/log.jsonl", lines.concat());
        });
        forge(CHAIN, "does not follow the line before it", |copy| {
            let mut lines = split(&copy.read("data/log.jsonl"));
            lines.remove(at);
            copy.write("data/log.jsonl", lines.concat());
        });
    }
    forge(CHAIN, "is no event of the log", |copy| {
        copy.relog(|lines| lines[1]["event"] = json!({ "forgotten": {} }));
    });
    forge(VERDICT, "does not end with a verdict", |copy| {
        copy.relog(|lines| drop(lines.pop()));
    });
    // A log without any mark leaves the recordings to nobody.
    forge(CHAIN, "'data/log.jsonl' ends it at 0", |copy| {
        copy.relog(|lines| lines.truncate(1));
    });
}

#[test]
fn a_plan_behind_the_first_query_is_refused() {
    // Mended: the plan is committed once something was asked.
    forge(
        PLAN,
        "something was asked before it was committed",
        |copy| {
            copy.relog(|lines| lines.swap(0, 1));
        },
    );
    forge(
        PLAN,
        "something was asked before it was committed",
        |copy| {
            copy.relog(|lines| drop(lines.remove(0)));
        },
    );
    forge(PLAN, "commits to another plan", |copy| {
        copy.relog(|lines| lines.insert(3, lines[0].clone()));
    });
    forge(PLAN, "commits to another plan", |copy| {
        copy.relog(|lines| lines[0]["event"]["planned"]["plan"] = "0".into());
    });
    // The log owns up to older answers: that is a limit of the finding, which the report does not have.
    forge(VERDICT, "is not what the recordings give", |copy| {
        let suspect = suspect(copy);
        copy.relog(|lines| {
            let begun = |line: &Value| line["event"]["begun"]["model"] == suspect.as_str();
            lines.retain(|line| !begun(line));
        });
    });
}

fn suspect(copy: &Copy) -> String {
    let plan: Value = serde_json::from_slice(&copy.read("data/plan.json")).unwrap();
    plan["panel"]["suspect"]["model"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_plan_that_was_touched_is_refused() {
    forge(PLAN, "with another seed than the plan", |copy| {
        let battery = serde_json::from_slice::<Battery>(&copy.read("data/battery.json"));
        let order = battery.unwrap().order(2);
        copy.replan(|plan| {
            plan["seed"] = 2.into();
            plan["order"] = order.into();
        });
    });
    forge(PLAN, "with another posing than the plan", |copy| {
        copy.replan(|plan| plan["posing"]["samples"] = 2.into());
    });
    forge(PLAN, "has format 2", |copy| {
        copy.replan(|plan| plan["format"] = 2.into());
    });
    forge(PLAN, "is not of the right form", |copy| {
        copy.replan(|plan| plan["note"] = "x".into());
    });
    forge(
        PLAN,
        "asks for more than a case can hold: questions",
        |copy| {
            copy.replan(|plan| plan["posing"]["samples"] = 10_000_000_000_u64.into());
        },
    );
    forge(PLAN, "gives two models the id", |copy| {
        copy.replan(|plan| plan["panel"]["controls"][1]["id"] = "kjv-1".into());
    });
    forge(PLAN, "which the plan does not", |copy| {
        copy.replan(|plan| drop(plan["panel"]["controls"].as_array_mut().unwrap().pop()));
    });
    forge(
        VERDICT,
        "scored.close_p is 0.5 there and 0.0001 here",
        |copy| {
            copy.replan(|plan| plan["rules"]["scored.close_p"] = 0.5.into());
        },
    );
    forge(VERDICT, "nothing says that it was tampered with", |copy| {
        copy.replan(|plan| plan["rules_digest"] = "0".into());
    });
    forge(VERDICT, "is not what the recordings give", |copy| {
        copy.replan(|plan| plan["panel"]["controls"][0]["matching"] = "declared".into());
    });
    forge(PLAN, "says that the probes ship with the tool", |copy| {
        copy.replan(|plan| plan["published"] = true.into());
    });
}

#[test]
fn a_run_that_stopped_without_a_reason_is_refused() {
    let probes = |copy: &Copy, probes: usize| {
        copy.relog(|lines| {
            lines.last_mut().unwrap()["event"]["assessed"]["probes"] = probes.into();
        });
    };
    // Fewer probes than planned: nothing ends a run before.
    forge(VERDICT, "3 of 6 probes sufficed", |copy| probes(copy, 3));
    forge(VERDICT, "3 of 6 probes sufficed", |copy| {
        copy.replan(|plan| plan["stop_when_decided"] = true.into());
        probes(copy, 3);
    });
    forge(PLAN, "does not have the order of probes", |copy| {
        probes(copy, 7);
    });
    forge(PLAN, "does not have the order of probes", |copy| {
        copy.replan(|plan| plan["order"].as_array_mut().unwrap().swap(0, 1));
    });
}

#[test]
fn another_battery_is_refused() {
    forge(
        PLAN,
        "is not the battery that the plan committed to",
        |copy| {
            copy.edit("data/battery.json", |b| {
                b["probes"][0]["prompt"] = "x".into();
            });
        },
    );
    forge(
        PLAN,
        "is not the battery that the plan committed to",
        |copy| {
            copy.edit("data/battery.json", |b| b["name"] = "x".into());
        },
    );
    forge(PLAN, "is not of the right form", |copy| {
        copy.write("data/battery.json", "{}");
    });
}

#[test]
fn a_question_that_was_left_out_is_missed() {
    for name in Copy::unsealed().recordings() {
        forge(COMPLETENESS, "lacks 1 planned questions", |copy| {
            let (length, head) = rechain(copy, &name, |lines| drop(lines.remove(2)));
            remark(copy, &name, length, &head);
        });
    }
}

#[test]
fn an_answer_that_was_changed_changes_the_verdict() {
    let copy = Copy::unsealed();
    let name = copy.recordings()[0].clone();
    let (length, head) = rechain(&copy, &name, |lines| {
        let scored = lines.iter_mut().find(|l| l["response"]["kind"] == "scored");
        let score = &mut scored.unwrap()["response"]["scores"][0]["log_probability"];
        *score = json!(score.as_f64().unwrap() - 1e-9);
    });
    remark(&copy, &name, length, &head);
    let (step, text) = copy.refused();
    assert!(
        step == VERDICT && text.contains("is not what the recordings give"),
        "{text}"
    );
    assert!(text.contains("'data/results/report.json'"), "{text}");
}

#[test]
fn weights_gates_and_report_are_held_against_the_rest() {
    let copy = Copy::unsealed();
    let names = copy.recordings();
    forge(COMPLETENESS, "does not list the weight files", |copy| {
        copy.edit(&format!("data/weights/{}.json", names[0]), |w| {
            w["predicate"]["resources"][0]["bytes"] = 1.into();
        });
    });
    forge(COMPLETENESS, "does not list the weight files", |copy| {
        fs::remove_file(copy.at(&format!("data/weights/{}.json", names[0]))).unwrap();
    });
    forge(
        VERDICT,
        "'data/results/report.json' is not what the recordings give",
        |copy| {
            copy.edit("data/gates.json", |gates| {
                gates["weights"]["p"] = 0.5.into();
            });
            copy.reassess();
        },
    );
    forge(
        VERDICT,
        "was drawn from another 'data/gates.json'",
        |copy| {
            copy.write(
                "data/gates.json",
                [&copy.read("data/gates.json")[..], b"\n"].concat(),
            );
        },
    );
    forge(VERDICT, "it differs from byte", |copy| {
        let report = String::from_utf8(copy.read("data/results/report.json")).unwrap();
        copy.write(
            "data/results/report.json",
            report.replace("undecided", "distilled"),
        );
        copy.reassess();
    });
    forge(
        VERDICT,
        "'data/report/report.txt' is not what the recordings give",
        |copy| {
            copy.write("data/report/report.txt", "FINDING    distilled\n");
        },
    );
}

#[test]
fn nothing_a_forger_writes_makes_the_check_panic() {
    // Any value of any JSON file replaced by something of another kind, in chains that hold.
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let strange = [
        json!(null),
        json!(-1),
        json!(1e308),
        json!("\u{202e}"),
        json!([[]]),
        json!({}),
    ];
    for file in [
        "data/plan.json",
        "data/battery.json",
        "data/gates.json",
        "data/environment.json",
    ] {
        for _ in 0..25 {
            let copy = Copy::unsealed();
            copy.edit(file, |value| {
                spoil(
                    value,
                    strange.choose(&mut rng).unwrap(),
                    rng.random_range(0..40),
                );
            });
            copy.replan(|_| ());
            copy.reassess();
            copy.rebag();
            if let Err(error) = verify(copy.path()) {
                assert!(!failure(&error).is_empty());
            }
        }
    }
}

/// Replaces the value at some place of a walk.
fn spoil(value: &mut Value, by: &Value, mut at: usize) -> usize {
    if at == 0 {
        *value = by.clone();
        return 0;
    }
    let children: Vec<&mut Value> = match value {
        Value::Object(fields) => fields.values_mut().collect(),
        Value::Array(items) => items.iter_mut().collect(),
        _ => Vec::new(),
    };
    at -= 1;
    for child in children {
        let before = at;
        at = spoil(child, by, at);
        if at == 0 && before == 0 {
            return 0;
        }
    }
    at
}

/// Adds records to a recording, mends chain and log, and makes the file's end the one that the log has.
fn with_more(name: &str, more: impl Fn(&[Value]) -> Vec<Value>) -> impl FnOnce(&Copy) {
    let name = name.to_owned();
    move |copy| {
        let (length, head) = rechain(copy, &name, |lines| {
            let more = more(lines);
            lines.extend(more);
        });
        remark(copy, &name, length, &head);
    }
}

#[test]
fn a_question_that_is_answered_twice_is_refused() {
    for name in Copy::unsealed().recordings() {
        // The same answer says nothing new; the report is of another recording, though.
        forge(
            VERDICT,
            "is not what the recordings give",
            with_more(&name, |lines| vec![lines[2].clone()]),
        );
        forge(
            COMPLETENESS,
            "has 2 records of questions that were answered otherwise already, the first in line",
            with_more(&name, |lines| {
                let is_text = |line: &&Value| line["response"]["kind"] == "text";
                let mut others: Vec<Value> =
                    lines.iter().filter(is_text).take(2).cloned().collect();
                for other in &mut others {
                    other["response"]["text"] = "something else".into();
                }
                others
            }),
        );
    }
}

#[test]
fn records_that_nobody_planned_are_refused() {
    let name = Copy::unsealed().recordings()[0].clone();
    let stranger = |change: fn(&mut Value)| {
        with_more(&name, move |lines| {
            let is_text = |line: &&Value| line["response"]["kind"] == "text";
            let mut other = lines.iter().find(is_text).unwrap().clone();
            change(&mut other["question"]);
            vec![other]
        })
    };
    let refused = "has 1 records of questions that the plan does not ask, the first in line";
    forge(
        COMPLETENESS,
        refused,
        stranger(|q| q["probe"] = "stranger".into()),
    );
    forge(
        COMPLETENESS,
        refused,
        stranger(|q| q["request"]["sample"] = 1000.into()),
    );
    forge(
        COMPLETENESS,
        refused,
        stranger(|q| q["prompt"]["text"] = "x".into()),
    );
    forge(COMPLETENESS, refused, stranger(|q| q["variant"] = 7.into()));
    // What only looks like a sentinel.
    forge(
        COMPLETENESS,
        refused,
        stranger(|q| {
            q["probe"] = format!("sentinel:{}", q["probe"].as_str().unwrap()).into();
        }),
    );
    // What readers of another panel were asked is no answer to this plan, and changes none.
    let copy = Copy::unsealed();
    with_more(&name, |lines| {
        let is_score = |line: &&Value| {
            line["response"]["kind"] == "scored" && line["question"]["request"]["kind"] == "score"
        };
        let is_write = |line: &&Value| line["question"]["request"]["kind"] == "write";
        let probe = lines.iter().find(is_write).unwrap()["question"]["probe"].clone();
        let mut other = lines
            .iter()
            .filter(is_score)
            .find(|line| line["question"]["probe"] == probe)
            .unwrap()
            .clone();
        other["question"]["request"]["texts"] = json!(["written by somebody else"]);
        let score = other["response"]["scores"][0].clone();
        other["response"]["scores"] = json!([score]);
        vec![other]
    })(&copy);
    copy.rebag();
    let (step, text) = match verify(copy.path()) {
        Ok(_) => panic!("the report has another head"),
        Err(error) => (error.step.number(), failure(&error)),
    };
    assert_eq!(step, VERDICT, "{text}");
    let mut told = String::new();
    let checked = Bundle::at(copy.path()).check(&Demand::default(), &mut |step, note| {
        if step == Step::Completeness {
            note.clone_into(&mut told);
        }
    });
    assert!(checked.is_ok());
    assert!(told.contains("; 1 more are questions"), "{told}");
}

#[test]
fn questions_are_bounded_by_what_was_answered() {
    // One long prompt and many samples: a bundle of a few megabytes that asks for many gigabytes.
    for (samples, repeated) in [(20_000, false), (4, true)] {
        let copy = Copy::unsealed();
        copy.edit("data/battery.json", |battery| {
            let kind = if repeated { "choose" } else { "write" };
            let probes = battery["probes"].as_array_mut().unwrap();
            let probe = probes
                .iter_mut()
                .find(|p| p["ask"]["kind"] == kind)
                .unwrap();
            if repeated {
                probe["prompt"] = "{options}".repeat(40_000).into();
                let options: Vec<String> = (0..5)
                    .map(|i| format!("o{i}{}", "x".repeat(20_000)))
                    .collect();
                probe["ask"]["options"] = json!(options);
            } else {
                probe["prompt"] = "a".repeat(1 << 20).into();
            }
        });
        let battery: Battery = serde_json::from_slice(&copy.read("data/battery.json")).unwrap();
        copy.replan(|plan| {
            plan["battery"]["digest"] = battery.digest().into();
            plan["posing"]["samples"] = samples.into();
            plan["order"] = json!(battery.order(plan["seed"].as_u64().unwrap()));
        });
        let (step, text) = copy.refused();
        assert_eq!(step, PLAN, "{text}");
        assert!(text.contains("bytes of questions"), "{text}");
    }
}

#[test]
fn names_of_one_recording_are_bounded_by_what_was_read() {
    const NAMES: usize = 9_000;
    let copy = Copy::unsealed();
    let name = copy.recordings()[0].clone();
    // Long enough that so many copies of it are more than is free.
    let (length, head) = rechain(&copy, &name, |lines| {
        lines[0]["rendered"] = "x".repeat(60_000).into();
    });
    remark(&copy, &name, length, &head);
    let of = |line: &Value| line["event"]["ended"]["recording"] == name;
    let mark = copy.lines("data/log.jsonl").into_iter().find(of).unwrap();
    copy.replan(|plan| {
        let controls = plan["panel"]["controls"].as_array_mut().unwrap();
        let control = controls[0].clone();
        controls.extend((0..NAMES).map(|i| {
            let mut control = control.clone();
            control["id"] = format!("c-{i}").into();
            control["model"] = format!("m-{i}").into();
            control
        }));
    });
    copy.relog(|lines| {
        let assessed = lines.pop().unwrap();
        lines.extend((0..NAMES).map(|i| {
            let mut mark = mark.clone();
            mark["event"]["ended"]["model"] = format!("m-{i}").into();
            mark
        }));
        lines.push(assessed);
    });
    let (step, text) = copy.refused();
    assert_eq!(step, PLAN, "{text}");
    assert!(text.contains("names of one recording"), "{text}");
}

#[test]
fn what_no_manifest_lists_is_refused() {
    for directory in ["data/x", "x", "data/recordings/kjv-1-none"] {
        let copy = Copy::new();
        fs::create_dir_all(copy.at(directory)).unwrap();
        let error = verify(copy.path()).unwrap_err();
        assert_eq!(error.step.number(), 1);
        assert!(
            failure(&error).contains("an empty directory"),
            "{}",
            failure(&error)
        );
    }
}

#[test]
fn what_a_bundle_says_of_its_making_is_held_against_the_rest() {
    let environment = "data/environment.json";
    forge(PLAN, "'data/environment.json'", |copy| {
        copy.write(environment, "anything");
    });
    forge(PLAN, "unknown field `more`", |copy| {
        copy.edit(environment, |value| value["more"] = 1.into());
    });
    forge(
        PLAN,
        "says that version 9.9.9 planned, and 'data/environment.json'",
        |copy| {
            copy.replan(|plan| plan["tool"] = "9.9.9".into());
        },
    );
    forge(
        PLAN,
        "says that the probes ship with the tool; they do not",
        |copy| {
            copy.replan(|plan| plan["published"] = true.into());
        },
    );
    forge(PLAN, "unknown field `more`", |copy| {
        copy.edit("data/battery.json", |battery| {
            battery["families"][0]["more"] = 1.into();
        });
    });
    forge(
        VERDICT,
        "what their digests in the recordings do not say",
        |copy| {
            copy.edit("data/gates.json", |gates| gates["identical"] = true.into());
            copy.reassess();
        },
    );
    let name = Copy::unsealed().recordings()[0].clone();
    forge(DIGESTS, "unknown field `more`", |copy| {
        copy.edit(
            &format!("data/recordings/{name}/recording.json"),
            |header| header["more"] = 1.into(),
        );
    });
}
