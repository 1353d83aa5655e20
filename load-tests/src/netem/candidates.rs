//! Sending a client to the relay: the server's answer names other addresses.

use std::net::{IpAddr, SocketAddr};

/// The answer has no UDP candidate whose address could be put in the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer has no UDP candidate")]
pub struct NoCandidate;

/// The first UDP candidate of an answer (RFC 8839 section 5.1): where the relay has to send to.
///
/// # Errors
/// [`NoCandidate`] where there is none.
pub fn first_udp(answer: &str) -> Result<SocketAddr, NoCandidate> {
    answer.lines().filter_map(parse).find_map(|c| c.udp).ok_or(NoCandidate)
}

/// The answer with the relay in the place of the server: every section that had candidates has the
/// relay's address as its only one.
///
/// # Errors
/// [`NoCandidate`] where the server gave no UDP address.
pub fn through(relay: SocketAddr, answer: &str) -> Result<String, NoCandidate> {
    let server = first_udp(answer)?;
    let line = |line: &str| match parse(line) {
        None => Some(line.to_owned()),
        Some(candidate) if candidate.udp == Some(server) => {
            let Candidate { head, tail, .. } = candidate;
            Some(format!("{head} {} {} {tail}", relay.ip(), relay.port()))
        }
        Some(_) => None,
    };
    Ok(answer.lines().filter_map(line).map(|line| line + "\r\n").collect())
}

struct Candidate<'a> {
    /// Foundation, component, transport and priority.
    head: String,
    udp: Option<SocketAddr>,
    /// From `typ` on.
    tail: &'a str,
}

/// A line that is a candidate, whatever its kind.
fn parse(line: &str) -> Option<Candidate<'_>> {
    let value = line.strip_prefix("a=candidate:")?;
    let mut words = value.splitn(7, ' ');
    let head: Vec<&str> = words.by_ref().take(4).collect();
    let ip = words.next().and_then(|ip| ip.parse::<IpAddr>().ok());
    let port = words.next().and_then(|port| port.parse::<u16>().ok());
    let is_udp = head.get(2).is_some_and(|transport| transport.eq_ignore_ascii_case("udp"));
    Some(Candidate {
        head: format!("a=candidate:{}", head.join(" ")),
        udp: ip.zip(port).filter(|_| is_udp).map(SocketAddr::from),
        tail: words.next().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\na=ice-lite\r\nm=audio 9 X 111\r\n\
        a=candidate:1 1 udp 2130706431 127.0.0.1 7880 typ host generation 0\r\n\
        a=candidate:1 1 tcp 1 127.0.0.1 7880 typ host tcptype passive\r\n\
        a=candidate:2 1 UDP 2130706431 192.0.2.7 7880 typ host\r\na=mid:0\r\nm=video 9 X 96\r\n";

    #[test]
    fn the_relay_is_the_only_way_to_the_server() {
        assert_eq!(first_udp(ANSWER), Ok("127.0.0.1:7880".parse().unwrap()));
        assert_eq!(
            through("127.0.0.1:4000".parse().unwrap(), ANSWER).unwrap(),
            "v=0\r\na=ice-lite\r\nm=audio 9 X 111\r\n\
             a=candidate:1 1 udp 2130706431 127.0.0.1 4000 typ host generation 0\r\n\
             a=mid:0\r\nm=video 9 X 96\r\n"
        );
    }

    #[test]
    fn an_answer_without_udp_cannot_be_relayed() {
        for answer in ["", "v=0\r\n", "a=candidate:1 1 tcp 1 127.0.0.1 7880 typ host\r\n"] {
            assert_eq!(through("127.0.0.1:4000".parse().unwrap(), answer), Err(NoCandidate));
        }
    }
}
