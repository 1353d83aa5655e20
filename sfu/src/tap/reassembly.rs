//! One stream's way from RTP packets to frames: order, then whole pictures.
//!
//! A stream may go on from another source (a simulcast layer, say), whose sequence numbers and
//! timestamps have nothing to do with the former's; out of here comes one line of frames.

use std::time::Duration;

use bytes::Bytes;
use vbranch_domain::{
    EncodedFrame, Leg, MediaKind, Mono, Payload, RtpTime, TapItem, TrackId,
    tap::{NtpTime, SenderReport},
};

use super::{
    h264::{AccessUnit, Malformed},
    reorder::{Ordered, Reorder},
    timeline::Timeline,
    vp8,
};
use crate::{
    codec::VideoCodec,
    stream::nack::{MAX_AGE_AUDIO, MAX_AGE_VIDEO},
};

/// After a pause this long (camera off, a stalled sender) a player has given the picture up and
/// shows nothing until a key frame. Shorter asks needlessly; longer leaves a replay black.
const RESUME_AFTER: Duration = Duration::from_secs(1);

/// The parts of an RTP packet that reassembly needs.
#[derive(Debug, Clone)]
pub(crate) struct RtpPacket {
    /// Which of the sender's streams it is of: any number that is another for each SSRC. After a
    /// change nothing of the former source may come.
    pub(crate) source: u32,
    /// How the picture is coded, by its payload type; `None` for sound.
    pub(crate) codec: Option<VideoCodec>,
    pub(crate) seq: u16,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) payload: Bytes,
    pub(crate) arrived: Mono,
}

/// Reassembles one track of one leg. Sans-IO: time comes in with the packets.
#[derive(Debug)]
pub(crate) struct Stream {
    track: TrackId,
    leg: Leg,
    reorder: Reorder<RtpPacket>,
    /// The source in use.
    source: Option<u32>,
    codec: Option<VideoCodec>,
    timeline: Timeline,
    last_frame_at: Option<Mono>,
    /// Another source or coding has begun and nothing can be decoded before its key frame.
    begins: bool,
    unit: Option<PartialUnit>,
    /// The unit being collected has a hole and must not be given out.
    damaged: bool,
}

#[derive(Debug)]
struct PartialUnit {
    timestamp: u32,
    rtp_time: RtpTime,
    arrived: Mono,
    picture: Picture,
}

/// A picture being collected.
#[derive(Debug)]
enum Picture {
    H264(AccessUnit),
    Vp8(vp8::Frame),
}

impl Picture {
    fn new(codec: VideoCodec) -> Self {
        match codec {
            VideoCodec::H264 => Self::H264(AccessUnit::default()),
            VideoCodec::Vp8 => Self::Vp8(vp8::Frame::default()),
        }
    }

    const fn codec(&self) -> VideoCodec {
        match self {
            Self::H264(_) => VideoCodec::H264,
            Self::Vp8(_) => VideoCodec::Vp8,
        }
    }

    fn push(&mut self, payload: &Bytes) -> Result<(), Malformed> {
        match self {
            Self::H264(unit) => unit.push(payload),
            Self::Vp8(frame) => frame.push(payload),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::H264(unit) => unit.is_empty(),
            Self::Vp8(frame) => frame.is_empty(),
        }
    }

    /// The picture, and whether it needs no other.
    fn finish(self) -> Option<(Payload, bool)> {
        match self {
            Self::H264(unit) => unit.finish().map(|(nals, idr)| (Payload::H264(nals), idr)),
            Self::Vp8(frame) => frame.finish().map(|(data, key)| (Payload::Vp8(data), key)),
        }
    }
}

/// What comes out of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Item(TapItem),
    /// Video cannot be decoded from here on: ask the sender for a key frame.
    KeyframeNeeded,
}

/// A missing packet is waited for as long as it is asked for. A recording gains by every packet that
/// comes late, and nobody waits for it.
const fn patience(kind: MediaKind) -> Duration {
    match kind {
        MediaKind::Audio => MAX_AGE_AUDIO,
        MediaKind::Video | MediaKind::Screen => MAX_AGE_VIDEO,
    }
}

impl Stream {
    pub(crate) fn new(track: TrackId, leg: Leg) -> Self {
        Self {
            track,
            leg,
            reorder: Reorder::new(patience(track.kind)),
            source: None,
            codec: None,
            timeline: Timeline::new(track.kind.clock_rate()),
            last_frame_at: None,
            begins: false,
            unit: None,
            damaged: false,
        }
    }

    /// Takes a packet; gives everything that is complete to `out`.
    pub(crate) fn push(&mut self, packet: RtpPacket, out: &mut Vec<Output>) {
        let now = packet.arrived;
        if self.source.replace(packet.source).is_some_and(|source| source != packet.source) {
            self.change_source(now, out);
        }
        self.reorder.push(packet.seq, packet, now);
        self.drain(now, out);
    }

    /// Lets waiting time pass.
    pub(crate) fn handle_timeout(&mut self, now: Mono, out: &mut Vec<Output>) {
        self.drain(now, out);
    }

    pub(crate) fn deadline(&self) -> Option<Mono> {
        self.reorder.deadline()
    }

    /// Gives out what is still held: the stream has ended.
    pub(crate) fn finish(&mut self, now: Mono, out: &mut Vec<Output>) {
        self.reorder.end();
        self.drain(now, out);
    }

    /// A sender report of `source`, its RTP time on the frames' line. `None` when that source is
    /// not the one in use; its report then still serves to change to it without a jump.
    pub(crate) fn sender_report(
        &mut self,
        source: u32,
        ntp: NtpTime,
        rtp_time: u32,
        arrived: Mono,
    ) -> Option<SenderReport> {
        let rtp_time = self.timeline.report(source, ntp, rtp_time)?;
        Some(SenderReport { track: self.track, leg: self.leg, ntp, rtp_time, arrived })
    }

    /// What the former source left is given out or given up.
    fn change_source(&mut self, now: Mono, out: &mut Vec<Output>) {
        self.finish(now, out);
        self.reorder = Reorder::new(patience(self.track.kind));
        // Its last picture may not have been handed over whole.
        self.unit = None;
        self.damaged = false;
        self.begins = true;
    }

    fn drain(&mut self, now: Mono, out: &mut Vec<Output>) {
        while let Some(ordered) = self.reorder.pop(now) {
            match ordered {
                Ordered::Packet(packet) => self.take(packet, out),
                Ordered::Missing(packets) => self.lose(packets, now, out),
            }
        }
    }

    fn take(&mut self, packet: RtpPacket, out: &mut Vec<Output>) {
        // Padding-only packets probe bandwidth and carry no media (RFC 3550 section 5.1).
        if packet.payload.is_empty() {
            return;
        }
        if let Some(codec) = packet.codec {
            return self.take_video(packet, codec, out);
        }
        let rtp_time = self.timeline.place(packet.source, packet.timestamp, packet.arrived);
        out.push(self.frame(rtp_time, packet.arrived, true, Payload::Opus(packet.payload)));
    }

    fn take_video(&mut self, packet: RtpPacket, codec: VideoCodec, out: &mut Vec<Output>) {
        let belongs = |unit: &PartialUnit| {
            unit.timestamp == packet.timestamp && unit.picture.codec() == codec
        };
        if self.unit.as_ref().is_some_and(|unit| !belongs(unit)) {
            // The marker of the former unit was lost or never set: its end is here.
            self.close_unit(out);
        }
        self.begins |= self.codec.replace(codec).is_some_and(|former| former != codec);
        let timeline = &mut self.timeline;
        let unit = self.unit.get_or_insert_with(|| PartialUnit {
            timestamp: packet.timestamp,
            rtp_time: timeline.place(packet.source, packet.timestamp, packet.arrived),
            arrived: packet.arrived,
            picture: Picture::new(codec),
        });
        unit.arrived = packet.arrived;
        // A damaged unit is never given out, so nothing more of it is kept.
        if !self.damaged && unit.picture.push(&packet.payload).is_err() {
            self.damaged = true;
            unit.picture = Picture::new(codec);
            out.push(Output::KeyframeNeeded);
        }
        if packet.marker {
            self.close_unit(out);
        }
    }

    fn close_unit(&mut self, out: &mut Vec<Output>) {
        let Some(unit) = self.unit.take() else { return };
        if std::mem::take(&mut self.damaged) {
            return;
        }
        let Some((payload, keyframe)) = unit.picture.finish() else { return };
        let resumed = self.last_frame_at.is_some_and(|at| unit.arrived.since(at) >= RESUME_AFTER);
        self.last_frame_at = Some(unit.arrived);
        if keyframe {
            self.begins = false;
        } else if resumed || self.begins {
            out.push(Output::KeyframeNeeded);
        }
        out.push(self.frame(unit.rtp_time, unit.arrived, keyframe, payload));
    }

    fn lose(&mut self, packets: u32, at: Mono, out: &mut Vec<Output>) {
        // The hole is inside the unit being collected, or it swallowed the start of the next one.
        self.damaged |= self.unit.as_ref().is_some_and(|unit| !unit.picture.is_empty());
        let (track, leg) = (self.track, self.leg);
        out.push(Output::Item(TapItem::Lost { track, leg, packets, at }));
        if self.track.kind != MediaKind::Audio {
            out.push(Output::KeyframeNeeded);
        }
    }

    fn frame(&self, rtp_time: RtpTime, arrived: Mono, keyframe: bool, payload: Payload) -> Output {
        let (track, leg) = (self.track, self.leg);
        Output::Item(TapItem::Frame(EncodedFrame {
            track,
            leg,
            rtp_time,
            arrived,
            keyframe,
            payload,
        }))
    }
}

#[cfg(test)]
#[path = "reassembly_tests.rs"]
mod tests;
