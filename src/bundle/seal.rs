//! The seal: an SSH signature over the tag manifest, and an in-toto statement that it covers.
//!
//! `ssh-keygen -Y verify` checks the signature without this program. The statement (in-toto v1, in a
//! DSSE envelope, Ed25519 over the pre-authentication encoding by the same key) says the same to tools
//! that read attestations. The tag manifest lists the envelope, so the SSH signature covers every byte
//! of it; its own signature is checked here all the same, as those tools would.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use serde_json::Value;
use signature::Verifier as _;
use ssh_key::{
    Algorithm, HashAlg, LineEnding, PrivateKey, PublicKey, Signature, SigningKey, SshSig,
};

use super::bag;
use super::commit::{self, Secret};
use super::error::{CommitError, LayoutError, SignatureError};
use super::form::{
    COMMITMENTS_FILE, FORMAT, LOG_FILE, MANIFEST_FILE, MAX_WHOLE, PLAN_FILE, SECRET_FILE,
    SIGNATURE_FILE, STATEMENT_FILE, TAG_MANIFEST_FILE, json,
};
use super::piece::Pieces;
use super::{CheckedBundle, Demand, Plan, Rendering, stamp};
use crate::digest;

/// What a seal is made for, unless said otherwise: `ssh-keygen -Y verify -n` takes it.
pub const NAMESPACE: &str = "parentage-bundle";
/// The type of our predicate.
const PREDICATE: &str = "urn:x-parentage:bundle:1";
const PAYLOAD: &str = "application/vnd.in-toto+json";
/// A key file, or a time stamp, is at most this long.
pub(super) const MAX_SMALL: u64 = 1 << 20;

/// A bundle could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key file cannot be read.
    #[error("cannot read key file '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Not an OpenSSH key, or a wrong passphrase.
    #[error("cannot use key file '{}'", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: ssh_key::Error,
    },
    /// A signers file with a line of another shape.
    #[error("line {line} of '{}' is neither a public key nor a principal with one", path.display())]
    Signer {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// Another kind of key.
    #[error("'{}' is no Ed25519 key (ssh-keygen -t ed25519 makes one)", path.display())]
    Algorithm {
        /// The file.
        path: PathBuf,
    },
    /// There was no passphrase to be had.
    #[error("'{}' is encrypted, and there is no passphrase", path.display())]
    Passphrase {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Pieces could not be committed to.
    #[error("cannot commit to the pieces of '{}'", path.display())]
    Commit {
        /// The bundle.
        path: PathBuf,
        /// The cause.
        #[source]
        source: CommitError,
    },
    /// There was no randomness to be had.
    #[error("the operating system gives no random bytes")]
    Random(#[source] io::Error),
    /// Signing failed.
    #[error("cannot sign")]
    Sign(#[source] ssh_key::Error),
    /// A seal is there already.
    #[error("'{}' is sealed already", path.display())]
    Sealed {
        /// The bundle.
        path: PathBuf,
    },
    /// A time stamp dates a seal, and there is none.
    #[error("'{}' is not sealed; give --key first", path.display())]
    Unsealed {
        /// The bundle.
        path: PathBuf,
    },
    /// The reply is no time stamp of this bundle.
    #[error("'{}' is no time stamp of this bundle", path.display())]
    Stamp {
        /// The reply.
        path: PathBuf,
    },
    /// The bundle cannot be written.
    #[error("cannot write the seal")]
    Write(#[source] LayoutError),
}

/// Keys that a reader trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    keys: Vec<PublicKey>,
}

impl Signer {
    /// Reads a public key file, or an `allowed_signers` file without options.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or a line is something else.
    pub fn read(path: &Path) -> Result<Self, SealError> {
        let text = read_small(path)?;
        let mut keys = Vec::new();
        for (i, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let behind = line.split_once(' ').map_or("", |(_, rest)| rest);
            let key = PublicKey::from_openssh(line).or_else(|_| PublicKey::from_openssh(behind));
            keys.push(key.map_err(|_| SealError::Signer {
                path: path.to_owned(),
                line: i + 1,
            })?);
        }
        if keys.is_empty() {
            return Err(SealError::Signer {
                path: path.to_owned(),
                line: 1,
            });
        }
        Ok(Self { keys })
    }
}

fn read_small(path: &Path) -> Result<String, SealError> {
    let failed = |source| SealError::Read {
        path: path.to_owned(),
        source,
    };
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > MAX_SMALL {
        return Err(failed(io::Error::other("it is longer than any key")));
    }
    fs::read_to_string(path).map_err(failed)
}

/// Seals a bundle that was checked; gives the public key that did, as `allowed_signers` wants it.
/// `passphrase` is asked for only if the key is encrypted. With a secret the seal commits to every piece of
/// the bundle, so that a redacted copy can be made of it.
///
/// # Errors
///
/// When the key cannot be used, the bundle is sealed already, or cannot be written.
pub fn seal(
    bundle: &CheckedBundle,
    key: &Path,
    namespace: &str,
    secret: Option<&Secret>,
    passphrase: impl FnOnce() -> io::Result<String>,
) -> Result<String, SealError> {
    let root = bundle.path();
    if root.join(SIGNATURE_FILE).exists() {
        return Err(SealError::Sealed {
            path: root.to_owned(),
        });
    }
    let private = private_key(key, passphrase)?;
    if let Some(secret) = secret {
        commit(bundle, secret)?;
    }
    let keyid = private.fingerprint(HashAlg::Sha256).to_string();
    let payload = statement(root).map_err(SealError::Write)?;
    let signature = sign(&private, &pae(&payload)).map_err(SealError::Sign)?;
    let envelope = envelope(&payload, &keyid, &BASE64.encode(signature));
    bag::put(root, STATEMENT_FILE, &envelope).map_err(SealError::Write)?;
    bag::write_tag_manifest(root).map_err(SealError::Write)?;
    let manifest = bag::whole(root, TAG_MANIFEST_FILE, MAX_WHOLE).map_err(SealError::Write)?;
    let (signature, public) = signature_over(&private, namespace, &manifest)?;
    bag::put(root, SIGNATURE_FILE, signature.as_bytes()).map_err(SealError::Write)?;
    Ok(public)
}

/// An Ed25519 key from its file. `passphrase` is asked for only if the key is encrypted.
pub(super) fn private_key(
    key: &Path,
    passphrase: impl FnOnce() -> io::Result<String>,
) -> Result<PrivateKey, SealError> {
    let unusable = |source| SealError::Key {
        path: key.to_owned(),
        source,
    };
    let mut private = PrivateKey::from_openssh(rewrapped(&read_small(key)?)).map_err(unusable)?;
    if private.algorithm() != Algorithm::Ed25519 {
        return Err(SealError::Algorithm {
            path: key.to_owned(),
        });
    }
    if private.is_encrypted() {
        let passphrase = passphrase().map_err(|source| SealError::Passphrase {
            path: key.to_owned(),
            source,
        })?;
        private = private.decrypt(passphrase).map_err(unusable)?;
    }
    Ok(private)
}

/// The SSH signature over some bytes, and the public key as `allowed_signers` wants it.
pub(super) fn signature_over(
    private: &PrivateKey,
    namespace: &str,
    bytes: &[u8],
) -> Result<(String, String), SealError> {
    let signature = private
        .sign(namespace, HashAlg::Sha512, bytes)
        .and_then(|signature| signature.to_pem(LineEnding::LF))
        .map_err(SealError::Sign)?;
    let public = private.public_key().to_openssh().map_err(SealError::Sign)?;
    // Without the comment, which is nobody's business.
    let public = public.split(' ').take(2).collect::<Vec<_>>().join(" ");
    Ok((signature, public))
}

/// Takes back what a seal that was broken off has left in a bundle: what is not signed is no seal, and beside the bundle's
/// own files it would be refused. Every other file stays listed by the digest that it was listed by. A bundle that is sealed, and
/// one that nobody began to seal, stay as they are.
///
/// # Errors
///
/// When it cannot be read or written.
pub fn take_back(root: &Path) -> Result<(), SealError> {
    const OWN: [&str; 3] = [SECRET_FILE, COMMITMENTS_FILE, STATEMENT_FILE];
    if root.join(SIGNATURE_FILE).exists() || !root.join(TAG_MANIFEST_FILE).exists() {
        return Ok(());
    }
    let take = || {
        bag::sweep(root)?;
        let mut payload = bag::manifest(root, MANIFEST_FILE)?;
        let tags = bag::manifest(root, TAG_MANIFEST_FILE)?;
        let begun = |file: &&'static str| {
            payload.contains_key(*file) || tags.contains_key(*file) || root.join(file).exists()
        };
        if !OWN.iter().any(begun) {
            return Ok(());
        }
        // The lists are mended last: as long as they name one of these, this is not done.
        for path in OWN.map(|file| root.join(file)) {
            if path.exists() {
                fs::remove_file(&path).map_err(|source| LayoutError::Write { path, source })?;
            }
        }
        payload.remove(SECRET_FILE);
        let plan = bag::whole(root, PLAN_FILE, MAX_WHOLE)?;
        let files = bag::walk(root)?;
        match serde_json::from_slice::<Plan>(&plan) {
            Ok(plan) => bag::write_bag(root, &plan.case(), &payload, &files),
            // The check of the bundle says what is wrong with it.
            Err(_) => Ok(()),
        }
    };
    take().map_err(SealError::Write)
}

/// Writes the secret and the commitments, and lists them.
fn commit(bundle: &CheckedBundle, secret: &Secret) -> Result<(), SealError> {
    let root = bundle.path();
    let commitments = Pieces::of(root).and_then(|pieces| pieces.commitments(secret));
    let commitments = commitments.map_err(|source| SealError::Commit {
        path: root.to_owned(),
        source,
    })?;
    let mut payload = bundle.digests.clone();
    let text = secret.text();
    payload.insert(SECRET_FILE.to_owned(), digest::of_bytes(text.as_bytes()));
    let write = || {
        bag::put(root, SECRET_FILE, text.as_bytes())?;
        bag::put(
            root,
            COMMITMENTS_FILE,
            commit::render(&commitments).as_bytes(),
        )?;
        bag::write_bag(root, &bundle.plan.case(), &payload, &bag::walk(root)?)
    };
    write().map_err(SealError::Write)
}

/// The commitments of a bundle that has some are to what it holds, so that no redacted copy of it can show
/// anything else.
fn check_commitments(root: &Path, files: &BTreeMap<String, u64>) -> Result<(), SignatureError> {
    let missing = |file: &str| SignatureError::Uncommitted {
        file: file.to_owned(),
    };
    match (
        files.contains_key(SECRET_FILE),
        files.contains_key(COMMITMENTS_FILE),
    ) {
        (false, false) => return Ok(()),
        (true, false) => return Err(missing(COMMITMENTS_FILE)),
        (false, true) => return Err(missing(SECRET_FILE)),
        (true, true) => {}
    }
    let file = || COMMITMENTS_FILE.to_owned();
    let made = Pieces::of(root).and_then(|pieces| {
        let secret = Secret::read(root)?;
        secret.map_or_else(|| Ok(BTreeMap::new()), |secret| pieces.commitments(&secret))
    });
    let made = made.map_err(|source| SignatureError::Commit {
        file: file(),
        source,
    })?;
    if commit::render(&made).as_bytes() == whole(root, COMMITMENTS_FILE)? {
        return Ok(());
    }
    let found = commit::parse(&whole(root, COMMITMENTS_FILE)?).unwrap_or_default();
    let of = made
        .iter()
        .find(|(path, made)| found.get(*path) != Some(made));
    Err(SignatureError::Commitments {
        file: file(),
        of: of.map_or_else(|| "more than there is".to_owned(), |(path, _)| path.clone()),
    })
}

/// A key with its Base64 in lines of 70, as `ssh-keygen` writes and the reader wants it; other tools write
/// longer lines.
fn rewrapped(pem: &str) -> String {
    let is_mark = |line: &&str| line.starts_with("-----");
    let (marks, body): (Vec<&str>, Vec<&str>) = pem.lines().partition(is_mark);
    let [begin, end] = marks[..] else {
        return pem.to_owned();
    };
    let body: Vec<char> = body.concat().chars().collect();
    let lines = body
        .chunks(70)
        .map(|line| line.iter().collect::<String>() + "\n");
    format!("{begin}\n{}{end}\n", lines.collect::<String>())
}

/// The raw signature over some bytes.
fn sign<K: SigningKey>(key: &K, message: &[u8]) -> Result<Vec<u8>, ssh_key::Error> {
    let signature = key.try_sign(message).map_err(|_| ssh_key::Error::Crypto)?;
    Ok(signature.as_bytes().to_vec())
}

/// An in-toto v1 statement about the payload manifest.
#[derive(Serialize)]
struct Statement {
    #[serde(rename = "_type")]
    kind: &'static str,
    subject: [Subject; 1],
    #[serde(rename = "predicateType")]
    predicate_type: &'static str,
    predicate: Predicate,
}

#[derive(Serialize)]
struct Subject {
    name: &'static str,
    digest: BTreeMap<&'static str, String>,
}

/// What is said of it; every digest is SHA-256.
#[derive(Serialize)]
struct Predicate {
    format: u32,
    plan: String,
    log: String,
    report: String,
    finding: String,
}

/// The statement about a bundle: made from its files, so that making it again checks it.
fn statement(root: &Path) -> Result<Vec<u8>, LayoutError> {
    let of = |file: &str| Ok(digest::of_bytes(&bag::whole(root, file, MAX_WHOLE)?));
    let report = bag::whole(root, Rendering::Json.file(), MAX_WHOLE)?;
    let value: Value = serde_json::from_slice(&report).unwrap_or_default();
    let statement = Statement {
        kind: "https://in-toto.io/Statement/v1",
        subject: [Subject {
            name: MANIFEST_FILE,
            digest: BTreeMap::from([("sha256", of(MANIFEST_FILE)?)]),
        }],
        predicate_type: PREDICATE,
        predicate: Predicate {
            format: FORMAT,
            plan: of(PLAN_FILE)?,
            log: of(LOG_FILE)?,
            report: digest::of_bytes(&report),
            finding: value["finding"].as_str().unwrap_or_default().to_owned(),
        },
    };
    Ok(json(&statement))
}

/// The bytes that a DSSE envelope signs (its protocol, version 1).
fn pae(payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {PAYLOAD} {} ", PAYLOAD.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

fn envelope(payload: &[u8], keyid: &str, signature: &str) -> Vec<u8> {
    json(&serde_json::json!({
        "payloadType": PAYLOAD,
        "payload": BASE64.encode(payload),
        "signatures": [{ "keyid": keyid, "sig": signature }],
    }))
}

/// The step of the check: what is there must hold, and what is demanded must be there.
pub(super) fn check(
    root: &Path,
    demand: &Demand,
    files: &BTreeMap<String, u64>,
) -> Result<String, SignatureError> {
    check_commitments(root, files)?;
    let (signed, stated) = (
        files.contains_key(SIGNATURE_FILE),
        files.contains_key(STATEMENT_FILE),
    );
    let file = || SIGNATURE_FILE.to_owned();
    match (signed, stated, demand.needs_seal()) {
        (false, false, false) => {
            stamp::check_alone(files)?;
            return Ok("none: nobody vouches for this bundle but itself".to_owned());
        }
        (false, false, true) => return Err(SignatureError::Missing { file: file() }),
        (true, false, _) => {
            return Err(SignatureError::Half {
                file: STATEMENT_FILE.to_owned(),
            });
        }
        (false, true, _) => return Err(SignatureError::Half { file: file() }),
        (true, true, _) => {}
    }
    let (key, note) = check_signature(root, demand)?;
    check_statement(root, &key, &key.fingerprint(HashAlg::Sha256).to_string())?;
    Ok(format!("{note}{}", stamp::check(root, files)?))
}

/// The signature over the tag manifest holds, and is by the signer demanded; who signed, in words.
pub(super) fn check_signature(
    root: &Path,
    demand: &Demand,
) -> Result<(PublicKey, String), SignatureError> {
    let pem = whole(root, SIGNATURE_FILE)?;
    let manifest = whole(root, TAG_MANIFEST_FILE)?;
    check_over(SIGNATURE_FILE, &pem, &manifest, demand)
}

/// A signature over some bytes holds, and is by the signer demanded; who signed, in words. `file` is the signature's.
pub(super) fn check_over(
    file: &str,
    pem: &[u8],
    signed: &[u8],
    demand: &Demand,
) -> Result<(PublicKey, String), SignatureError> {
    let file = || file.to_owned();
    let signature = SshSig::from_pem(pem).map_err(|source| SignatureError::Signature {
        file: file(),
        source,
    })?;
    let again = signature.to_pem(LineEnding::LF).unwrap_or_default();
    if again.as_bytes() != pem {
        return Err(SignatureError::Form { file: file() });
    }
    if signature.namespace() != demand.namespace {
        return Err(SignatureError::Namespace {
            file: file(),
            found: signature.namespace().chars().take(200).collect(),
            wanted: demand.namespace.clone(),
        });
    }
    let key = PublicKey::from(signature.public_key().clone());
    key.verify(&demand.namespace, signed, &signature)
        .map_err(|source| SignatureError::Bad {
            file: file(),
            source,
        })?;
    let keyid = key.fingerprint(HashAlg::Sha256).to_string();
    if let Some(signer) = &demand.signer
        && !signer.keys.iter().any(|k| k.key_data() == key.key_data())
    {
        return Err(SignatureError::Foreign {
            file: file(),
            found: keyid,
        });
    }
    let whose = match demand.signer {
        Some(_) => "by the signer demanded",
        None => "by a key that nothing here vouches for (--signer)",
    };
    Ok((key, format!("{keyid}, {whose}")))
}

pub(super) fn whole(root: &Path, file: &str) -> Result<Vec<u8>, SignatureError> {
    bag::whole(root, file, MAX_WHOLE).map_err(|_| SignatureError::Half {
        file: file.to_owned(),
    })
}

/// The statement is the one about this bundle, byte for byte, and its own signature is by the key that
/// sealed the bundle.
fn check_statement(root: &Path, key: &PublicKey, keyid: &str) -> Result<(), SignatureError> {
    let wrong = || SignatureError::Statement {
        file: STATEMENT_FILE.to_owned(),
    };
    let bytes = whole(root, STATEMENT_FILE)?;
    let found: Value = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
    let encoded = found["signatures"][0]["sig"].as_str().unwrap_or_default();
    let raw = BASE64.decode(encoded).map_err(|_| wrong())?;
    let payload = statement(root).map_err(|_| wrong())?;
    if bytes != envelope(&payload, keyid, encoded) {
        return Err(wrong());
    }
    let verified = Signature::new(Algorithm::Ed25519, raw)
        .and_then(|signature| Ok(key.key_data().verify(&pae(&payload), &signature)?));
    verified.map_err(|source| SignatureError::Envelope {
        file: STATEMENT_FILE.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pre_authentication_encoding_is_that_of_the_protocol() {
        // The protocol's own example has another type; lengths are decimal, in bytes.
        assert_eq!(
            pae("h\u{e9}".as_bytes()),
            "DSSEv1 28 application/vnd.in-toto+json 3 h\u{e9}".as_bytes()
        );
    }

    #[test]
    fn keys_of_other_tools_are_wrapped_anew() {
        let body = "A".repeat(150);
        let pem = |width: usize| {
            let lines = body
                .as_bytes()
                .chunks(width)
                .map(|l| String::from_utf8_lossy(l) + "\n");
            format!(
                "-----BEGIN X-----\n{}-----END X-----\n",
                lines.collect::<String>()
            )
        };
        assert_eq!(rewrapped(&pem(76)), pem(70));
        assert_eq!(rewrapped(&pem(70)), pem(70));
        assert_eq!(rewrapped("no key"), "no key");
    }
}
