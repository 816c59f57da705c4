//! Seals: by whom, for what, and what other tools say.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use parentage::bundle::{
    Choice, Demand, SealError, Signer, seal, stamp_request, store_stamp, take_back,
};
use tempfile::TempDir;

use super::bench::{Copy, FIXTURE, failure, key, verify, verify_as, verify_redacted};

const NAMESPACE: &str = "parentage-bundle";

fn demand(public: &std::path::Path) -> Demand {
    Demand {
        signer: Some(Signer::read(public).unwrap()),
        ..Demand::default()
    }
}

fn none() -> std::io::Result<String> {
    Err(std::io::Error::other("none"))
}

fn sealed(number: u8) -> (Copy, TempDir, [std::path::PathBuf; 2]) {
    let (copy, keys) = (Copy::unsealed(), tempfile::tempdir().unwrap());
    let pair = key(keys.path(), number, None);
    seal(&copy.checked(), &pair[0], NAMESPACE, None, none).unwrap();
    (copy, keys, pair)
}

#[test]
fn the_fixture_is_sealed_by_the_key_of_the_tests() {
    let keys = tempfile::tempdir().unwrap();
    let [_, public] = key(keys.path(), 1, None);
    assert!(verify_as(FIXTURE.as_ref(), &demand(&public)).is_ok());
    // Ed25519 leaves nothing to chance: sealing again gives the same bytes.
    let (copy, ..) = sealed(1);
    for file in [
        "tagmanifest-sha256.txt.sig",
        "statement.dsse.json",
        "tagmanifest-sha256.txt",
    ] {
        assert_eq!(
            copy.read(file),
            fs::read(format!("{FIXTURE}/{file}")).unwrap(),
            "{file}"
        );
    }
}

#[test]
fn a_seal_that_was_broken_off_is_taken_back_and_made_anew() {
    // In the order in which they are written.
    let written = [
        "data/secret.txt",
        "commitments.txt",
        "bag-info.txt",
        "manifest-sha256.txt",
        "statement.dsse.json",
        "tagmanifest-sha256.txt",
    ];
    let (bare, sealed) = (Copy::unsealed(), Copy::committed(1));
    for count in 0..=written.len() {
        let copy = Copy::unsealed();
        for file in &written[..count] {
            copy.write(file, sealed.read(file));
        }
        copy.write("bag-info.partial", "cut off");
        assert!(verify(copy.path()).is_err());
        take_back(copy.path()).unwrap();
        let files = copy.files();
        assert_eq!(files, bare.files(), "{count}");
        assert!(
            files.iter().all(|file| copy.read(file) == bare.read(file)),
            "{count}"
        );
        // Breaking off again changes nothing of that.
        copy.write(
            "tagmanifest-sha256.txt",
            sealed.read("tagmanifest-sha256.txt"),
        );
        take_back(copy.path()).unwrap();
        assert_eq!(verify(copy.path()).unwrap(), "undecided");
    }
    // What somebody changed meanwhile is not listed anew, and a seal is not touched.
    let copy = Copy::unsealed();
    copy.write("data/secret.txt", sealed.read("data/secret.txt"));
    copy.write("data/environment.json", "{}");
    take_back(copy.path()).unwrap();
    let error = failure(&verify(copy.path()).unwrap_err());
    assert!(error.contains("data/environment.json"), "{error}");
    let before: Vec<Vec<u8>> = sealed.files().iter().map(|f| sealed.read(f)).collect();
    take_back(sealed.path()).unwrap();
    let after: Vec<Vec<u8>> = sealed.files().iter().map(|f| sealed.read(f)).collect();
    assert!(before == after);
}

#[test]
fn a_foreign_key_is_refused_when_a_signer_is_demanded() {
    let (copy, keys, _) = sealed(2);
    assert!(verify_as(copy.path(), &Demand::default()).is_ok());
    let [_, public] = key(keys.path(), 1, None);
    let error = verify_as(copy.path(), &demand(&public)).unwrap_err();
    assert!(
        failure(&error).contains("who is not the signer demanded"),
        "{}",
        failure(&error)
    );
    let error = verify_as(Copy::unsealed().path(), &demand(&public)).unwrap_err();
    assert!(failure(&error).contains("the bundle is not sealed, and a seal was demanded"));
}

#[test]
fn a_seal_by_anybody_can_be_asked_for() {
    let asked = Demand {
        sealed: true,
        ..Demand::default()
    };
    assert!(verify_as(sealed(2).0.path(), &asked).is_ok());
    let unsealed = Copy::unsealed();
    assert!(verify_as(unsealed.path(), &Demand::default()).is_ok());
    let error = verify_as(unsealed.path(), &asked).unwrap_err();
    assert!(failure(&error).contains("the bundle is not sealed"));
}

#[test]
fn a_signature_for_something_else_is_refused() {
    let (copy, keys) = (Copy::unsealed(), tempfile::tempdir().unwrap());
    let [private, public] = key(keys.path(), 1, None);
    seal(&copy.checked(), &private, "file", None, none).unwrap();
    let error = verify_as(copy.path(), &demand(&public)).unwrap_err();
    assert!(failure(&error).contains("was made for namespace 'file', not 'parentage-bundle'"));
    let asked = Demand {
        namespace: "file".to_owned(),
        ..demand(&public)
    };
    assert!(verify_as(copy.path(), &asked).is_ok());
}

#[test]
fn the_seal_of_another_bundle_does_not_fit() {
    let (copy, ..) = sealed(1);
    copy.edit("data/environment.json", |e| e["os"] = "another".into());
    copy.rebag();
    let error = verify_as(copy.path(), &Demand::default()).unwrap_err();
    assert!(
        failure(&error).contains("does not sign this bundle"),
        "{}",
        failure(&error)
    );
    // A statement of somebody else, under a signature that covers it.
    let (copy, _keys, [private, _]) = sealed(1);
    let (other, ..) = sealed(2);
    copy.write("statement.dsse.json", other.read("statement.dsse.json"));
    copy.rebag();
    let manifest = copy.read("tagmanifest-sha256.txt");
    let key = ssh_key::PrivateKey::from_openssh(fs::read(&private).unwrap()).unwrap();
    let signature = key
        .sign(NAMESPACE, ssh_key::HashAlg::Sha512, &manifest)
        .unwrap();
    let pem = signature.to_pem(ssh_key::LineEnding::LF).unwrap();
    copy.write("tagmanifest-sha256.txt.sig", pem);
    let error = verify_as(copy.path(), &Demand::default()).unwrap_err();
    assert!(failure(&error).contains("is not the statement about this bundle"));
}

/// Changes the envelope of a sealed bundle and signs the tag manifest anew, by the key that sealed it: what
/// is left to refuse it is the envelope.
fn enveloped(change: impl FnOnce(&mut serde_json::Value)) -> String {
    let (copy, _keys, [private, _]) = sealed(1);
    copy.edit("statement.dsse.json", change);
    copy.retag();
    let manifest = copy.read("tagmanifest-sha256.txt");
    let key = ssh_key::PrivateKey::from_openssh(fs::read(&private).unwrap()).unwrap();
    let signature = key
        .sign(NAMESPACE, ssh_key::HashAlg::Sha512, &manifest)
        .unwrap();
    let pem = signature.to_pem(ssh_key::LineEnding::LF).unwrap();
    copy.write("tagmanifest-sha256.txt.sig", pem);
    verify_as(copy.path(), &Demand::default()).map_or_else(|e| failure(&e), |_| "holds".to_owned())
}

/// The bytes of a Base64 string in the envelope, changed.
fn changed(text: &serde_json::Value, change: impl FnOnce(&mut Vec<u8>)) -> serde_json::Value {
    use base64::Engine as _;
    let base64 = &base64::engine::general_purpose::STANDARD;
    let mut bytes = base64.decode(text.as_str().unwrap()).unwrap();
    change(&mut bytes);
    base64.encode(bytes).into()
}

#[test]
fn the_envelope_holds_by_itself() {
    assert_eq!(enveloped(|_| ()), "holds");
    // Another payload under the old signature, and one that is signed anew: neither is this bundle's.
    let payload = |e: &mut serde_json::Value| {
        e["payload"] = changed(&e["payload"], |bytes| {
            let at = bytes.windows(9).position(|w| w == b"\"finding\"").unwrap();
            bytes[at + 13] ^= 1;
        });
    };
    assert!(enveloped(payload).contains("is not the statement about this bundle"));
    // Every byte of the signature counts.
    for at in [0, 31, 32, 63] {
        let error = enveloped(|e| {
            e["signatures"][0]["sig"] = changed(&e["signatures"][0]["sig"], |s| s[at] ^= 1);
        });
        assert!(
            error.contains("the signature in 'statement.dsse.json' is not by the key"),
            "{at}: {error}"
        );
    }
    for length in [0, 63, 65] {
        let error = enveloped(|e| {
            e["signatures"][0]["sig"] =
                changed(&e["signatures"][0]["sig"], |s| s.resize(length, 0));
        });
        assert!(
            error.contains("the signature in 'statement.dsse.json' is not by the key"),
            "{length}: {error}"
        );
    }
    // Somebody else's signature of the very same statement, under the name of the key that sealed.
    let (other, ..) = sealed(2);
    let theirs: serde_json::Value =
        serde_json::from_slice(&other.read("statement.dsse.json")).unwrap();
    let error = enveloped(|e| {
        assert_eq!(e["payload"], theirs["payload"]);
        e["signatures"][0]["sig"] = theirs["signatures"][0]["sig"].clone();
    });
    assert!(
        error.contains("the signature in 'statement.dsse.json' is not by the key"),
        "{error}"
    );
    // And under its own name.
    let error = enveloped(|e| e["signatures"] = theirs["signatures"].clone());
    assert!(
        error.contains("is not the statement about this bundle"),
        "{error}"
    );
}

#[test]
fn what_cannot_seal_says_why() {
    let (copy, keys) = (Copy::unsealed(), tempfile::tempdir().unwrap());
    let bundle = copy.checked();
    let [private, public] = key(keys.path(), 3, Some("open"));
    let with = |text: &'static str| move || Ok(text.to_owned());
    assert!(matches!(
        seal(&bundle, &private, NAMESPACE, None, none),
        Err(SealError::Passphrase { .. })
    ));
    assert!(matches!(
        seal(&bundle, &private, NAMESPACE, None, with("shut")),
        Err(SealError::Key { .. })
    ));
    assert!(matches!(
        seal(&bundle, &public, NAMESPACE, None, none),
        Err(SealError::Key { .. })
    ));
    assert!(matches!(
        seal(&bundle, "/no/such/key".as_ref(), NAMESPACE, None, none),
        Err(SealError::Read { .. })
    ));
    assert!(matches!(
        stamp_request(&bundle),
        Err(SealError::Unsealed { .. })
    ));
    let named = seal(&bundle, &private, NAMESPACE, None, with("open")).unwrap();
    assert!(named.starts_with("ssh-ed25519 AAAA"), "{named}");
    assert!(verify_as(copy.path(), &demand(&public)).is_ok());
    assert!(matches!(
        seal(&bundle, &private, NAMESPACE, None, with("open")),
        Err(SealError::Sealed { .. })
    ));
    let signers = keys.path().join("allowed_signers");
    fs::write(&signers, format!("# the lab\nlab@example.org {named}\n")).unwrap();
    assert!(verify_as(copy.path(), &demand(&signers)).is_ok());
    fs::write(&signers, "lab@example.org nonsense\n").unwrap();
    assert!(matches!(
        Signer::read(&signers),
        Err(SealError::Signer { line: 1, .. })
    ));
}

/// Whether a program is there; a note if not.
#[expect(clippy::print_stdout, reason = "a skipped test must say so")]
pub(super) fn there(program: &str) -> bool {
    let found = Command::new(program).arg("--help").output().is_ok();
    if !found {
        println!("skipped: there is no {program}");
    }
    found
}

#[test]
fn ssh_keygen_accepts_the_seal_and_its_own_is_accepted() {
    if !there("ssh-keygen") {
        return;
    }
    let (copy, keys, [private, public]) = sealed(4);
    let signers = keys.path().join("allowed_signers");
    let line = format!("lab@example.org {}\n", fs::read_to_string(&public).unwrap());
    fs::write(&signers, line).unwrap();
    let manifest = copy.at("tagmanifest-sha256.txt");
    let verify = || {
        Command::new("ssh-keygen")
            .args([
                "-Y",
                "verify",
                "-I",
                "lab@example.org",
                "-n",
                NAMESPACE,
                "-f",
            ])
            .arg(&signers)
            .arg("-s")
            .arg(copy.at("tagmanifest-sha256.txt.sig"))
            .stdin(File::open(&manifest).unwrap())
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    };
    assert!(verify());
    // The same key by ssh-keygen itself gives a signature that holds here.
    fs::remove_file(copy.at("tagmanifest-sha256.txt.sig")).unwrap();
    set_private(&private);
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", NAMESPACE, "-f"])
        .arg(&private)
        .arg(&manifest)
        .status()
        .unwrap();
    assert!(signed.success());
    assert!(verify_as(copy.path(), &demand(&public)).is_ok());
    let bytes = copy.read("tagmanifest-sha256.txt");
    copy.write("tagmanifest-sha256.txt", [&bytes[..], b"\n"].concat());
    assert!(!verify());
}

fn set_private(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn openssl_reads_the_request_and_its_reply_is_stored() {
    if !there("openssl") {
        return;
    }
    let (copy, keys, _) = sealed(5);
    stamp_request(&copy.checked()).unwrap();
    let request = copy.at("tagmanifest-sha256.txt.tsq");
    let shown = Command::new("openssl")
        .args(["ts", "-query", "-text", "-in"])
        .arg(&request)
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    for part in [
        "Version: 1",
        "Hash Algorithm: sha256",
        "Certificate required: yes",
        "Nonce: 0x",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    let authority = keys.path();
    grant(authority, &request);
    store_stamp(&copy.checked(), &authority.join("reply.tsr")).unwrap();
    assert!(verify_as(copy.path(), &Demand::default()).is_ok());
    openssl(
        authority,
        &[
            "ts",
            "-verify",
            "-CAfile",
            "tsa.pem",
            "-in",
            copy.at("tagmanifest-sha256.txt.tsr").to_str().unwrap(),
            "-data",
            copy.at("tagmanifest-sha256.txt").to_str().unwrap(),
        ],
    );
    // A redacted copy has the seal's stamp.
    let committed = Copy::committed(5);
    stamp_request(&committed.checked()).unwrap();
    grant(authority, &committed.at("tagmanifest-sha256.txt.tsq"));
    store_stamp(&committed.checked(), &authority.join("reply.tsr")).unwrap();
    let redacted = committed.redacted(&Choice {
        probes: ["small-3".to_owned()].into(),
        ..Choice::default()
    });
    assert!(verify_redacted(redacted.path(), &Demand::default()).is_ok());
    redacted.write(
        "data/sealed/tagmanifest-sha256.txt.tsr",
        copy.read("tagmanifest-sha256.txt.tsr"),
    );
    redacted.rebag();
    let error = verify_redacted(redacted.path(), &Demand::default()).unwrap_err();
    assert!(failure(&error).contains("tsr' is no time stamp of this bundle"));
    grant(authority, &request);
    // The same reply for another bundle is none.
    let (other, ..) = sealed(6);
    assert!(matches!(
        store_stamp(&other.checked(), &authority.join("reply.tsr")),
        Err(SealError::Stamp { .. })
    ));
    let request = copy.read("tagmanifest-sha256.txt.tsq");
    copy.write("tagmanifest-sha256.txt.tsq", &request[..40]);
    let error = verify_as(copy.path(), &Demand::default()).unwrap_err();
    assert!(failure(&error).contains("tsq' is no time stamp of this bundle"));
}

/// Runs openssl in a directory.
pub(super) fn openssl(directory: &std::path::Path, args: &[&str]) {
    let mut command = Command::new("openssl");
    let run = command.args(args).current_dir(directory).output().unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
}

/// Sets up an authority in a directory and lets it answer a request with `reply.tsr`.
pub(super) fn grant(authority: &std::path::Path, request: &std::path::Path) {
    fs::write(authority.join("ts.cnf"), AUTHORITY).unwrap();
    fs::write(authority.join("serial"), "01\n").unwrap();
    let make = "req -x509 -newkey rsa:2048 -nodes -keyout tsa.key -out tsa.pem -days 2 -subj /CN=tests \
                -config ts.cnf -extensions stamping";
    openssl(authority, &make.split_whitespace().collect::<Vec<_>>());
    let request = request.to_str().unwrap();
    let reply = [
        "ts",
        "-reply",
        "-config",
        "ts.cnf",
        "-out",
        "reply.tsr",
        "-queryfile",
        request,
    ];
    openssl(authority, &reply);
}

/// An authority that exists for one test.
const AUTHORITY: &str = "
[req]
distinguished_name = name
prompt = no
[name]
CN = tests
[stamping]
extendedKeyUsage = critical,timeStamping
[tsa]
default_tsa = here
[here]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
";
