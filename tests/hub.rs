//! The hub fetcher against a hub on loopback.
#![cfg(feature = "hub")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "helpers of tests fail by panicking, a child process prints, and names are ours"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use parentage::model::local::hub::{HubCheck, HubError, HubEvent, HubOptions, HubSnapshot, fetch};
use serde_json::json;
use tempfile::TempDir;

#[path = "hub/server.rs"]
mod server;

use server::{COMMIT, Hub, State, git_blob, sha256};

const SHARDS: [&str; 2] = [
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
];
const INDEX: &str = "model.safetensors.index.json";

struct Bench {
    hub: Hub,
    cache: TempDir,
    events: Vec<HubEvent>,
}

impl Bench {
    fn new(state: State) -> Self {
        Self {
            hub: Hub::start(state),
            cache: tempfile::tempdir().unwrap(),
            events: Vec::new(),
        }
    }

    fn fetch_as(&mut self, reference: &str, offline: bool) -> Result<HubSnapshot, HubError> {
        let options = HubOptions {
            offline,
            cache: Some(self.cache.path().to_owned()),
            endpoint: Some(self.hub.address.clone()),
        };
        let events = &mut self.events;
        fetch(&reference.parse().unwrap(), &options, &mut |event| {
            events.push(event);
        })
    }

    fn fetch(&mut self) -> Result<HubSnapshot, HubError> {
        self.fetch_as("hf:org/name", false)
    }

    fn offline(&mut self) -> Result<HubSnapshot, HubError> {
        self.fetch_as("hf:org/name", true)
    }

    fn in_cache(&self, path: &str) -> PathBuf {
        self.cache.path().join("models--org--name").join(path)
    }

    fn blobs(&self) -> Vec<String> {
        let entries = fs::read_dir(self.in_cache("blobs")).unwrap().flatten();
        entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect()
    }
}

fn weights(length: usize, seed: u8) -> Vec<u8> {
    (0..=250_u8)
        .cycle()
        .take(length)
        .map(|byte| byte ^ seed)
        .collect()
}

fn files(list: &[(&str, Vec<u8>)]) -> BTreeMap<String, Vec<u8>> {
    list.iter()
        .map(|(name, bytes)| ((*name).to_owned(), bytes.clone()))
        .collect()
}

fn small() -> State {
    State {
        files: files(&[
            ("config.json", b"{}".to_vec()),
            ("tokenizer.json", b"{\"a\":1}".to_vec()),
            ("chat_template.jinja", b"{{ x }}".to_vec()),
            ("model.safetensors", weights(200_000, 1)),
            ("pytorch_model.bin", weights(2_000, 2)),
            ("README.md", b"read me".to_vec()),
        ]),
        ..State::default()
    }
}

fn sharded() -> State {
    let index =
        json!({"metadata": {}, "weight_map": {"a": SHARDS[0], "b": SHARDS[1], "c": SHARDS[0]}});
    State {
        files: files(&[
            ("config.json", b"{}".to_vec()),
            ("tokenizer.json", b"{}".to_vec()),
            (INDEX, index.to_string().into_bytes()),
            (SHARDS[0], weights(50_000, 3)),
            (SHARDS[1], weights(60_000, 4)),
            ("model-00003-of-00002.safetensors", weights(5_000, 5)),
        ]),
        ..State::default()
    }
}

/// The error and all its causes, as they would be shown or logged.
fn everything(error: &HubError) -> String {
    let mut text = format!("{error} {error:?} {:?}", error.hint());
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text} {inner} {inner:?}");
        cause = inner.source();
    }
    text
}

#[test]
fn a_sharded_model_lands_in_the_standard_layout() {
    let mut bench = Bench::new(sharded());
    let got = bench.fetch_as("hf:org/name@v1", false).unwrap();
    assert_eq!(got.commit, COMMIT);
    assert_eq!(got.directory, bench.in_cache("snapshots").join(COMMIT));
    let names: Vec<_> = got.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(
        names,
        ["config.json", SHARDS[0], SHARDS[1], INDEX, "tokenizer.json"]
    );
    for file in &got.files {
        let bytes = fs::read(got.directory.join(&file.name)).unwrap();
        assert_eq!(file.sha256, sha256(&bytes));
        assert_eq!(file.bytes, bytes.len() as u64);
        let large = file.name.ends_with(".safetensors") || file.name == "tokenizer.json";
        assert_eq!(
            file.check,
            if large {
                HubCheck::Pointer
            } else {
                HubCheck::Blob
            }
        );
        let blob = if large {
            file.sha256.clone()
        } else {
            git_blob(&bytes)
        };
        assert!(bench.in_cache("blobs").join(blob).is_file());
    }
    assert_eq!(
        fs::read_to_string(bench.in_cache("refs/v1")).unwrap(),
        COMMIT
    );
    assert!(
        bench
            .in_cache(".no_exist")
            .join(COMMIT)
            .join("chat_template.jinja")
            .exists()
    );
    assert!(
        bench
            .hub
            .ranges("model-00003-of-00002.safetensors")
            .is_empty()
    );
}

#[test]
fn a_second_fetch_downloads_nothing() {
    let mut bench = Bench::new(small());
    let first = bench.fetch().unwrap();
    bench.hub.log();
    assert_eq!(bench.fetch().unwrap(), first);
    assert!(
        bench
            .hub
            .log()
            .iter()
            .all(|request| request.path.starts_with("/api/"))
    );
    assert!(!first.files.iter().any(|file| file.name.ends_with(".bin")));
}

/// On the public hub the client sees no digest header for large files, so git must prove them.
#[test]
fn a_large_file_behind_a_redirect_is_checked_by_its_pointer() {
    let mut bench = Bench::new(State {
        redirects: true,
        ..small()
    });
    let got = bench.fetch().unwrap();
    let weights = got
        .files
        .iter()
        .find(|file| file.name == "model.safetensors")
        .unwrap();
    assert_eq!(weights.check, HubCheck::Pointer);
    // Another commit's link to the same bytes is found by the blob alone.
    fs::remove_dir_all(bench.in_cache("snapshots")).unwrap();
    bench.hub.log();
    bench.fetch().unwrap();
    assert!(
        bench
            .hub
            .log()
            .iter()
            .all(|request| request.path.starts_with("/api/"))
    );
}

#[test]
fn a_digest_mismatch_names_both_and_removes_the_file() {
    for redirects in [false, true] {
        let wrong = weights(200_000, 9);
        let mut state = State {
            redirects,
            ..small()
        };
        state
            .served
            .insert("model.safetensors".to_owned(), wrong.clone());
        let right = &state.files["model.safetensors"];
        let right = if redirects {
            git_blob(server::pointer(right).as_bytes())
        } else {
            sha256(right)
        };
        let mut bench = Bench::new(state);
        let error = bench.fetch().unwrap_err();
        let HubError::Digest {
            file,
            expected,
            found,
        } = &error
        else {
            panic!("{error}");
        };
        assert_eq!(file, "model.safetensors");
        assert!(
            expected.contains(&right) && found.contains(&sha256(&wrong)),
            "{error}"
        );
        assert!(!bench.in_cache("snapshots").join(COMMIT).join(file).exists());
        assert!(!bench.blobs().iter().any(|blob| blob.ends_with(".part")));
        assert!(!bench.in_cache("refs/main").exists());
        bench.hub.change(|state| state.served.clear());
        bench.fetch().unwrap();
    }
}

#[test]
fn a_small_file_is_checked_against_git() {
    let mut state = small();
    state
        .served
        .insert("config.json".to_owned(), b"[]".to_vec());
    let error = Bench::new(state).fetch().unwrap_err();
    assert!(
        matches!(&error, HubError::Digest { file, .. } if file == "config.json"),
        "{error}"
    );
}

#[test]
fn a_spoilt_blob_in_the_cache_is_removed() {
    let mut bench = Bench::new(small());
    let got = bench.fetch().unwrap();
    let weights = got.directory.join("model.safetensors");
    let blob = fs::canonicalize(&weights).unwrap();
    fs::write(&blob, b"spoilt").unwrap();
    assert!(matches!(bench.offline(), Err(HubError::Digest { .. })));
    assert!(!blob.exists() && !weights.exists());
    bench.fetch().unwrap();
    assert!(blob.exists());
}

#[test]
fn a_dropped_connection_goes_on_with_the_rest_only() {
    let mut bench = Bench::new(State {
        drops: vec![80_000, 30_000],
        ..small()
    });
    bench.fetch().unwrap();
    let ranges = bench.hub.ranges("model.safetensors");
    assert_eq!(ranges[0], None);
    let from: Vec<u64> = ranges[1..]
        .iter()
        .map(|range| start(range.as_deref()))
        .collect();
    let broken: Vec<u64> = bench
        .events
        .iter()
        .filter_map(|event| match event {
            HubEvent::Interrupted { done, .. } => Some(*done),
            _ => None,
        })
        .collect();
    assert_eq!(from, broken);
    assert_eq!(from.len(), 2);
    assert!(
        from[0] > 0 && from[0] <= 80_000 && from[1] <= from[0] + 30_000,
        "{from:?}"
    );
}

#[test]
fn a_later_call_goes_on_where_an_earlier_one_stopped() {
    let mut bench = Bench::new(State {
        drops: vec![80_000],
        broken: Some(400),
        ..small()
    });
    let error = bench.fetch().unwrap_err();
    assert!(
        matches!(&error, HubError::Request { thing, .. } if thing == "model.safetensors"),
        "{error}"
    );
    let part = bench
        .blobs()
        .into_iter()
        .find(|blob| blob.ends_with(".part"))
        .unwrap();
    let kept = fs::metadata(bench.in_cache("blobs").join(part))
        .unwrap()
        .len();
    assert!(kept > 0);
    bench.hub.change(|state| state.broken = None);
    bench.hub.log();
    bench.fetch().unwrap();
    let log = bench.hub.log();
    let downloads: Vec<_> = log
        .iter()
        .filter(|r| r.method == "GET" && r.path.contains("/resolve/"))
        .collect();
    assert_eq!(downloads.len(), 1, "{downloads:?}");
    assert_eq!(
        downloads[0].range.as_deref(),
        Some(format!("bytes={kept}-199999").as_str())
    );
}

#[test]
fn a_hub_without_ranges_sends_the_whole_again() {
    let mut bench = Bench::new(State {
        drops: vec![80_000],
        ignores_ranges: true,
        ..small()
    });
    bench.fetch().unwrap();
    assert_eq!(bench.hub.ranges("model.safetensors").last(), Some(&None));
}

#[test]
fn a_file_longer_than_declared_is_refused() {
    let mut state = small();
    let mut longer = state.files["model.safetensors"].clone();
    longer.push(0);
    state.served.insert("model.safetensors".to_owned(), longer);
    let mut bench = Bench::new(state);
    let error = bench.fetch().unwrap_err();
    assert!(
        matches!(
            error,
            HubError::TooLong {
                declared: 200_000,
                ..
            }
        ),
        "{error}"
    );
    assert!(!bench.blobs().iter().any(|blob| blob.ends_with(".part")));
}

#[test]
fn offline_gives_the_same_snapshot_without_a_request() {
    for state in [small(), sharded()] {
        let mut bench = Bench::new(state);
        let online = bench.fetch().unwrap();
        bench.hub.log();
        let offline = bench.offline().unwrap();
        assert!(bench.hub.log().is_empty());
        assert_eq!(
            (&offline.directory, &offline.commit),
            (&online.directory, &online.commit)
        );
        let digests = |snapshot: &HubSnapshot| {
            snapshot
                .files
                .iter()
                .map(|f| f.sha256.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(digests(&offline), digests(&online));
        assert!(
            !bench
                .events
                .iter()
                .any(|event| matches!(event, HubEvent::Unknown { .. }))
        );
    }
}

#[test]
fn offline_names_what_is_missing() {
    let mut bench = Bench::new(sharded());
    assert!(matches!(bench.offline(), Err(HubError::NotCached { .. })));
    let got = bench.fetch().unwrap();
    fs::remove_file(got.directory.join(SHARDS[1])).unwrap();
    fs::remove_file(got.directory.join("tokenizer.json")).unwrap();
    let error = bench.offline().unwrap_err();
    let HubError::Missing { files, commit, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(commit, COMMIT);
    assert_eq!(files, &["tokenizer.json", SHARDS[1]]);
    fs::remove_dir_all(bench.in_cache(".no_exist")).unwrap();
    bench.fetch().unwrap();
    fs::remove_dir_all(bench.in_cache(".no_exist")).unwrap();
    bench.offline().unwrap();
    let unknown = HubEvent::Unknown {
        file: "chat_template.jinja".to_owned(),
    };
    assert!(bench.events.contains(&unknown));
}

#[test]
fn an_unknown_repository_or_revision_is_named() {
    let mut bench = Bench::new(small());
    let error = bench.fetch_as("hf:org/other", false).unwrap_err();
    assert!(
        matches!(&error, HubError::UnknownRepository { repository } if repository == "org/other"),
        "{error}"
    );
    let error = bench.fetch_as("hf:org/name@nowhere", false).unwrap_err();
    assert!(
        matches!(&error, HubError::UnknownRevision { revision, .. } if revision == "nowhere"),
        "{error}"
    );
}

#[test]
fn a_gated_repository_says_what_to_do() {
    for (prefix, status, code) in [
        ("/api/models/org/name", 401, "GatedRepo"),
        ("/org/name/resolve", 403, "GatedRepo"),
        ("/org/name/resolve", 401, ""),
    ] {
        let mut bench = Bench::new(State {
            deny: Some((prefix, status, code)),
            ..small()
        });
        let error = bench.fetch().unwrap_err();
        let HubError::Denied {
            status: found,
            gated,
            ..
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!((found, gated), (status, code == "GatedRepo"));
        assert!(error.hint().unwrap().contains("HF_TOKEN"));
        assert!(!everything(&error).contains("SERVER-TEXT"));
    }
}

#[test]
fn a_hostile_name_is_refused_wherever_it_stands() {
    for name in [
        "../evil",
        "/etc/evil",
        "a/../../evil",
        "a\\evil",
        "evil\0",
        "",
        "C:evil",
    ] {
        let mut state = small();
        state.listed =
            vec![json!({"type": "file", "path": name, "size": 1, "oid": git_blob(b"x")})];
        let mut bench = Bench::new(state);
        let error = bench.fetch().unwrap_err();
        assert!(
            matches!(error, HubError::HostileName { .. }),
            "{name:?}: {error}"
        );
        assert!(!bench.in_cache("blobs").exists());
    }
    for name in [
        "../../../evil.safetensors",
        "sub/evil.safetensors",
        "evil.bin",
    ] {
        let mut state = sharded();
        let index = json!({"weight_map": {"a": name}}).to_string();
        state.files.insert(INDEX.to_owned(), index.into_bytes());
        let error = Bench::new(state).fetch().unwrap_err();
        assert!(
            matches!(error, HubError::HostileName { .. }),
            "{name:?}: {error}"
        );
    }
}

#[test]
fn a_listing_that_makes_no_sense_is_refused() {
    for entry in [
        json!({"type": "file", "path": "x", "size": 1, "oid": "../../evil"}),
        json!({"type": "file", "path": "config.json", "size": 1, "oid": git_blob(b"x")}),
    ] {
        let error = Bench::new(State {
            listed: vec![entry],
            ..small()
        })
        .fetch()
        .unwrap_err();
        assert!(matches!(error, HubError::Listing { .. }), "{error}");
    }
    let mut state = sharded();
    state.files.remove(SHARDS[1]);
    let error = Bench::new(state).fetch().unwrap_err();
    assert!(
        matches!(&error, HubError::NoFile { file, .. } if file == SHARDS[1]),
        "{error}"
    );
}

#[test]
fn a_revision_stays_pinned_to_its_commit() {
    let mut bench = Bench::new(small());
    bench
        .fetch_as(&format!("hf:org/name@{COMMIT}"), false)
        .unwrap();
    assert!(!bench.in_cache("refs").exists());
    let log = bench.hub.log();
    let files = log
        .iter()
        .filter(|request| request.path.starts_with("/org/"));
    assert!(files.clone().count() > 0);
    assert!(files.clone().all(|request| {
        request
            .path
            .starts_with(&format!("/org/name/resolve/{COMMIT}/"))
    }));
    for (reference, commit) in [
        (format!("hf:org/name@{COMMIT}"), "f".repeat(40)),
        ("hf:org/name".to_owned(), "../../evil".to_owned()),
    ] {
        let mut bench = Bench::new(State {
            commit: Some(commit),
            ..small()
        });
        let error = bench.fetch_as(&reference, false).unwrap_err();
        assert!(matches!(error, HubError::OtherCommit { .. }), "{error}");
    }
}

#[test]
fn pickles_alone_are_refused_and_never_asked_for() {
    let mut state = small();
    state.files.remove("model.safetensors");
    let mut bench = Bench::new(state);
    let error = bench.fetch().unwrap_err();
    assert!(error.to_string().contains("pytorch_model.bin"), "{error}");
    assert!(
        bench
            .hub
            .log()
            .iter()
            .all(|request| !request.path.contains("/resolve/"))
    );
}

#[test]
fn one_gguf_is_taken_by_name() {
    let mut state = small();
    state.files.remove("model.safetensors");
    state
        .files
        .insert("a-q4.gguf".to_owned(), weights(3_000, 1));
    state
        .files
        .insert("sub/b-q8.gguf".to_owned(), weights(4_000, 2));
    let mut bench = Bench::new(state);
    let error = bench.fetch().unwrap_err();
    assert!(
        error.hint().unwrap().contains("hf:org/name/a-q4.gguf"),
        "{error}"
    );
    let got = bench
        .fetch_as("hf:org/name@main/sub/b-q8.gguf", false)
        .unwrap();
    assert_eq!(got.files.len(), 1);
    let linked = fs::read(got.directory.join("sub/b-q8.gguf")).unwrap();
    assert_eq!(got.files[0].sha256, sha256(&linked));
    assert_eq!(
        bench
            .fetch_as("hf:org/name@main/sub/b-q8.gguf", true)
            .unwrap()
            .files[0]
            .sha256,
        sha256(&linked)
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named_as_such() {
    let state = small();
    let object = git_blob(server::pointer(&state.files["model.safetensors"]).as_bytes());
    let mut bench = Bench::new(state);
    let part = bench.in_cache("blobs").join(format!("{object}.part"));
    fs::create_dir_all(part.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/dev/full", &part).unwrap();
    let error = bench.fetch().unwrap_err();
    assert!(
        matches!(error, HubError::DiskFull { bytes: 200_000, .. }),
        "{error}"
    );
}

#[test]
fn a_hub_out_of_reach_is_named_without_addresses() {
    let cache = tempfile::tempdir().unwrap();
    let options = HubOptions {
        cache: Some(cache.path().to_owned()),
        endpoint: Some("http://127.0.0.1:9".to_owned()),
        offline: false,
    };
    let error = fetch(&"hf:org/name".parse().unwrap(), &options, &mut |_| {}).unwrap_err();
    let text = everything(&error);
    assert!(
        text.contains("ConnectionRefused") && !text.contains("127.0.0.1"),
        "{text}"
    );
}

/// The environment can only be set for another process, so this test runs the two below in one.
#[test]
fn the_environment_is_honoured() {
    let run = |test: &str, hub: &Hub, home: &TempDir, more: &[(&str, &str)]| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--ignored", "--nocapture"])
            .env("HF_ENDPOINT", &hub.address)
            .env("HF_HOME", home.path())
            .env_remove("HF_HUB_CACHE")
            .envs(more.iter().copied())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}"
        );
        text
    };
    let home = tempfile::tempdir().unwrap();
    let hub = Hub::start(small());
    run("child_fetches", &hub, &home, &[]);
    assert!(home.path().join("hub/models--org--name/refs/main").exists());
    hub.log();
    run("child_fetches", &hub, &home, &[("HF_HUB_OFFLINE", "1")]);
    assert!(hub.log().is_empty());

    let hub = Hub::start(State {
        deny: Some(("/", 403, "GatedRepo")),
        ..small()
    });
    let text = run(
        "child_is_denied",
        &hub,
        &home,
        &[("HF_TOKEN", "hf_secret_token")],
    );
    assert!(
        text.contains("refuses access") && !text.contains("hf_secret"),
        "{text}"
    );
    let sent = hub.log();
    assert!(
        sent.iter()
            .all(|request| request.authorization.as_deref() == Some("Bearer hf_secret_token"))
    );
    assert!(!sent.is_empty());
}

#[test]
#[ignore = "run by the_environment_is_honoured"]
fn child_fetches() {
    fetch(
        &"hf:org/name".parse().unwrap(),
        &HubOptions::default(),
        &mut |_| {},
    )
    .unwrap();
}

#[test]
#[ignore = "run by the_environment_is_honoured"]
fn child_is_denied() {
    let error = fetch(
        &"hf:org/name".parse().unwrap(),
        &HubOptions::default(),
        &mut |_| {},
    )
    .unwrap_err();
    println!("{}", everything(&error));
}

fn start(range: Option<&str>) -> u64 {
    let range = range.unwrap().strip_prefix("bytes=").unwrap();
    range.split_once('-').unwrap().0.parse().unwrap()
}
