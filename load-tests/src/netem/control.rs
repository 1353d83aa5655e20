//! Relays for a program of another language: one JSON object a line in, one a line out.
//!
//! `{"open":{"answer":"v=0…","network":{},"seed":1}}` takes a server's SDP answer, and is answered
//! with the one to give to the client, which leads through the relay:
//! `{"opened":{"relay":0,"answer":"v=0…"}}`. Relays are numbered from 0 and end with the stream.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

use super::{
    candidates::{first_udp, through},
    conditions::Network,
    relay::{Relay, Totals},
};

/// Relays of one stream; opening more is refused.
const RELAYS: usize = 256;

/// What is asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Opens a relay to a server.
    Open {
        /// The server's answer, which says where the relay has to send to.
        answer: String,
        /// What is wrong between a client and the server.
        #[serde(default)]
        network: Network,
        /// What chance draws from.
        #[serde(default)]
        seed: u64,
    },
    /// Other conditions from now on.
    Change {
        /// Which relay.
        relay: usize,
        /// The new conditions.
        network: Network,
    },
    /// Nothing passes for a time.
    BlackOut {
        /// Which relay.
        relay: usize,
        /// For how many milliseconds.
        ms: u64,
    },
    /// The server sees clients come from new ports.
    ChangeAddress {
        /// Which relay.
        relay: usize,
    },
    /// What became of the packets.
    Totals {
        /// Which relay.
        relay: usize,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// A relay is open.
    Opened {
        /// Its number.
        relay: usize,
        /// The answer with the relay in the place of the server.
        answer: String,
    },
    /// It was done.
    Done,
    /// What became of the packets.
    Totals(Totals),
    /// It could not be done.
    Error(String),
}

/// Reads commands until the stream ends.
///
/// # Errors
/// When a stream breaks. What is wrong with a command is replied.
pub async fn serve(
    commands: impl AsyncRead + Unpin,
    mut replies: impl AsyncWrite + Unpin,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(commands).lines();
    let mut relays = vec![];
    while let Some(line) = lines.next_line().await? {
        let reply = match serde_json::from_str(&line) {
            Ok(command) => obey(command, &mut relays).await,
            Err(error) => Reply::Error(error.to_string()),
        };
        let mut text = serde_json::to_string(&reply)?;
        text.push('\n');
        replies.write_all(text.as_bytes()).await?;
        replies.flush().await?;
    }
    Ok(())
}

async fn obey(command: Command, relays: &mut Vec<Relay>) -> Reply {
    match run(command, relays).await {
        Ok(reply) => reply,
        Err(error) => Reply::Error(error.to_string()),
    }
}

async fn run(command: Command, relays: &mut Vec<Relay>) -> std::io::Result<Reply> {
    let missing = || std::io::Error::other("there is no such relay");
    let failed = std::io::Error::other;
    match command {
        Command::Open { .. } if relays.len() >= RELAYS => {
            return Err(std::io::Error::other("too many relays"));
        }
        Command::Open { answer, network, seed } => {
            let server = first_udp(&answer).map_err(std::io::Error::other)?;
            let relay = Relay::open(server, network, seed).await?;
            let answer = through(relay.address(), &answer).map_err(std::io::Error::other)?;
            relays.push(relay);
            return Ok(Reply::Opened { relay: relays.len() - 1, answer });
        }
        Command::Change { relay, network } => {
            relays.get(relay).ok_or_else(missing)?.change(network).await.map_err(failed)?;
        }
        Command::BlackOut { relay, ms } => {
            let relay = relays.get(relay).ok_or_else(missing)?;
            relay.black_out(Duration::from_millis(ms)).await.map_err(failed)?;
        }
        Command::ChangeAddress { relay } => {
            relays.get(relay).ok_or_else(missing)?.change_address().await?;
        }
        Command::Totals { relay } => {
            let relay = relays.get(relay).ok_or_else(missing)?;
            return Ok(Reply::Totals(relay.totals().await.map_err(failed)?));
        }
    }
    Ok(Reply::Done)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ANSWER: &str = "a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n";

    #[tokio::test]
    async fn a_program_opens_and_steers_a_relay() {
        let open = |answer: &str, network: serde_json::Value| json!({ "open": { "answer": answer, "network": network } });
        let commands = [
            open(ANSWER, json!({ "up": { "loss": { "uniform": 0.1 }, "delay_ms": 50 } })),
            json!({ "black_out": { "relay": 0, "ms": 5_000 } }),
            json!({ "change": { "relay": 0, "network": { "down": { "rate_bps": 300_000 } } } }),
            json!({ "change_address": { "relay": 7 } }),
            open(ANSWER, json!({ "up": { "loss": { "uniform": 2 } } })),
            open("v=0\r\n", json!({})),
        ];
        let script: String = commands.iter().map(|command| format!("{command}\n")).collect();
        let mut replies = vec![];
        serve(script.as_bytes(), &mut replies).await.unwrap();
        let text = String::from_utf8(replies).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let led = r#"{"opened":{"relay":0,"answer":"a=candidate:1 1 udp 1 127.0.0.1 "#;
        assert!(lines[0].starts_with(led) && !lines[0].contains(" 9 typ"), "{text}");
        assert_eq!(lines[1..3], [r#""done""#, r#""done""#]);
        assert!(lines[3].contains("no such relay") && lines[4].contains("between 0 and 1"));
        assert!(lines[5].contains("no UDP candidate"), "{text}");
    }
}
