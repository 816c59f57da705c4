//! Endpoints on this machine, with a proxy in the environment.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use super::*;

/// Where the process of its own finds its server.
const URL: &str = "PARENTAGE_TEST_PROXY_URL";

#[test]
fn what_stays_on_this_machine_passes_no_proxy() {
    if let Ok(url) = std::env::var(URL) {
        let model = HostedModel::new(endpoint(&url), brisk(), checked()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let tally = record(&model, &questions(4), directory.path()).unwrap();
        assert_eq!(tally.answered, 4);
        return;
    }
    let peer = Peer::start(|asked| well(&asked));
    let name = std::thread::current().name().unwrap().to_owned();
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
        proxy.set_nonblocking(true).unwrap();
        let before = peer.asked();
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &name])
            .env(URL, peer.url())
            .env_remove("NO_PROXY")
            .env_remove("no_proxy")
            .env(variable, format!("http://{}", proxy.local_addr().unwrap()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        // Who went to the proxy stands in its queue.
        assert!(proxy.accept().is_err(), "{variable} was obeyed");
        assert!(status.success(), "{variable}");
        assert!(peer.asked() >= before + 4);
    }
}
