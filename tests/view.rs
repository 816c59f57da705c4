//! `parentage view`: the built binary on loopback, asked over HTTP.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use parentage::battery::{Ask, Battery, Family, Pose, Probe};
use parentage::bundle::{Draft, Plan, Source};
use parentage::evidence::{BatteryMark, FORMAT, Header, Store};
use parentage::identity::{ModelIdentity, Source as Origin};
use parentage::model::{Answer, Seed};
use parentage::panel::{Matching, Member, Panel};
use parentage::question::{Access, Posing, Question, ask_all};
use parentage::response::{Finish, Response};
use tempfile::TempDir;

const FIXTURE: &str = "tests/data/bundle";
/// Nothing here may take longer.
const PATIENCE: Duration = Duration::from_mins(1);

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parentage"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// A server that ends with its test.
struct Server {
    child: Child,
    address: String,
}

/// What came back.
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    /// The value of a header.
    fn header(&self, name: &str) -> &str {
        let value = self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        });
        value.unwrap_or_default()
    }

    /// Whether a text is in the page; slashes may be escaped in it.
    fn has(&self, text: &str) -> &Self {
        let found = self.body.replace("&#x2f;", "/").contains(text);
        assert!(found, "no {text:?} in {}", self.body);
        self
    }

    fn lacks(&self, text: &str) -> &Self {
        assert!(!self.body.contains(text), "{text:?} in {}", self.body);
        self
    }
}

impl Server {
    fn start(directories: &[&Path]) -> Self {
        let mut child = command()
            .args(["view", "--port", "0"])
            .args(directories)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on http://127.0.0.1:");
        let port = address.and_then(|a| a.split_once('/')).unwrap().0;
        let address = format!("127.0.0.1:{port}");
        Self { child, address }
    }

    fn raw(&self, request: &str) -> Reply {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Reply {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    fn send(&self, method: &str, host: &str, path: &str) -> Reply {
        self.raw(&format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
        ))
    }

    fn get(&self, path: &str) -> Reply {
        self.send("GET", &self.address, path)
    }

    /// The paths of the cases, as the index links them.
    fn cases(&self, query: &str) -> Vec<String> {
        let index = self.get(&format!("/{query}"));
        assert_eq!(index.status, 200, "{}", index.body);
        let links = index.body.split("href=\"").skip(1);
        let links = links.map(|rest| rest.split('"').next().unwrap().to_owned());
        links.filter(|link| link.starts_with("/case/")).collect()
    }

    fn case(&self) -> String {
        self.cases("").pop().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A directory with two copies of the fixture, one of them spoilt.
fn two() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    copy(FIXTURE.as_ref(), &directory.path().join("a/good"));
    copy(FIXTURE.as_ref(), &directory.path().join("b/c/spoilt"));
    let gates = directory.path().join("b/c/spoilt/data/gates.json");
    fs::write(gates, "{}").unwrap();
    directory
}

#[test]
fn the_index_lists_the_cases_below_and_filters_them() {
    let directory = two();
    let server = Server::start(&[directory.path(), FIXTURE.as_ref()]);
    assert_eq!(server.cases("").len(), 3);
    let index = server.get("/");
    index.has("3 of 3 cases").has("models/family/student-text");
    index
        .has("undecided")
        .has("sealed")
        .lacks("http-equiv=\"refresh\"");
    assert_eq!(server.cases("?q=SPOILT").len(), 1);
    assert_eq!(server.cases("?q=nothing+like+it").len(), 0);
    assert_eq!(server.cases("?stage=sealed").len(), 3);
    assert_eq!(server.cases("?stage=running&q=good").len(), 0);
    // One that comes later is found, and one that goes is gone.
    let more = directory.path().join("more");
    copy(FIXTURE.as_ref(), &more);
    assert_eq!(server.cases("").len(), 4);
    fs::remove_dir_all(more).unwrap();
    assert_eq!(server.cases("").len(), 3);
}

#[test]
fn a_report_is_the_one_that_report_renders() {
    let server = Server::start(&[FIXTURE.as_ref()]);
    let case = server.case();
    let page = server.get(&case);
    page.has("Checked in 7 steps")
        .has("recomputed from the recordings");
    for (extension, format, kind) in [
        ("html", "html", "text/html; charset=utf-8"),
        ("json", "json", "application/json"),
        ("md", "md", "text/plain; charset=utf-8"),
        ("txt", "terminal", "text/plain; charset=utf-8"),
    ] {
        page.has(&format!("{case}/report.{extension}"));
        let reply = server.get(&format!("{case}/report.{extension}"));
        let report = command()
            .args(["report", FIXTURE, "--format", format])
            .output()
            .unwrap();
        assert!(reply.body.len() > 1_000);
        assert_eq!(reply.body.as_bytes(), report.stdout, "{extension}");
        assert_eq!(reply.header("content-type"), kind);
    }
    assert_eq!(server.get(&format!("{case}/report.exe")).status, 404);
}

#[test]
fn a_bundle_that_does_not_hold_shows_why_and_no_report() {
    let directory = two();
    let spoilt = directory.path().join("b");
    // Whoever spoils a bundle can put any page into it.
    let page = spoilt.join("c/spoilt/data/report/report.html");
    fs::write(page, "<script>alert(1)</script>").unwrap();
    let server = Server::start(&[&spoilt]);
    let case = server.case();
    let shown = server.get(&case);
    shown.has("This bundle does not hold").has("digests failed");
    shown.has("data/gates.json").lacks("report.html");
    let report = server.get(&format!("{case}/report.html"));
    assert_eq!(report.status, 404);
    report.lacks("alert");
    // Mended, it holds: what was found before is not kept for other files.
    copy(FIXTURE.as_ref(), &spoilt.join("c/spoilt"));
    server.get(&case).has("Checked in 7 steps");
    assert_eq!(server.get(&format!("{case}/report.html")).status, 200);
}

/// The lines of the first recording of a bundle, and its file.
fn recording(bundle: &Path) -> (PathBuf, Vec<serde_json::Value>) {
    let teacher = fs::read_dir(bundle.join("data/recordings")).unwrap();
    let mut paths: Vec<PathBuf> = teacher.map(|e| e.unwrap().path()).collect();
    paths.retain(|p| {
        p.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("teacher")
    });
    let file = paths.pop().unwrap().join("answers.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    let lines = text.lines().map(|l| serde_json::from_str(l).unwrap());
    (file, lines.collect())
}

#[test]
fn probes_and_answers_are_searched() {
    let server = Server::start(&[FIXTURE.as_ref()]);
    let case = server.case();
    let (_, lines) = recording(FIXTURE.as_ref());
    // A few plain words out of an answer, in other letters.
    let is_word = |w: &&str| w.len() > 1 && w.bytes().all(|b| b.is_ascii_alphabetic());
    let written = lines.iter().find_map(|line| {
        let words: Vec<&str> = line["response"]["text"].as_str()?.split(' ').collect();
        let plain = words.windows(2).find(|two| two.iter().all(is_word))?;
        Some((line["question"]["probe"].as_str()?, plain.to_vec()))
    });
    let (probe, words) = written.unwrap();
    let q = words.join("+").to_uppercase();
    let found = server.get(&format!("{case}/answers?model=protected&kind=text&q={q}"));
    found.has(&format!("{probe} <span")).has(&words.join(" "));
    found.lacks("suspect, record");
    server
        .get(&format!("{case}/answers?q=no-answer-has-these-words"))
        .has("No answer fits");
    server
        .get(&format!("{case}/answers?model=suspect&probe={probe}"))
        .has("suspect, record")
        .lacks("protected, record");
    // Pages follow one another and leave nothing out.
    let all = lines.len();
    let (mut seen, mut next) = (0, format!("{case}/answers?model=protected"));
    loop {
        let page = server.get(&next);
        seen += page.body.matches("protected, record").count();
        let Some((_, link)) = page.body.split_once("rel=\"next\" href=\"") else {
            break;
        };
        next = link
            .split('"')
            .next()
            .unwrap()
            .replace("&amp;", "&")
            .replace("&#x2f;", "/");
    }
    assert_eq!(seen, all);
    assert_eq!(server.get(&format!("{case}/answers?from=x")).status, 400);

    let probes = server.get(&format!("{case}/probes"));
    assert_eq!(probes.body.matches("<article").count(), 6);
    let one = server.get(&format!("{case}/probes?kind=write&q={probe}"));
    assert_eq!(one.body.matches("<article").count(), 1);
    one.has(&format!("/answers?probe={probe}\""));
}

#[test]
fn hostile_answers_names_and_filters_are_shown_as_text() {
    const HOSTILE: &str = "</blockquote><script>alert(1)</script><img src=x onerror=alert(2)>\u{202e}\u{0}&amp;'\"{{ 7*7 }}";
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().join("case");
    copy(FIXTURE.as_ref(), &bundle);
    let (file, mut lines) = recording(&bundle);
    for line in &mut lines {
        line["question"]["probe"] = HOSTILE.into();
        line["question"]["prompt"]["text"] = HOSTILE.into();
        if line["response"]["kind"] == "text" {
            line["response"]["text"] = format!("{HOSTILE}{}", "a".repeat(1_000_000)).into();
        }
    }
    let text = lines.iter().map(|l| format!("{l}\n"));
    fs::write(file, text.collect::<String>()).unwrap();
    let server = Server::start(&[directory.path()]);
    let case = server.case();
    let page = server.get(&format!("{case}/answers?model=protected&kind=text"));
    assert_eq!(page.status, 200);
    page.has("&lt;script&gt;alert(1)")
        .has("\u{2039}U+202E\u{203a}\u{2039}U+0000\u{203a}&amp;amp;");
    page.has("{{ 7*7 }}").has("more characters not shown");
    assert!(page.body.len() < 1_000_000, "{}", page.body.len());
    let filter = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E%E2%80%AE";
    for path in [
        format!("/?q={filter}&stage={filter}"),
        format!("{case}/answers?q={filter}&model={filter}&probe={filter}&kind={filter}"),
        format!("{case}/probes?q={filter}&kind={filter}"),
    ] {
        let filtered = server.get(&path);
        assert_eq!(filtered.status, 200, "{path}");
        filtered.has("&quot;&gt;&lt;script&gt;");
        for page in [&filtered, &page] {
            for forbidden in ["<script", "<img", "\u{202e}", "\u{0}"] {
                page.lacks(forbidden);
            }
        }
    }
}

#[test]
fn only_names_of_loopback_are_answered_and_every_answer_is_guarded() {
    let server = Server::start(&[FIXTURE.as_ref()]);
    let case = server.case();
    let paths = [
        "/".to_owned(),
        case.clone(),
        format!("{case}/report.html"),
        "/style.css".to_owned(),
        "/nowhere".to_owned(),
    ];
    for path in &paths {
        for host in [
            "evil.example",
            "evil.example:8001",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "",
        ] {
            let reply = server.send("GET", host, path);
            assert_eq!(reply.status, 403, "{host} {path}");
            reply.lacks("student-text");
        }
        for host in ["localhost", "127.0.0.1:1", "[::1]:8001"] {
            assert_ne!(server.send("GET", host, path).status, 403, "{host} {path}");
        }
        let reply = server.get(path);
        let policy = reply.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'; style-src "),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("script"));
        assert_eq!(
            policy.contains("unsafe-inline"),
            path.ends_with("report.html")
        );
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(reply.header(name), value, "{path}");
        }
        // Nothing from elsewhere is named, so nothing needs to be kept away.
        for source in ["src=", "@import", "url("] {
            reply.lacks(source);
        }
    }
    let head = server.send("HEAD", "localhost", "/");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let post = server.send("POST", "localhost", "/");
    assert_eq!((post.status, post.header("allow")), (405, "GET, HEAD"));
}

#[test]
fn an_address_names_nothing_but_known_cases() {
    let server = Server::start(&[FIXTURE.as_ref()]);
    let case = server.case();
    for path in [
        "/case".to_owned(),
        "/case/".to_owned(),
        "/case/0123456789abcdef".to_owned(),
        "/case/../../etc/passwd".to_owned(),
        "/case/..%2f..%2fetc".to_owned(),
        "/case/%2e%2e/report.html".to_owned(),
        "/data/plan.json".to_owned(),
        format!("{case}/data/plan.json"),
        format!("{case}/../plan.json"),
        format!("{case}/report.html/.."),
        format!("{case}x"),
    ] {
        let reply = server.get(&path);
        assert_eq!(reply.status, 404, "{path}");
        reply.has("There is no such page").lacks("root:");
    }
}

const POSING: Posing = Posing {
    chat: false,
    raw: true,
    access: Access::Text,
    samples: 2,
    repeats: 2,
    top: 5,
};

fn battery() -> Battery {
    let probe = |i: usize| Probe {
        id: format!("open-{i}"),
        family: "open".to_owned(),
        ask: Ask::Write { max_tokens: 8 },
        pose: Pose::Raw,
        prompt: format!("Question {i}:"),
        lead: String::new(),
    };
    Battery {
        name: "few".to_owned(),
        version: 1,
        families: vec![Family {
            name: "open".to_owned(),
            title: "Open".to_owned(),
            why: String::new(),
            source: String::new(),
        }],
        probes: (0..3).map(probe).collect(),
    }
}

fn panel() -> Panel {
    let member = |id: &str| Member {
        id: id.to_owned(),
        model: format!("model-{id}"),
        kind: String::new(),
        matching: Matching::None,
        base: None,
        known_parents: Vec::new(),
        kinds: Vec::new(),
        group: None,
    };
    Panel {
        protected: member("protected"),
        suspect: member("suspect"),
        base: None,
        controls: vec![member("control-1")],
        alternatives: Vec::new(),
        family: Vec::new(),
        decidable: Vec::new(),
        left_out: Vec::new(),
    }
}

fn say(text: &str) -> Answer {
    Answer {
        rendered: String::new(),
        response: Response::Text {
            text: text.to_owned(),
            tokens: 1,
            finish: Finish::Stop,
        },
        exchange: None,
    }
}

#[test]
fn a_run_that_is_under_way_is_shown_as_it_grows() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path();
    let battery = battery();
    let plan = Plan {
        readers: vec!["model-suspect".to_owned()],
        ..Plan::new(panel(), &battery, POSING, Seed(1))
    };
    let server = Server::start(&[out]);
    assert_eq!(server.cases("").len(), 0);
    let draft = Draft::begin(out, plan, &battery).unwrap();
    let source = Source {
        name: "m-1".to_owned(),
        directory: out.join("recordings/m-1"),
    };
    draft.begun("model-protected", &source);
    let header = Header {
        format: FORMAT,
        tool: "test".to_owned(),
        identity: ModelIdentity {
            name: "model-protected".to_owned(),
            source: Origin::Scripted {
                script: "s".to_owned(),
            },
        },
        battery: BatteryMark::of(&battery),
        posing: POSING,
        seed: Seed(1),
    };
    let mut store = Store::open(&source.directory, &header).unwrap();
    let case = server.case();
    let questions: Vec<Question> = ask_all(&battery, POSING);
    assert_eq!(questions.len(), 6);
    for (i, question) in questions.iter().enumerate().take(4) {
        let page = server.get(&case);
        page.has("A run is under way")
            .has("http-equiv=\"refresh\" content=\"5\"");
        page.has(&format!("{i} answers so far"))
            .has(&format!("<td class=\"n\">{i} of 6</td>"));
        page.has("of 3 at most");
        let answer = if i == 3 {
            Answer {
                response: Response::Refused {
                    reason: "no <b>".to_owned(),
                },
                ..say("")
            }
        } else {
            say("growing")
        };
        store.append(question, answer).unwrap();
    }
    let index = server.get("/");
    index
        .has("running")
        .has("none yet")
        .has("http-equiv=\"refresh\"");
    // What is there already can be read, and a line that is still being written is passed over.
    let answers = fs::OpenOptions::new()
        .append(true)
        .open(source.directory.join("answers.jsonl"));
    answers.unwrap().write_all(b"{\"n\":").unwrap();
    let found = server.get(&format!("{case}/answers?q=growing"));
    assert_eq!(found.body.matches("protected, record").count(), 3);
    server
        .get(&format!("{case}/answers?kind=refused"))
        .has("no &lt;b&gt;");
    server.get(&format!("{case}/probes")).has("Question 2:");
    let page = server.get(&case);
    page.has("4 of 6").lacks("No run holds this case");
    assert_eq!(server.get(&format!("{case}/report.html")).status, 404);
    // The run ends without a verdict.
    drop(draft);
    // A process that another test is starting may hold what this one held, until it has begun.
    let mut page = server.get(&case);
    for _ in 0..100 {
        if page.body.contains("No run holds this case now") {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        page = server.get(&case);
    }
    page.has("No run holds this case now");
    assert_eq!(server.cases("?stage=stopped"), [case]);
}

#[cfg(unix)]
#[test]
fn it_ends_on_a_signal() {
    let mut server = Server::start(&[FIXTURE.as_ref()]);
    server.case();
    let id = server.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    for _ in 0..PATIENCE.as_millis() / 20 {
        if let Some(status) = server.child.try_wait().unwrap() {
            assert_eq!(status.code(), Some(0));
            assert!(TcpStream::connect(&server.address).is_err());
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("still running");
}

#[test]
fn what_cannot_be_shown_says_why() {
    let file = format!("{FIXTURE}/bagit.txt");
    for path in ["no/such/place", &file] {
        let output = command()
            .args(["view", "--port", "0", path])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{path}");
        let shown = String::from_utf8(output.stderr).unwrap();
        assert!(shown.contains(path), "{shown}");
    }
    // A port that is taken.
    let server = Server::start(&[FIXTURE.as_ref()]);
    let port = server.address.rsplit(':').next().unwrap();
    let output = command()
        .args(["view", "--port", port, FIXTURE])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
}
