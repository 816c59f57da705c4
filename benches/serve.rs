//! How many requests a second `parentage serve` answers.
//!
//! ```text
//! cargo bench --bench serve -- MODEL [--requests N] [--length WORDS]
//! ```
//!
//! Three kinds of request (the probability of a given text, what follows a text, sixteen tokens written)
//! at 1, 16 and 128 at a time, on one prompt repeated and on distinct ones. Figures are printed as JSON
//! lines. Server and clients share the machine's cores.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const WORDS: [&str; 8] = [
    "morning", "baker", "opens", "shop", "first", "loaves", "gone", "before",
];

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Arguments {
    model: String,
    requests: usize,
    length: usize,
}

impl Arguments {
    fn parse() -> Outcome<Self> {
        // Cargo adds `--bench`.
        let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
        let mut parsed = Self {
            model: String::new(),
            requests: 1000,
            length: 40,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--requests" => parsed.requests = value()?.parse()?,
                "--length" => parsed.length = value()?.parse()?,
                _ => parsed.model = word,
            }
        }
        if parsed.model.is_empty() || parsed.requests == 0 {
            return Err("usage: serve MODEL [--requests N] [--length WORDS]".into());
        }
        Ok(parsed)
    }
}

fn main() -> Outcome<()> {
    let arguments = Arguments::parse()?;
    let mut child = Command::new(env!("CARGO_BIN_EXE_parentage"))
        .args(["serve", &arguments.model, "--port", "0"])
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("no output")?;
    let _server = Server(child);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let address = line
        .trim()
        .strip_prefix("listening on ")
        .ok_or("no address")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    for kind in ["score", "next", "write"] {
        for distinct in [false, true] {
            for clients in [1, 16, 128] {
                let bodies = Arc::new(bodies(&arguments, kind, distinct));
                let seconds = runtime.block_on(ask(address, &bodies, clients))?;
                let figures = json!({
                    "kind": kind,
                    "prompts": if distinct { "distinct" } else { "repeated" },
                    "clients": clients,
                    "requests": bodies.len(),
                    "per_second": bodies.len() as f64 / seconds,
                    "milliseconds": 1e3 * seconds * clients as f64 / bodies.len() as f64,
                });
                println!("{figures}");
            }
        }
    }
    Ok(())
}

fn bodies(arguments: &Arguments, kind: &str, distinct: bool) -> Vec<String> {
    (0..arguments.requests)
        .map(|number| {
            // Numbers first, so that distinct prompts share no beginning.
            let first = if distinct { number } else { 0 };
            let words = (0..arguments.length).map(|i| WORDS[(first + i * i) % WORDS.len()]);
            let words: Vec<&str> = words.collect();
            let mut body =
                json!({"prompt": format!("{first} {}", words.join(" ")), "seed": number});
            let more = match kind {
                "score" => json!({"max_tokens": 0, "echo": true, "logprobs": 0}),
                "next" => json!({"max_tokens": 1, "logprobs": 20}),
                _ => json!({"max_tokens": 16}),
            };
            if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
                body.extend(more);
            }
            body.to_string()
        })
        .collect()
}

/// Seconds until all are answered by so many clients.
#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark is about time; nothing else depends on it"
)]
async fn ask(address: &str, bodies: &Arc<Vec<String>>, clients: usize) -> Outcome<f64> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{address}/v1/completions");
    let next = Arc::new(AtomicUsize::new(0));
    let start = std::time::Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..clients {
        let (client, url, next, bodies) = (
            client.clone(),
            url.clone(),
            Arc::clone(&next),
            Arc::clone(bodies),
        );
        tasks.push(tokio::spawn(async move {
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                let request = client.post(&url).header("content-type", "application/json");
                let reply = request.body(body.clone()).send().await?;
                let status = reply.status();
                let bytes = reply.bytes().await?;
                if !status.is_success() {
                    return Err(String::from_utf8_lossy(&bytes).into_owned().into());
                }
            }
            Outcome::Ok(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(start.elapsed().as_secs_f64())
}
