//! One media section of an offer, in our terms.

use rtc::sdp::MediaDescription;

use super::codec::PayloadTypes;
use crate::{codec::layers::MAX_LAYERS, rtp::HeaderExtensions};

/// Longest MID or RID taken: they travel in one-byte header extension elements (RFC 8285).
const MAX_ID: usize = 16;

/// Which way media may flow, seen from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Direction {
    pub(crate) send: bool,
    pub(crate) receive: bool,
}

impl Default for Direction {
    /// Where nothing is said (RFC 8866 section 6.7).
    fn default() -> Self {
        Self { send: true, receive: true }
    }
}

impl Direction {
    /// What a session or a media section itself says, which has the attributes that `has` knows.
    pub(super) fn of(has: impl Fn(&'static str) -> bool) -> Option<Self> {
        let (send, receive) = if has("inactive") {
            (false, false)
        } else if has("sendonly") {
            (true, false)
        } else if has("recvonly") {
            (false, true)
        } else if has("sendrecv") {
            (true, true)
        } else {
            return None;
        };
        Some(Self { send, receive })
    }
}

/// A stream the client announced by number: media and, where there is one, its repair stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sending {
    pub(crate) media: u32,
    pub(crate) repair: Option<u32>,
}

/// A media section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) mid: String,
    /// The word after `m=`.
    pub(crate) media: String,
    pub(crate) protocol: String,
    /// The first format, which a refusal has to repeat (RFC 3264 section 6).
    pub(crate) first_format: String,
    pub(crate) audio: bool,
    pub(crate) direction: Direction,
    pub(crate) payload_types: PayloadTypes,
    pub(crate) extensions: HeaderExtensions,
    /// Ids and URIs to repeat in the answer.
    pub(crate) extension_lines: Vec<(u8, String)>,
    /// Simulcast layers the client will send, as it listed them. Which of them is the larger is
    /// measured ([`crate::codec::layers::LayerOrder`]).
    pub(crate) rids: Vec<String>,
    pub(crate) ssrcs: Vec<Sending>,
    /// The client can be told about lost packets.
    pub(crate) nack: bool,
    pub(crate) transport_cc: bool,
    /// RTCP need not come in compounds (RFC 5506).
    pub(crate) reduced_size: bool,
}

impl Section {
    /// Reads a section of a session that says `all` of the direction of its sections; `None`
    /// without a usable MID.
    pub(crate) fn read(media: &MediaDescription, all: Direction) -> Option<Self> {
        let value = |key: &str| media.attribute(key).flatten().map(str::trim);
        let mid = value("mid").unwrap_or("0").to_owned();
        if !is_token(&mid) {
            return None;
        }
        let (mut extensions, mut extension_lines) = (HeaderExtensions::default(), vec![]);
        for (id, uri) in values(media, "extmap").filter_map(extmap) {
            if extensions.learn(id, uri) {
                extension_lines.push((id, uri.to_owned()));
            }
        }
        let name = &media.media_name;
        let feedback: Vec<&str> = values(media, "rtcp-fb").collect();
        let payload_types = PayloadTypes::of(media);
        let has = |pt: Option<u8>, what: &str| {
            pt.is_some_and(|pt| {
                feedback.iter().any(|f| {
                    f.split_once(' ').is_some_and(|(of, kind)| {
                        (of == "*" || of.parse() == Ok(pt)) && kind.trim() == what
                    })
                })
            })
        };
        let audio = name.media == "audio";
        let codec =
            if audio { payload_types.opus } else { payload_types.h264.or(payload_types.vp8) };
        Some(Self {
            mid,
            media: name.media.clone(),
            protocol: name.protos.join("/"),
            first_format: name.formats.first().cloned().unwrap_or_else(|| "0".into()),
            audio,
            direction: direction(media, all),
            payload_types,
            extensions,
            extension_lines,
            rids: rids(media),
            ssrcs: ssrcs(media),
            nack: has(codec, "nack"),
            transport_cc: has(codec, "transport-cc"),
            reduced_size: media.has_attribute("rtcp-rsize"),
        })
    }

    /// Whether we take part in it.
    pub(crate) fn usable(&self) -> bool {
        matches!(self.media.as_str(), "audio" | "video")
            && self.payload_types.any()
            && (self.direction.send || self.direction.receive)
    }
}

fn values<'a>(media: &'a MediaDescription, key: &'a str) -> impl Iterator<Item = &'a str> {
    media.attributes.iter().filter(move |a| a.key == key).filter_map(|a| a.value.as_deref())
}

/// `1 urn:…` or `1/sendonly urn:…`.
fn extmap(line: &str) -> Option<(u8, &str)> {
    let (id, rest) = line.trim().split_once(' ')?;
    let id = id.split('/').next()?.parse().ok()?;
    Some((id, rest.split(' ').next()?))
}

/// Port 0 refuses a section, unless it is one to be bundled or not to be at all (RFC 9143
/// section 6), as webrtcbin offers every section but the first.
fn is_refused(media: &MediaDescription) -> bool {
    media.media_name.port.value == 0 && media.attribute("bundle-only").is_none()
}

/// A session's direction is the default of its sections' (RFC 8866 section 6.7).
fn direction(media: &MediaDescription, all: Direction) -> Direction {
    if is_refused(media) {
        return Direction { send: false, receive: false };
    }
    Direction::of(|key| media.has_attribute(key)).unwrap_or(all)
}

/// The layers of `a=simulcast:send` (RFC 8853) that have an `a=rid:… send` line (RFC 8851).
fn rids(media: &MediaDescription) -> Vec<String> {
    let announced: Vec<&str> = values(media, "rid")
        .filter_map(|line| {
            let mut words = line.split(' ');
            words.next().filter(|_| words.next() == Some("send"))
        })
        .collect();
    let Some(simulcast) = values(media, "simulcast").next() else { return vec![] };
    let mut words = simulcast.split_whitespace();
    while let Some(word) = words.next() {
        if word == "send" {
            let list = words.next().unwrap_or_default().split(';');
            // Alternatives and a leading "~" (starts paused) name the same layer.
            return list
                .filter_map(|layer| layer.split(',').next())
                .map(|layer| layer.trim_start_matches('~'))
                .filter(|layer| is_token(layer) && announced.contains(layer))
                .take(MAX_LAYERS)
                .map(str::to_owned)
                .collect();
        }
    }
    vec![]
}

/// The streams of `a=ssrc-group:FID` and of lone `a=ssrc` lines (RFC 5576).
fn ssrcs(media: &MediaDescription) -> Vec<Sending> {
    let mut streams: Vec<Sending> = values(media, "ssrc-group")
        .filter_map(|line| line.strip_prefix("FID "))
        .filter_map(|pair| {
            let mut words = pair.split_whitespace().map(str::parse);
            match (words.next(), words.next()) {
                (Some(Ok(media)), Some(Ok(repair))) => {
                    Some(Sending { media, repair: Some(repair) })
                }
                _ => None,
            }
        })
        .take(MAX_LAYERS)
        .collect();
    for line in values(media, "ssrc") {
        let Some(Ok(ssrc)) = line.split(' ').next().map(str::parse) else { continue };
        let known = |s: &Sending| s.media == ssrc || s.repair == Some(ssrc);
        if !streams.iter().any(known) && streams.len() < MAX_LAYERS {
            streams.push(Sending { media: ssrc, repair: None });
        }
    }
    streams
}

/// A MID or RID that can be sent in a header extension and repeated in an answer.
fn is_token(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}
