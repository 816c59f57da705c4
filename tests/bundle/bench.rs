//! What the tests of bundles have in common.

use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};

use parentage::bundle::{
    Bundle, CheckedBundle, Choice, Demand, Disclosed, NAMESPACE, RedactedCopy, Secret, VerifyError,
    recompute, redact, seal, write_manifests,
};
use parentage::digest;
use serde_json::Value;
use tempfile::TempDir;

/// A small bundle that `compare` made of models of the shipped family and a battery of six probes, sealed
/// with the key of [`key`].
pub(crate) const FIXTURE: &str = "tests/data/bundle";

/// All steps, without any demand; the finding.
pub(crate) fn verify(path: &Path) -> Result<String, VerifyError> {
    verify_as(path, &Demand::default())
}

pub(crate) fn verify_as(path: &Path, demand: &Demand) -> Result<String, VerifyError> {
    let bundle = Bundle::at(path).check(demand, &mut |_, _| ())?;
    let (_, _, report) = recompute(&bundle, &mut |_, _| ())?;
    Ok(report.finding.name().to_owned())
}

/// A redacted copy through its steps.
pub(crate) fn verify_redacted(path: &Path, demand: &Demand) -> Result<Disclosed, VerifyError> {
    RedactedCopy::at(path).check(demand, &mut |_, _| ())
}

/// An error with all its causes, as the command line prints them.
pub(crate) fn failure(error: &VerifyError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A copy of the fixture to be spoilt.
pub(crate) struct Copy {
    directory: TempDir,
}

impl Copy {
    pub(crate) fn new() -> Self {
        Self::of(FIXTURE.as_ref())
    }

    /// A copy of any directory.
    pub(crate) fn of(path: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        copy(path, directory.path());
        Self { directory }
    }

    /// The fixture with a seal, by a key of [`key`], that commits to its pieces.
    pub(crate) fn committed(number: u8) -> Self {
        let (copy, keys) = (Self::unsealed(), tempfile::tempdir().unwrap());
        let [private, _] = key(keys.path(), number, None);
        let secret = Secret::new([9; 32]);
        let none = || Err(std::io::Error::other("none"));
        seal(&copy.checked(), &private, NAMESPACE, Some(&secret), none).unwrap();
        copy
    }

    /// A redacted copy of a copy.
    pub(crate) fn redacted(&self, choice: &Choice) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("copy");
        redact(&self.checked(), choice, &out).unwrap();
        Self::of(&out)
    }

    pub(crate) fn checked(&self) -> CheckedBundle {
        Bundle::at(self.path())
            .check(&Demand::default(), &mut |_, _| ())
            .unwrap()
    }

    /// The same without its seal, as whoever has no key would begin a forgery.
    pub(crate) fn unsealed() -> Self {
        let copy = Self::new();
        for file in ["tagmanifest-sha256.txt.sig", "statement.dsse.json"] {
            fs::remove_file(copy.at(file)).unwrap();
        }
        copy.rebag();
        copy
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn at(&self, file: &str) -> PathBuf {
        self.path().join(file)
    }

    pub(crate) fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.at(file)).unwrap()
    }

    pub(crate) fn write(&self, file: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.at(file), bytes).unwrap();
    }

    /// Every file, in order.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        gather(self.path(), self.path(), &mut files);
        files.sort();
        files
    }

    /// Lines of a JSON Lines file.
    pub(crate) fn lines(&self, file: &str) -> Vec<Value> {
        let text = String::from_utf8(self.read(file)).unwrap();
        text.lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect()
    }

    /// Writes lines with a chain that holds behind some digest; gives the head.
    pub(crate) fn chain(&self, file: &str, start: &str, lines: &[Value]) -> String {
        let (mut head, mut bytes) = (start.to_owned(), Vec::new());
        for (n, line) in lines.iter().enumerate() {
            let mut line = line.clone();
            line["n"] = n.into();
            line["previous"] = head.into();
            let text = serde_json::to_vec(&line).unwrap();
            head = digest::of_bytes(&text);
            bytes.extend(text);
            bytes.push(b'\n');
        }
        self.write(file, bytes);
        head
    }

    /// Changes the log's events and mends its chain.
    pub(crate) fn relog(&self, change: impl FnOnce(&mut Vec<Value>)) {
        let mut lines = self.lines("data/log.jsonl");
        change(&mut lines);
        let plan = digest::of_bytes(&self.read("data/plan.json"));
        self.chain("data/log.jsonl", &plan, &lines);
    }

    /// Changes a JSON file.
    pub(crate) fn edit(&self, file: &str, change: impl FnOnce(&mut Value)) {
        let mut value = serde_json::from_slice(&self.read(file)).unwrap();
        change(&mut value);
        let mut bytes = serde_json::to_vec_pretty(&value).unwrap();
        bytes.push(b'\n');
        self.write(file, bytes);
    }

    /// Changes the plan, and lets the log commit to the new one.
    pub(crate) fn replan(&self, change: impl FnOnce(&mut Value)) {
        self.edit("data/plan.json", change);
        let plan = digest::of_bytes(&self.read("data/plan.json"));
        self.relog(|lines| lines[0]["event"]["planned"]["plan"] = plan.into());
    }

    /// Lets the log's verdict rest on the files as they are now.
    pub(crate) fn reassess(&self) {
        let gates = digest::of_bytes(&self.read("data/gates.json"));
        let report = digest::of_bytes(&self.read("data/results/report.json"));
        self.relog(|lines| {
            let assessed = &mut lines.last_mut().unwrap()["event"]["assessed"];
            assessed["gates"] = gates.into();
            assessed["report"] = report.into();
        });
    }

    /// Mends the manifests.
    pub(crate) fn rebag(&self) {
        let info = String::from_utf8(self.read("bag-info.txt")).unwrap();
        let case = info
            .lines()
            .find_map(|l| l.strip_prefix("External-Identifier: "));
        write_manifests(self.path(), case.unwrap()).unwrap();
    }

    /// Mends the digests of the tag manifest alone.
    pub(crate) fn retag(&self) {
        let manifest = String::from_utf8(self.read("tagmanifest-sha256.txt")).unwrap();
        let lines = manifest.lines().map(|line| {
            let file = line.split_once("  ").unwrap().1;
            format!("{}  {file}\n", digest::of_bytes(&self.read(file)))
        });
        self.write("tagmanifest-sha256.txt", lines.collect::<String>());
    }

    /// The error of a forgery whose manifests were mended.
    pub(crate) fn refused(&self) -> (usize, String) {
        self.rebag();
        let error = verify(self.path()).unwrap_err();
        (error.step.number(), failure(&error))
    }

    /// Names of the recordings.
    pub(crate) fn recordings(&self) -> Vec<String> {
        let entries = fs::read_dir(self.at("data/recordings")).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
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

fn gather(root: &Path, directory: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(root, &path, files);
        } else {
            files.push(
                path.strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned(),
            );
        }
    }
}

/// Writes a key for tests, made of a number, and its public half; gives both paths.
pub(crate) fn key(directory: &Path, number: u8, passphrase: Option<&str>) -> [PathBuf; 2] {
    use ssh_key::private::{Ed25519Keypair, PrivateKey};
    let pair = Ed25519Keypair::from_seed(&[number; 32]);
    let key = PrivateKey::from(pair);
    let public = directory.join(format!("key-{number}.pub"));
    fs::write(&public, key.public_key().to_openssh().unwrap()).unwrap();
    let key = match passphrase {
        None => key,
        Some(passphrase) => {
            let kdf = ssh_key::Kdf::Bcrypt {
                salt: vec![7; 16],
                rounds: 4,
            };
            let cipher = ssh_key::Cipher::Aes256Ctr;
            key.encrypt_with(cipher, kdf, 7, passphrase).unwrap()
        }
    };
    let private = directory.join(format!("key-{number}"));
    let pem = key.to_openssh(ssh_key::LineEnding::LF).unwrap();
    fs::write(&private, pem.as_bytes()).unwrap();
    [private, public]
}
