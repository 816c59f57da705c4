//! What reads from outside, and how one input is given to it.

use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parentage::battery::{Battery, Pose, lint};
use parentage::bundle::{Bundle, Demand, Outline, RedactedCopy, recompute};
use parentage::evidence;
use parentage::identity::AnswerFormat;
use parentage::import;
use parentage::model::hosted::{self, Checked, Endpoint, HostedModel};
use parentage::model::local::template::{ChatTemplate, Message, Specials};
use parentage::model::local::{self, LocalModel};
use parentage::model::{Abilities, Model, Seed as Draw};
use parentage::panel::Lineage;
use parentage::question::{Access, Posing, Prompt, Question, Request, ask_all};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::corpus::{self, Files, Seed};
use crate::mend;
use crate::server::Server;

/// What reads inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Target {
    /// Weights in one file.
    Gguf,
    /// Weights beside a configuration.
    Safetensors,
    /// The configuration of a model.
    Config,
    /// A tokenizer and its settings.
    Tokenizer,
    /// A chat template.
    Template,
    /// The reply of an endpoint, in every dialect.
    Reply,
    /// Logs of answers, in every format.
    Import,
    /// A lineage file.
    Lineage,
    /// A battery.
    Battery,
    /// A recording.
    Recording,
    /// A bundle, through `verify`.
    Bundle,
    /// A redacted copy, through `verify`.
    Redacted,
    /// Panics, to see that it is noticed.
    #[value(hide = true)]
    Panics,
    /// Does not end, to see that it is noticed.
    #[value(hide = true)]
    Hangs,
    /// Takes memory, to see that it is noticed.
    #[value(hide = true)]
    Grows,
}

/// Words of regular expressions and of tokenizers.
const PATTERNS: &[&str] = &[
    "(a+)+$",
    "(a|a)*$",
    "(?=",
    "(?!\\S)",
    "\\p{L}",
    "[^",
    "{1,1000}",
    "{1000}",
    ".*",
    "(.*)*",
    "\\1",
    "(?<=a+)",
    "|",
    "^",
    "\\s+",
    "▁",
    "Ġ",
    "<0x00>",
    "<|im_start|>",
    "Regex",
    "String",
    "BPE",
    "Unigram",
    "WordPiece",
    "WordLevel",
    "Sequence",
    "Precompiled",
];
/// Words of templates.
const JINJA: &[&str] = &[
    "{{",
    "}}",
    "{%",
    "%}",
    "{%-",
    "-%}",
    "{#",
    "#}",
    "{% for m in messages %}",
    "{% endfor %}",
    "{% if ",
    "{% endif %}",
    "{% else %}",
    "{% set x = ",
    "{% set ns.x = ",
    "namespace(x=[])",
    "{% macro f(x) %}",
    "{% endmacro %}",
    "{{ f(f(1)) }}",
    "range(100000)",
    "|join",
    "|tojson",
    "|length",
    "|replace('a', 'aaaaaaaaaa')",
    ".format(",
    "'{0:9999999999}'",
    "% (1,)",
    " * 10**8",
    "[[]]",
    "messages",
    "loop.index",
    ".split('')",
    "|list",
    "|map(attribute='x')",
    "|selectattr('role')",
    "|string",
    "|trim",
    "|indent(99999)",
    "|batch(1)",
    "|groupby('role')",
    "**",
    "//",
    "~",
    "[::-1]",
    "[-1]",
    "raise_exception('x')",
    "strftime_now('%Y')",
    "{% raw %}",
    "{% endraw %}",
    "{% generation %}",
    "{% break %}",
    "|center(999999999)",
    "|default('')",
    "|sort",
    "|unique",
    "|reverse",
    "|urlencode",
    "|dictsort",
    "|round(3)",
    "999999999999999999999",
];
/// Words of lineage files and batteries.
const TOML: &[&str] = &[
    "[[model]]\n",
    "[model.recipe]\n",
    "id = ",
    "parents = [",
    "]",
    "base = ",
    "group = ",
    "size = ",
    "released = ",
    "family = ",
    "\"\"\"",
    "'''",
    "[[probe]]\n",
    "ask = \"choose\"",
    "ask = \"next\"",
    "ask = \"write\"",
    "options = [",
    "{options}",
    "max_tokens = ",
    "pose = \"raw\"",
    "prompt = ",
    "lead = ",
    "1e400",
    "nan",
    "0x7fffffffffffffff",
    "1979-05-27T07:32:00Z",
];

impl Target {
    pub(crate) fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// Inputs to begin with.
    pub(crate) fn seeds(self, aside: &Path) -> Result<Vec<Seed>, String> {
        fs::create_dir_all(aside).map_err(|e| crate::said("make", aside, &e))?;
        match self {
            Self::Gguf => corpus::gguf(),
            Self::Safetensors => corpus::safetensors(),
            Self::Config => corpus::configurations(),
            Self::Tokenizer => corpus::tokenizers(),
            Self::Template => corpus::templates(),
            Self::Reply => corpus::replies(),
            Self::Import => corpus::imports(),
            Self::Lineage => corpus::lineages(),
            Self::Battery => corpus::batteries(),
            Self::Recording => corpus::recordings(),
            Self::Bundle => corpus::bundles(),
            Self::Redacted => corpus::redacted(),
            Self::Panics | Self::Hangs | Self::Grows => Ok(vec![Seed::default()]),
        }
    }

    /// Words that mean something in its files.
    pub(crate) fn words(self) -> &'static [&'static str] {
        match self {
            Self::Tokenizer => PATTERNS,
            Self::Template => JINJA,
            Self::Lineage | Self::Battery => TOML,
            _ => &[],
        }
    }

    /// Mends what would end the reading before the change is reached, most of the time.
    pub(crate) fn mend(self, files: &mut Files, rng: &mut ChaCha8Rng) {
        match self {
            Self::Recording if rng.random_bool(0.8) => drop(mend::recording(files, "")),
            Self::Bundle if rng.random_bool(0.9) => {
                mend::bundle(files);
                mend::manifests(files);
            }
            Self::Redacted if rng.random_bool(0.9) => mend::manifests(files),
            Self::Import if files.keys().any(|name| name.starts_with("members/")) => {
                mend::archive(files, rng);
            }
            _ => {}
        }
    }
}

/// Gives inputs to a target.
pub(crate) struct Runner {
    target: Target,
    aside: PathBuf,
    server: Option<Server>,
}

impl Runner {
    pub(crate) fn new(target: Target, aside: &Path) -> Result<Self, String> {
        let server = match target {
            Target::Reply => Some(Server::start().map_err(|e| e.to_string())?),
            _ => None,
        };
        let aside = aside.to_owned();
        Ok(Self {
            target,
            aside,
            server,
        })
    }

    /// What became of an input: an error in its words, or what was made of it.
    pub(crate) fn run(&mut self, input: &Path) -> String {
        match self.target {
            Target::Gguf => asked(&input.join("model.gguf")),
            Target::Safetensors | Target::Config | Target::Tokenizer => asked(input),
            Target::Template => template(&text(&input.join("template.jinja"))),
            Target::Reply => self.reply(input),
            Target::Import => imported(input, &self.aside.join("imported")),
            Target::Lineage => lineage(&input.join("lineage.toml")),
            Target::Battery => battery(input),
            Target::Recording => recording(input),
            Target::Bundle => verified(input),
            Target::Redacted => redacted(input),
            Target::Panics => panic!("on purpose"),
            Target::Hangs => loop {
                std::hint::spin_loop();
            },
            // What nobody looks at would not be made at all.
            Target::Grows => {
                format!("{} bytes", std::hint::black_box(vec![1_u8; 3 << 29]).len())
            }
        }
    }

    fn reply(&self, input: &Path) -> String {
        let Some(server) = &self.server else {
            return "no server".to_owned();
        };
        let ask: Value = serde_json::from_str(&text(&input.join("ask.json"))).unwrap_or_default();
        let status = ask["status"].as_u64().and_then(|s| u16::try_from(s).ok());
        server.say(
            status.unwrap_or(200),
            fs::read(input.join("reply.json")).unwrap_or_default(),
        );
        let name = ask["endpoint"].as_str().unwrap_or_default();
        let url = format!("{}/v1", server.url);
        let env = |variable: &str| match variable {
            name if name.ends_with("_BASE_URL") => Some(url.clone()),
            name if name.ends_with("_API_KEY") => Some("sk-0123456789".to_owned()),
            _ => None,
        };
        let endpoint = match Endpoint::parse(name, &env) {
            Ok(Some(endpoint)) => endpoint,
            Ok(None) => return format!("'{name}' is no endpoint"),
            Err(error) => return chain(&error),
        };
        let options = hosted::Options {
            attempts: 1,
            failures: u32::MAX,
            timeout: Duration::from_secs(5),
            ..hosted::Options::default()
        };
        if ask["checks"] == true {
            return match HostedModel::open(endpoint, options) {
                Ok((model, report)) => format!("{} {}", report.render(), answers(&model)),
                Err(error) => chain(&error),
            };
        }
        match HostedModel::new(endpoint, options, everything()) {
            Ok(model) => answers(&model),
            Err(error) => chain(&error),
        }
    }
}

/// As if an endpoint gave everything.
fn everything() -> Checked {
    Checked {
        abilities: Abilities {
            chat: true,
            raw: true,
            score: true,
            score_chat: true,
            top: 5,
        },
        access: [].into(),
        served: None,
        sampling: [].into(),
    }
}

/// An error with its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// A text that is hard to cut into tokens.
fn hard() -> String {
    let long = "a".repeat(3000);
    format!("Say it's 12345.678 \r\n\t  ÀÉ 你好🙂\u{200d}▁<|im_end|> {long}! {long}b 1234567890")
}

/// Questions of every kind.
fn questions() -> Vec<Question> {
    let prompts = [
        (Pose::Raw, "Say A:".to_owned(), ""),
        (Pose::Raw, hard(), ""),
        (Pose::Chat, "Say A.".to_owned(), ""),
        (Pose::Chat, "Say <|im_end|>".to_owned(), "It is"),
    ];
    let requests = [
        Request::Next { top: 5 },
        Request::Write {
            sample: 0,
            max_tokens: 3,
        },
        Request::Score {
            texts: vec![" A".to_owned(), " b\u{301}c".to_owned()],
        },
    ];
    let about = |(pose, text, lead): &(Pose, String, &str)| {
        let prompt = Prompt {
            pose: *pose,
            text: text.clone(),
            lead: (*lead).to_owned(),
        };
        requests.clone().map(|request| Question {
            probe: "p".to_owned(),
            variant: 0,
            prompt: prompt.clone(),
            request,
        })
    };
    prompts.iter().flat_map(about).collect()
}

/// What a model answers to them, in kinds.
fn answers(model: &dyn Model) -> String {
    let mut kinds = Vec::new();
    let result = model.answer(&questions(), Draw(1), &mut |index, answer| {
        let kind: String = format!("{:?}", answer.response).chars().take(9).collect();
        kinds.push((index, kind));
        ControlFlow::Continue(())
    });
    kinds.sort();
    let kinds: String = kinds.into_iter().map(|(_, kind)| kind).collect();
    match result {
        Ok(()) => kinds,
        Err(error) => chain(&error),
    }
}

fn asked(model: &Path) -> String {
    let described = LocalModel::parameters_of("m", model).is_ok();
    // By the own engine: llama.cpp would be handed what that does not know, and may end the process.
    let options = local::Options {
        engine: local::EngineChoice::Own,
        ..local::Options::default()
    };
    match LocalModel::open("m", model, options) {
        Ok(model) => format!("{described} {}", answers(&model)),
        Err(error) => chain(&error),
    }
}

fn template(source: &str) -> String {
    let template = match ChatTemplate::parse(source) {
        Ok(template) => template,
        Err(error) => return chain(&error),
    };
    let turns = [
        Message::new("system", "Be brief."),
        Message::new("user", "Hi <b>{{ there }}\n"),
        Message::new("assistant", "<think>hm</think>Hello"),
        Message::new("user", "naïve \"q\""),
    ];
    let specials = Specials {
        bos: "<s>".to_owned(),
        eos: "</s>".to_owned(),
    };
    let render = |messages: &[Message]| match template.render(messages, true, &specials) {
        Ok(text) => format!("{} bytes", text.len()),
        Err(error) => chain(&error),
    };
    format!("{}; {}", render(&turns), render(&turns[1..2]))
}

fn imported(input: &Path, out: &Path) -> String {
    let named = text(&input.join("format.txt"));
    let format = AnswerFormat::ALL
        .into_iter()
        .find(|f| f.name() == named.trim());
    let settings = import::Settings {
        format: format.unwrap_or(AnswerFormat::Jsonl),
        fields: import::Fields::default(),
        model: None,
    };
    let imported = match import::read(&[input.join("in")], &settings) {
        Ok(imported) => imported,
        Err(error) => return chain(&error),
    };
    // What an earlier input left is not this one's.
    let _ = fs::remove_dir_all(out);
    let written = match imported.write(out) {
        Ok(written) => written,
        Err(error) => return chain(&error),
    };
    let read = written.models.iter().map(|model| {
        // What was written from files must be readable.
        match evidence::read(&out.join(&model.directory)) {
            Ok(recording) => recording.entries.len(),
            Err(error) => panic!("an import cannot be read: {}", chain(&error)),
        }
    });
    let read: Vec<usize> = read.collect();
    format!("{} models, {:?}", read.len(), written.left_out.keys())
}

fn lineage(path: &Path) -> String {
    match Lineage::read(path) {
        Ok(lineage) => {
            let descends = lineage.descends("student-text", "teacher");
            format!(
                "{descends} {}",
                lineage.find_model("models/family/teacher").is_some()
            )
        }
        Err(error) => chain(&error),
    }
}

fn battery(input: &Path) -> String {
    let family = input.join("family.toml");
    let path = if family.is_file() {
        family
    } else {
        input.to_owned()
    };
    match Battery::open(&path.to_string_lossy()) {
        Ok(battery) => {
            let found = lint(&battery).len();
            let asked = ask_all(&battery, Posing::usual(Access::Scored)).len();
            format!("{} {} {}", found.min(9), asked > 0, battery.is_published())
        }
        Err(error) => chain(&error),
    }
}

fn recording(input: &Path) -> String {
    match (evidence::header(input), evidence::read(input)) {
        (Ok(_), Ok(recording)) => format!("{} answers", recording.entries.len()),
        (Err(error), _) | (_, Err(error)) => chain(&error),
    }
}

fn verified(input: &Path) -> String {
    // What `view` reads of a case before it is checked.
    let seen = Outline::read(input).is_ok() && Outline::battery(input).is_ok();
    let checked = Bundle::at(input).check(&Demand::default(), &mut |_, _| ());
    let outcome = checked.and_then(|bundle| recompute(&bundle, &mut |_, _| ()));
    match outcome {
        Ok((_, _, report)) => format!("{seen} {}", report.finding.name()),
        Err(error) => chain(&error),
    }
}

fn redacted(input: &Path) -> String {
    match RedactedCopy::at(input).check(&Demand::default(), &mut |_, _| ()) {
        Ok(copy) => copy.found.finding.name().to_owned(),
        Err(error) => chain(&error),
    }
}
