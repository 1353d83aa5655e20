//! Signaling of bench servers: over TCP, each message a length (32 bits, big endian) and its
//! bytes. The client sends one [`Request`] as JSON, the server one SDP answer, and closes.
//! An empty answer means that the server refused.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

/// Longest message. Chromium's offers are about 10 kB.
const LONGEST: usize = 1 << 20;
/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client that wants in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Which room, or call.
    pub room: usize,
    /// Whether it sends; who does not send gets what the room's sender sends.
    pub publ: bool,
    /// The offer.
    pub sdp: String,
}

/// Sends the request and waits for the answer.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub fn ask(server: SocketAddr, request: &Request) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE).context("bench server")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write(&mut stream, &serde_json::to_vec(request)?)?;
    let answer = read(&mut stream).context("the bench server did not answer")?;
    if answer.is_empty() {
        bail!("the server refused");
    }
    Ok(String::from_utf8(answer)?)
}

/// Reads one message.
///
/// # Errors
/// When the stream ends early, or the message is too long.
pub fn read(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > LONGEST {
        return Err(io::Error::other("the message is too long"));
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message)?;
    Ok(message)
}

/// Writes one message.
///
/// # Errors
/// When the stream breaks.
pub fn write(stream: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(message)
}
