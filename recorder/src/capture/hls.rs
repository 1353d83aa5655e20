//! The playlist of a finished recording (RFC 8216), for replay and export.

use std::{fmt::Write as _, time::Duration};

use crate::segment::InitHash;

/// What a playlist has to know about one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HlsSegment {
    /// Its number.
    pub sequence: u32,
    /// The init section it needs.
    pub init: InitHash,
    /// Offset from the start of the recording.
    pub start: Duration,
    /// Its own length.
    pub duration: Duration,
    /// Whether a decoder can start here.
    pub keyframe: bool,
}

/// What a playlist points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HlsResource {
    /// `ftyp` + `moov`.
    Init(InitHash),
    /// `moof` + `mdat`, by number.
    Segment(u32),
}

/// The VOD playlist of one participant's segments, in order of their numbers.
///
/// A segment counts until the next one starts, so that a gap keeps its length and a position in
/// the playlist is an offset in the recording minus that of the first segment. `uri` gives each
/// resource an address, which must not contain quotes or line breaks.
///
/// A comment, `# key`, stands before each segment that a decoder can start at. HLS has no word for
/// it, and a player that knows need not fetch segments to find out.
///
/// A new init section is no discontinuity (section 4.3.2.3): the timestamps of all segments lie on
/// the recording's one timeline. Said to be one, players place what follows by the length of what
/// came before, and sound that overlaps the change puts everything after it out of step.
pub fn vod_playlist(segments: &[HlsSegment], uri: impl Fn(HlsResource) -> String) -> String {
    let lengths = lengths(segments);
    let longest = lengths.iter().max().copied().unwrap_or_default();
    // Section 4.3.3.1: no EXTINF, rounded, may exceed it; rounding up keeps that.
    let target = longest.as_nanos().div_ceil(1_000_000_000).max(1);
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target}\n\
         #EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:VOD\n"
    );
    let mut init = None;
    for (segment, length) in segments.iter().zip(lengths) {
        if init != Some(segment.init) {
            init = Some(segment.init);
            let address = uri(HlsResource::Init(segment.init));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "#EXT-X-MAP:URI=\"{address}\"");
        }
        if segment.keyframe {
            text.push_str(KEY);
        }
        let address = uri(HlsResource::Segment(segment.sequence));
        let _ = writeln!(text, "#EXTINF:{:.6},\n{address}", length.as_secs_f64());
    }
    text.push_str("#EXT-X-ENDLIST\n");
    text
}

/// Says that the next segment can be started at. A comment (section 4.1).
const KEY: &str = "# key\n";

/// From each segment's start to the next one's; the last one's own length.
fn lengths(segments: &[HlsSegment]) -> Vec<Duration> {
    let mut position = segments.first().map_or(Duration::ZERO, |first| first.start);
    let mut lengths = Vec::with_capacity(segments.len());
    for (i, segment) in segments.iter().enumerate() {
        let end = match segments.get(i + 1) {
            // Sound and picture are not cut at one instant, so a start may lie a little early.
            Some(next) => next.start,
            None => segment.start.saturating_add(segment.duration),
        };
        lengths.push(end.saturating_sub(position));
        position = position.max(end);
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(resource: HlsResource) -> String {
        match resource {
            HlsResource::Init(hash) => format!("init-{}.mp4", hash.0[0]),
            HlsResource::Segment(n) => format!("{n}.m4s"),
        }
    }

    fn segment(sequence: u32, init: u8, start: u64, duration: u64) -> HlsSegment {
        HlsSegment {
            sequence,
            init: InitHash([init; 32]),
            start: Duration::from_millis(start),
            duration: Duration::from_millis(duration),
            keyframe: sequence != 1,
        }
    }

    #[test]
    fn a_gap_keeps_its_length_and_a_new_init_goes_on_with_the_same_time() {
        let segments =
            [segment(0, 1, 500, 1000), segment(1, 1, 1480, 1020), segment(2, 2, 9000, 990)];
        assert_eq!(
            vod_playlist(&segments, uri),
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:8\n#EXT-X-MEDIA-SEQUENCE:0\n\
             #EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI=\"init-1.mp4\"\n# key\n#EXTINF:0.980000,\n0.m4s\n\
             #EXTINF:7.520000,\n1.m4s\n#EXT-X-MAP:URI=\"init-2.mp4\"\n\
             # key\n#EXTINF:0.990000,\n2.m4s\n#EXT-X-ENDLIST\n"
        );
    }

    #[test]
    fn an_empty_recording_has_an_empty_playlist() {
        assert!(vod_playlist(&[], uri).ends_with("#EXT-X-ENDLIST\n"));
    }
}
