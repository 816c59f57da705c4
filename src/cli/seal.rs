//! `parentage seal`: a signature and a time stamp for a bundle that verifies.

use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::process::{Command, ExitCode};

use rand::TryRng as _;
use rand::rngs::SysRng;

use super::args::{Common, Seal};
use super::error::CliError;
use super::verify::checked;
use crate::bundle::{
    Demand, SealError, Secret, Stamp, seal, stamp_request, store_stamp, take_back,
};

/// Where the passphrase of an encrypted key is looked for before it is asked for.
const PASSPHRASE: &str = "PARENTAGE_KEY_PASSPHRASE";

pub(super) fn run(
    args: &Seal,
    common: &Common,
    stdout: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let demand = Demand {
        namespace: args.namespace.clone(),
        ..Demand::default()
    };
    if args.key.is_some() {
        take_back(&args.bundle)?;
    }
    // Nobody should put a name to what does not hold.
    let (bundle, _) = checked(&args.bundle, &demand, &mut |_, _| ())?;
    let mut lines = Vec::new();
    let mut public = None;
    if let Some(key) = &args.key {
        let key = seal(&bundle, key, &args.namespace, Some(&secret()?), passphrase)?;
        let (namespace, path) = (&args.namespace, args.bundle.display());
        lines.push(format!("Sealed {path} with {key}"));
        lines.push(
            "Whoever has the line 'SIGNER KEY' in a file allowed_signers can check it:".to_owned(),
        );
        lines.push(format!(
            "  ssh-keygen -Y verify -f allowed_signers -I SIGNER -n {namespace} -s {path}/tagmanifest-sha256.txt.sig < {path}/tagmanifest-sha256.txt"
        ));
        public = Some(key);
    }
    let mut stamps = Vec::new();
    if args.tsa_request {
        stamps.push(stamp_request(&bundle)?);
    }
    if let Some(reply) = &args.tsa_reply {
        stamps.push(store_stamp(&bundle, reply)?);
    }
    for stamp in &stamps {
        lines.push(match stamp {
            Stamp::Request(path) => format!(
                "Send {} to a time stamp authority (Content-Type: application/timestamp-query), then give its answer with --tsa-reply",
                path.display()
            ),
            Stamp::Reply(path) => format!(
                "Stored {path}; check it with: openssl ts -verify -in {path} -data {}/tagmanifest-sha256.txt -CAfile AUTHORITY.pem",
                args.bundle.display(),
                path = path.display(),
            ),
        });
    }
    let text = if common.json {
        let summary = serde_json::json!({ "bundle": args.bundle, "key": public, "namespace": args.namespace });
        format!("{summary}\n")
    } else {
        lines.join("\n") + "\n"
    };
    stdout
        .write_all(text.as_bytes())
        .map_err(CliError::Output)?;
    Ok(ExitCode::SUCCESS)
}

/// A secret from the operating system: the one thing in a bundle that must not come out again the same.
fn secret() -> Result<Secret, SealError> {
    let mut bytes = [0; 32];
    let drawn = SysRng.try_fill_bytes(&mut bytes);
    drawn.map_err(|e| SealError::Random(io::Error::other(e)))?;
    Ok(Secret::new(bytes))
}

/// The passphrase of an encrypted key, from the environment or the terminal.
pub(super) fn passphrase() -> io::Result<String> {
    if let Ok(passphrase) = std::env::var(PASSPHRASE) {
        return Ok(passphrase);
    }
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(io::Error::other(format!("set {PASSPHRASE}")));
    }
    write!(io::stderr(), "Passphrase: ")?;
    let shown = Command::new("stty").arg("-echo").status();
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    if shown.is_ok_and(|status| status.success()) {
        // Whatever was read, the terminal shows again what is typed.
        let _ = Command::new("stty").arg("echo").status();
        writeln!(io::stderr())?;
    }
    read?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
