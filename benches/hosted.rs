//! What asking an endpoint costs beside a plain loop over the same client.
//!
//! ```text
//! cargo bench --bench hosted -- [--requests N] [--rounds N]
//! ```
//!
//! A local server answers at once. Each round asks it the same number of questions through `HostedModel`
//! and through a loop that only posts a body and parses the reply; the medians of all rounds are printed.

#![expect(clippy::print_stdout, reason = "the figures are the output")]
#![expect(
    clippy::disallowed_methods,
    reason = "how long it takes is what is measured"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt as _};
use parentage::battery::Pose;
use parentage::model::hosted::{Checked, Endpoint, HostedModel, Options};
use parentage::model::{Abilities, Model as _, Seed};
use parentage::question::{Prompt, Question, Request};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

type Outcome<T> = Result<T, Box<dyn Error>>;

const CONCURRENCY: [usize; 3] = [1, 16, 128];
const PROMPT: &str = "Name a colour that you like and say in one sentence why you like it.";
const ANSWER: &str = "Blue, because the sea looks different every morning and never asks why.";

fn main() -> Outcome<()> {
    let (mut requests, mut rounds) = (4000, 5);
    // Cargo adds `--bench`.
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        match word.as_str() {
            "--requests" => requests = value.parse()?,
            "--rounds" => rounds = value.parse()?,
            _ => return Err(format!("unknown: {word}").into()),
        }
    }
    let address = serve()?;
    println!("{requests} requests a round, median of {rounds} rounds");
    println!();
    println!(
        "| at once | plain loop, a second | HostedModel, a second | of plain | more a request, us |"
    );
    println!("|--:|--:|--:|--:|--:|");
    for concurrency in CONCURRENCY {
        let plain = Plain::new(address, concurrency)?;
        let ours = Ours::new(address, concurrency, requests)?;
        // Opens the connections.
        plain.run(requests / 4)?;
        ours.run(requests / 4)?;
        let (mut of_plain, mut of_ours) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            of_plain.push(plain.run(requests)?);
            of_ours.push(ours.run(requests)?);
        }
        let per_request = |times: Vec<Duration>| median(times).as_secs_f64() / requests as f64;
        let (plain, ours) = (per_request(of_plain), per_request(of_ours));
        println!(
            "| {concurrency} | {:.0} | {:.0} | {:.1} % | {:.1} |",
            1.0 / plain,
            1.0 / ours,
            100.0 * plain / ours,
            1e6 * (ours - plain)
        );
    }
    Ok(())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// The loop without anything.
struct Plain {
    runtime: Runtime,
    client: reqwest::Client,
    url: String,
    concurrency: usize,
}

impl Plain {
    fn new(address: SocketAddr, concurrency: usize) -> Outcome<Self> {
        Ok(Self {
            runtime: Builder::new_current_thread().enable_all().build()?,
            client: reqwest::Client::builder().tcp_nodelay(true).build()?,
            url: format!("http://{address}/v1/chat/completions"),
            concurrency,
        })
    }

    fn run(&self, requests: usize) -> Outcome<Duration> {
        let begun = Instant::now();
        let one = async |seed: usize| {
            let body = body(seed).to_string();
            let sent = self
                .client
                .post(&self.url)
                .header("content-type", "application/json");
            let reply = sent.body(body).send().await.ok()?.bytes().await.ok()?;
            let reply: Value = serde_json::from_slice(&reply).ok()?;
            Some(
                reply["choices"][0]["message"]["content"]
                    .as_str()?
                    .to_owned(),
            )
        };
        let answered = self.runtime.block_on(
            stream::iter(0..requests)
                .map(one)
                .buffer_unordered(self.concurrency)
                .filter(|text| std::future::ready(text.as_deref() == Some(ANSWER)))
                .count(),
        );
        check(answered, requests)?;
        Ok(begun.elapsed())
    }
}

/// What the dialect sends as well, so that both sides write the same.
fn body(seed: usize) -> Value {
    json!({
        "model": "m-1",
        "messages": [{"role": "user", "content": PROMPT}],
        "max_tokens": 32,
        "stream": false,
        "temperature": 1.0,
        "top_p": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "seed": seed,
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
    })
}

/// The whole way.
struct Ours {
    model: HostedModel,
    questions: Vec<Question>,
}

impl Ours {
    fn new(address: SocketAddr, concurrency: usize, requests: usize) -> Outcome<Self> {
        let env = |name: &str| match name {
            "BENCH_BASE_URL" => Some(format!("http://{address}/v1")),
            "BENCH_API_KEY" => Some("sk-bench-0123456789abcdef".to_owned()),
            _ => None,
        };
        let endpoint = Endpoint::parse("openai-api/bench/m-1", &env)?.ok_or("no endpoint")?;
        let checked = Checked {
            abilities: Abilities {
                chat: true,
                raw: false,
                score: false,
                score_chat: false,
                top: 0,
            },
            access: BTreeMap::new(),
            served: None,
            sampling: BTreeMap::new(),
        };
        let options = Options {
            concurrency,
            ..Options::default()
        };
        let question = |sample| Question {
            probe: "bench-1".to_owned(),
            variant: 0,
            prompt: Prompt {
                pose: Pose::Chat,
                text: PROMPT.to_owned(),
                lead: String::new(),
            },
            request: Request::Write {
                sample,
                max_tokens: 32,
            },
        };
        Ok(Self {
            model: HostedModel::new(endpoint, options, checked)?,
            questions: (0..requests).map(question).collect(),
        })
    }

    fn run(&self, requests: usize) -> Outcome<Duration> {
        let begun = Instant::now();
        let mut answered = 0;
        let questions = &self.questions[..requests];
        self.model.answer(questions, Seed(1), &mut |_, answer| {
            let text = parentage::response::Response::Text {
                text: ANSWER.to_owned(),
                tokens: 15,
                finish: parentage::response::Finish::Stop,
            };
            answered += usize::from(answer.response == text);
            ControlFlow::Continue(())
        })?;
        check(answered, requests)?;
        Ok(begun.elapsed())
    }
}

fn check(answered: usize, requests: usize) -> Outcome<()> {
    if answered == requests {
        Ok(())
    } else {
        Err(format!("{answered} of {requests} were answered").into())
    }
}

/// A server that reads a request and answers at once, on a thread of its own.
fn serve() -> Outcome<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener)?;
            loop {
                let (stream, _) = listener.accept().await?;
                tokio::spawn(connection(stream));
            }
            #[expect(unreachable_code, reason = "names the type of the errors above")]
            std::io::Result::Ok(())
        })
    });
    Ok(address)
}

async fn connection(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let body = json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m-1",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": ANSWER},
            "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": 17, "completion_tokens": 15, "total_tokens": 32},
    })
    .to_string();
    let reply = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: 1\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (mut held, mut part) = (Vec::new(), vec![0; 1 << 14]);
    loop {
        let read = stream.read(&mut part).await?;
        if read == 0 {
            return Ok(());
        }
        held.extend_from_slice(&part[..read]);
        while let Some(length) = whole(&held) {
            held.drain(..length);
            stream.write_all(reply.as_bytes()).await?;
        }
    }
}

/// The length of the first request, if all of it is there.
fn whole(held: &[u8]) -> Option<usize> {
    let head = held.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&held[..head]).ok()?.to_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(Some(0), |value| value.trim().parse().ok())?;
    (held.len() >= head + length).then_some(head + length)
}
