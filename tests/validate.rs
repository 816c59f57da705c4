//! The population that comes with the tool, validated through the command line.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use assert_cmd::cargo::CommandCargoExt as _;
use tempfile::TempDir;

/// What is fitted is fitted on this one.
const POPULATION: &str = "models/population";
/// And it is tried on this one.
const CONFIRMATION: &str = "models/confirmation";

fn validate(population: &Path, more: &[&str], out: &Path) -> Output {
    let mut command = Command::cargo_bin("parentage").unwrap();
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.arg("validate").arg(population).args(more);
    command.arg("--out").arg(out).output().unwrap()
}

/// The facts of a validation that succeeds.
fn facts(population: &Path, more: &[&str]) -> Vec<u8> {
    let out = TempDir::new().unwrap();
    let output = validate(population, more, out.path());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    fs::read(out.path().join("validation.json")).unwrap()
}

#[test]
fn the_built_in_validation_is_what_the_scores_give() {
    let out = TempDir::new().unwrap();
    let fitted = ["--fitted-on", POPULATION];
    let output = validate(Path::new(CONFIRMATION), &fitted, out.path());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let made = fs::read(out.path().join("validation.json")).unwrap();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(CONFIRMATION)
        .join("validation.json");
    // Byte by byte: a stale file would give ratios that nobody can make again.
    assert!(made == fs::read(kept).unwrap());
    let page = fs::read_to_string(out.path().join("validation.html")).unwrap();
    // Two plots an access.
    assert_eq!(page.matches("<svg").count(), 6);
    assert!(page.contains("students at full dose, all innocents"));
    for foreign in ["<script", "src=\"", "href=\"http"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("18 of 18"), "{shown}");
}

#[test]
fn what_is_wrong_with_a_population_is_said_before_anything_is_written() {
    let (directory, out) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let copy = |file: &str| {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(POPULATION);
        fs::copy(from.join(file), directory.path().join(file)).unwrap();
    };
    let failed = |named: &str| {
        let output = validate(directory.path(), &[], out.path());
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(named), "{named}: {stderr}");
    };
    failed("lineage.toml");
    copy("lineage.toml");
    failed("split.toml");
    copy("split.toml");
    failed("scores.jsonl");
    fs::write(directory.path().join("scores.jsonl"), "").unwrap();
    failed("no scores of the fitting part");
    fs::write(directory.path().join("scores.jsonl"), "{}\n").unwrap();
    failed("line 1");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
}

#[test]
fn what_was_fitted_on_another_population_is_tried_on_this_one() {
    let (directory, out) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(POPULATION);
    for file in ["lineage.toml", "split.toml"] {
        fs::copy(from.join(file), directory.path().join(file)).unwrap();
    }
    let all = fs::read_to_string(from.join("scores.jsonl")).unwrap();
    let lines = all.split_inclusive('\n');
    let tried: String = lines.filter(|l| l.contains("\"part\":\"test\"")).collect();
    assert!(tried.len() < all.len());
    fs::write(directory.path().join("scores.jsonl"), tried).unwrap();
    let output = validate(directory.path(), &[], out.path());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("--fitted-on"), "{stderr}");
    let parted = facts(directory.path(), &["--fitted-on", POPULATION]);
    assert!(parted == facts(&from, &[]));
}

#[test]
fn an_access_that_nothing_was_tried_at_is_left_out() {
    let directory = TempDir::new().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(CONFIRMATION);
    for file in ["lineage.toml", "split.toml"] {
        fs::copy(from.join(file), directory.path().join(file)).unwrap();
    }
    let all = fs::read_to_string(from.join("scores.jsonl")).unwrap();
    let lines = all.split_inclusive('\n');
    let of_text: String = lines
        .filter(|l| l.contains("\"access\":\"text\""))
        .collect();
    fs::write(directory.path().join("scores.jsonl"), of_text).unwrap();
    let facts = facts(directory.path(), &["--fitted-on", POPULATION]);
    let facts: serde_json::Value = serde_json::from_slice(&facts).unwrap();
    let accesses = facts["by_access"].as_array().unwrap();
    let accesses: Vec<_> = accesses.iter().map(|a| &a["access"]).collect();
    assert_eq!(accesses, ["text"]);
}

#[test]
fn what_is_fitted_on_elsewhere_is_not_tried_on_here() {
    let (directory, out) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(POPULATION);
    let lineage = from.join("lineage.toml");
    fs::copy(lineage, directory.path().join("lineage.toml")).unwrap();
    let split = fs::read_to_string(from.join("split.toml")).unwrap();
    let swapped = split.replace("\nfit =", "\nwas =");
    let swapped = swapped.replace("\ntest =", "\nfit =");
    let swapped = swapped.replace("\nwas =", "\ntest =");
    fs::write(directory.path().join("split.toml"), swapped).unwrap();
    let output = validate(directory.path(), &["--fitted-on", POPULATION], out.path());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("is fitted on there and tried on here"),
        "{stderr}"
    );
}

/// A population of models of the shipped family: the teacher's side is fitted on, that of its siblings tried on.
fn of_the_family(directory: &Path) {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/family");
    let mut lineage = "schema = 1\nname = \"small\"\n".to_owned();
    for (source, id, more) in [
        ("a", "teacher", "data = [\"gcide\"]\ngroup = \"a\""),
        ("a", "sibling-1", "data = [\"gcide\"]\ngroup = \"a\""),
        ("a", "base-1", "data = [\"wordnet\"]"),
        (
            "a",
            "student-text",
            "base = \"base-1\"\nparents = [\"teacher\"]\ndose = 1.0",
        ),
        (
            "a",
            "sib1-text",
            "base = \"base-1\"\nparents = [\"sibling-1\"]",
        ),
        ("a", "same-base-1", "base = \"base-1\"\ndata = [\"gcide\"]"),
        ("a", "foldoc-1", "data = [\"foldoc\"]"),
        ("b", "sibling-2", "data = [\"gcide\"]\ngroup = \"b\""),
        ("b", "sibling-3", "data = [\"gcide\"]\ngroup = \"b\""),
        ("b", "base-2", "data = [\"foldoc\"]"),
        (
            "b",
            "sib2-text",
            "base = \"base-2\"\nparents = [\"sibling-2\"]\ndose = 1.0",
        ),
        ("b", "same-base-2", "base = \"base-2\"\ndata = [\"gcide\"]"),
        ("b", "kjv-1", "data = [\"kjv\"]"),
        ("b", "wordnet-1", "data = [\"wordnet\"]"),
    ] {
        let path = models.join(id).to_string_lossy().into_owned();
        lineage = format!(
            "{lineage}[[model]]\nid = \"{id}\"\npath = '{path}'\nkind = \"text\"\n{more}\nsource = \"{source}\"\n"
        );
    }
    fs::write(directory.join("lineage.toml"), lineage).unwrap();
    fs::write(
        directory.join("split.toml"),
        "fit = [\"a\"]\ntest = [\"b\"]\n",
    )
    .unwrap();
}

const ASKING: [&str; 4] = ["--tier", "quick", "--samples", "1"];

/// Asks a population; the scores.
fn collect(population: &Path, more: &[&str], out: &Path) -> String {
    let asked = [&["--collect", "--whole", "--quiet"], &ASKING[..], more].concat();
    let output = validate(population, &asked, out);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    fs::read_to_string(out.join("scores.jsonl")).unwrap()
}

/// Puts a recording of a model, served as it is, into a population in its place.
fn stand_in(recording: &Path, population: &Path) {
    let header = fs::read(recording.join("recording.json")).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    let name = header["identity"]["name"].as_str().unwrap();
    let id = name.rsplit('/').next().unwrap();
    if !id.contains('@') {
        let to = population.join(id);
        fs::create_dir(&to).unwrap();
        for file in ["recording.json", "answers.jsonl"] {
            fs::copy(recording.join(file), to.join(file)).unwrap();
        }
    }
}

#[test]
fn what_is_collected_is_scored_and_only_what_can_be_served_otherwise_is() {
    let (directory, out) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    of_the_family(directory.path());
    let mut command = Command::cargo_bin("parentage").unwrap();
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    // A recording stands for one of the models: it has answered what it has answered.
    let recorded = command
        .args(["collect", "--quiet", "models/family/kjv-1"])
        .args(ASKING);
    let recorded = recorded
        .arg("--out")
        .arg(directory.path().join("kjv-1"))
        .output()
        .unwrap();
    assert!(
        recorded.status.success(),
        "{}",
        String::from_utf8_lossy(&recorded.stderr)
    );
    let served = ["--served"];
    let scores = collect(directory.path(), &served, out.path());
    let lines: Vec<serde_json::Value> = scores
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let count =
        |holds: &dyn Fn(&serde_json::Value) -> bool| lines.iter().filter(|l| holds(l)).count();
    // Two candidate parents a part, and every other model of it, served as asked.
    assert_eq!(count(&|l| l["part"] == "fit"), 2 * 6);
    assert_eq!(
        count(&|l| l["part"] == "test" && l["served"].is_null()),
        2 * 6
    );
    for served in ["cooler", "instructed"] {
        assert_eq!(count(&|l| l["served"] == served), 2 * 5, "{served}");
        assert_eq!(
            count(&|l| l["served"] == served && l["suspect"] == "kjv-1"),
            0
        );
    }
    let t_of = |served: &str| {
        let found = lines.iter().find(|l| {
            l["protected"] == "sibling-2"
                && l["suspect"] == "sib2-text"
                && l["served"].as_str().unwrap_or("") == served
        });
        found.unwrap()["t"].as_f64().unwrap()
    };
    assert!((t_of("") - t_of("instructed")).abs() > 1e-6);
    assert_eq!(collect(directory.path(), &served, out.path()), scores);
    // What was recorded stands for the models, with what they have read: the same comes out, and nobody is asked.
    let (recorded, again) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    of_the_family(recorded.path());
    let made = fs::read_dir(out.path().join("recordings")).unwrap();
    let made = made.map(|place| place.unwrap().path());
    for place in made.chain([directory.path().join("kjv-1")]) {
        stand_in(&place, recorded.path());
    }
    let plain: String = scores
        .split_inclusive('\n')
        .filter(|line| !line.contains("\"served\""))
        .collect();
    assert_eq!(collect(recorded.path(), &[], again.path()), plain);
    assert!(!again.path().join("recordings").exists());
    // What is fitted on elsewhere needs no fitting part here, nor its models.
    let lineage = recorded.path().join("lineage.toml");
    let text = fs::read_to_string(&lineage).unwrap();
    for id in text.split("id = \"").skip(1).take(7) {
        let id = id.split('"').next().unwrap();
        fs::remove_dir_all(recorded.path().join(id)).unwrap();
    }
    fs::write(&lineage, text.replace("models/family/", "nowhere/")).unwrap();
    let tried: String = plain
        .split_inclusive('\n')
        .filter(|line| line.contains("\"test\""))
        .collect();
    let elsewhere = ["--fitted-on", POPULATION];
    assert_eq!(collect(recorded.path(), &elsewhere, again.path()), tried);
}
