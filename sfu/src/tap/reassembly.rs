//! One stream's way from RTP packets to frames: order, then access units.

use std::time::Duration;

use bytes::Bytes;
use vbranch_domain::{
    EncodedFrame, Leg, MediaKind, Mono, Payload, RtpTime, TapItem, TrackId,
    tap::{NtpTime, SenderReport},
};

use super::{
    h264::AccessUnit,
    reorder::{Ordered, Reorder},
};

/// After a pause this long (camera off, a stalled sender) a player has given the picture up and
/// shows nothing until a key frame. Shorter asks needlessly; longer leaves a replay black.
const RESUME_AFTER: Duration = Duration::from_secs(1);

/// A recording has a key frame at least this often, though browsers send none unasked. More seldom
/// and a seek in a replay has to fetch from further back; more often and the picture, at the same
/// bit rate, is worse for the people in the call.
const KEYFRAME_EVERY: Duration = Duration::from_secs(10);

/// The parts of an RTP packet that reassembly needs.
#[derive(Debug, Clone)]
pub(crate) struct RtpPacket {
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
    /// The extended timestamp seen last, for extending the next one.
    last_time: Option<RtpTime>,
    last_frame_at: Option<Mono>,
    last_keyframe_at: Option<Mono>,
    unit: Option<PartialUnit>,
    /// The unit being collected has a hole and must not be given out.
    damaged: bool,
}

#[derive(Debug, Default)]
struct PartialUnit {
    timestamp: u32,
    arrived: Mono,
    nals: AccessUnit,
}

/// What comes out of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Item(TapItem),
    /// Video cannot be decoded from here on: ask the sender for a key frame.
    KeyframeNeeded,
}

impl Stream {
    pub(crate) fn new(track: TrackId, leg: Leg) -> Self {
        Self {
            track,
            leg,
            reorder: Reorder::default(),
            last_time: None,
            last_frame_at: None,
            last_keyframe_at: None,
            unit: None,
            damaged: false,
        }
    }

    /// Takes a packet; gives everything that is complete to `out`.
    pub(crate) fn push(&mut self, packet: RtpPacket, out: &mut Vec<Output>) {
        let now = packet.arrived;
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

    /// A sender report, its RTP time extended like the frames'. `None` before the first packet.
    pub(crate) fn sender_report(
        &self,
        ntp: NtpTime,
        rtp_time: u32,
        arrived: Mono,
    ) -> Option<SenderReport> {
        let rtp_time = extend(self.last_time?, rtp_time);
        Some(SenderReport { track: self.track, leg: self.leg, ntp, rtp_time, arrived })
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
        match self.track.kind {
            MediaKind::Audio => {
                let payload = Payload::Opus(packet.payload);
                let frame = self.frame(packet.timestamp, packet.arrived, true, payload);
                out.push(frame);
            }
            MediaKind::Video | MediaKind::Screen => self.take_video(packet, out),
        }
    }

    fn take_video(&mut self, packet: RtpPacket, out: &mut Vec<Output>) {
        if self.unit.as_ref().is_some_and(|unit| unit.timestamp != packet.timestamp) {
            // The marker of the former unit was lost or never set: its end is here.
            self.close_unit(out);
        }
        let unit = self.unit.get_or_insert_with(PartialUnit::default);
        unit.timestamp = packet.timestamp;
        unit.arrived = packet.arrived;
        // A damaged unit is never given out, so nothing more of it is kept.
        if !self.damaged && unit.nals.push(&packet.payload).is_err() {
            self.damaged = true;
            unit.nals = AccessUnit::default();
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
        if let Some((nals, idr)) = unit.nals.finish() {
            let ago = |at: Option<Mono>| at.map(|at| unit.arrived.since(at)).unwrap_or_default();
            let resumed = ago(self.last_frame_at) >= RESUME_AFTER;
            self.last_frame_at = Some(unit.arrived);
            if idr {
                self.last_keyframe_at = Some(unit.arrived);
            } else if resumed || ago(self.last_keyframe_at) >= KEYFRAME_EVERY {
                out.push(Output::KeyframeNeeded);
            }
            out.push(self.frame(unit.timestamp, unit.arrived, idr, Payload::H264(nals)));
        }
    }

    fn lose(&mut self, packets: u32, at: Mono, out: &mut Vec<Output>) {
        // The hole is inside the unit being collected, or it swallowed the start of the next one.
        self.damaged = self.unit.as_ref().is_some_and(|unit| !unit.nals.is_empty());
        let (track, leg) = (self.track, self.leg);
        out.push(Output::Item(TapItem::Lost { track, leg, packets, at }));
        if self.track.kind == MediaKind::Video {
            out.push(Output::KeyframeNeeded);
        }
    }

    fn frame(&mut self, timestamp: u32, arrived: Mono, keyframe: bool, payload: Payload) -> Output {
        let rtp_time = match self.last_time {
            Some(last) => extend(last, timestamp),
            None => RtpTime(u64::from(timestamp)),
        };
        self.last_time = Some(rtp_time);
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

/// The 64-bit time nearest to `reference` whose lower half is `timestamp`; never below zero.
fn extend(reference: RtpTime, timestamp: u32) -> RtpTime {
    let low = reference.0 as u32; // truncation is the point: the lower half
    let ahead = timestamp.wrapping_sub(low);
    RtpTime(if ahead < 1 << 31 {
        reference.0.saturating_add(u64::from(ahead))
    } else {
        reference.0.saturating_sub(u64::from(low.wrapping_sub(timestamp)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use vbranch_domain::ParticipantId;

    fn stream(kind: MediaKind) -> Stream {
        Stream::new(TrackId { participant: ParticipantId::random(), kind }, Leg(0))
    }

    fn packet(seq: u16, timestamp: u32, marker: bool, payload: &'static [u8]) -> RtpPacket {
        let arrived = Mono::from_millis(u64::from(seq));
        RtpPacket { seq, timestamp, marker, payload: Bytes::from_static(payload), arrived }
    }

    fn frames(out: &[Output]) -> Vec<(u64, bool, usize)> {
        out.iter()
            .filter_map(|o| match o {
                Output::Item(TapItem::Frame(f)) => {
                    Some((f.rtp_time.0, f.keyframe, f.payload.len()))
                }
                _ => None,
            })
            .collect()
    }

    #[test]
    fn video_frames_come_out_whole_and_in_order_across_a_timestamp_wrap() {
        let (mut s, mut out) = (stream(MediaKind::Video), vec![]);
        let t = u32::MAX - 1500;
        s.push(packet(1, t, false, &[0x67, 1]), &mut out);
        s.push(packet(3, t.wrapping_add(3000), true, &[0x41, 9]), &mut out);
        s.push(packet(2, t, true, &[0x65, 2, 3]), &mut out);
        let t64 = u64::from(t);
        assert_eq!(frames(&out), [(t64, true, 5), (t64 + 3000, false, 2)]);
    }

    #[test]
    fn a_frame_with_a_hole_is_withheld_and_a_key_frame_asked_for() {
        let (mut s, mut out) = (stream(MediaKind::Video), vec![]);
        s.push(packet(1, 0, false, &[0x7c, 0x81, 1]), &mut out);
        s.push(packet(3, 0, true, &[0x7c, 0x41, 3]), &mut out);
        s.push(packet(4, 3000, true, &[0x41, 4]), &mut out);
        assert_eq!(out, []);
        s.handle_timeout(s.deadline().unwrap(), &mut out);
        assert_eq!(frames(&out), [(3000, false, 2)]);
        assert!(out.contains(&Output::KeyframeNeeded));
        assert!(out.iter().any(|o| matches!(o, Output::Item(TapItem::Lost { packets: 1, .. }))));
    }

    #[test]
    fn a_picture_after_a_pause_is_followed_by_a_key_frame_request() {
        let (mut s, mut out) = (stream(MediaKind::Video), vec![]);
        s.push(packet(1, 0, true, &[0x65, 1]), &mut out);
        s.push(packet(2, 3000, true, &[0x41, 2]), &mut out);
        assert!(!out.contains(&Output::KeyframeNeeded));
        let mut late = packet(3, 99_000, true, &[0x41, 3]);
        late.arrived = Mono::from_millis(1_500);
        s.push(late, &mut out);
        assert!(out.contains(&Output::KeyframeNeeded));
    }

    #[test]
    fn key_frames_are_asked_for_regularly() {
        let (mut s, mut out) = (stream(MediaKind::Video), vec![]);
        s.push(packet(1, 0, true, &[0x65, 1]), &mut out);
        for n in 2..=320u16 {
            let mut next = packet(n, u32::from(n) * 3000, true, &[0x41, 2]);
            next.arrived = Mono::from_millis(u64::from(n) * 33);
            s.push(next, &mut out);
        }
        let asked = out.iter().filter(|o| **o == Output::KeyframeNeeded).count();
        assert!((1..30).contains(&asked), "not before 10 s, and then until it comes: {asked}");
    }

    #[test]
    fn a_sender_report_is_on_the_frames_time_line() {
        let (mut s, mut out) = (stream(MediaKind::Audio), vec![]);
        s.push(packet(1, u32::MAX - 10, true, &[1]), &mut out);
        s.push(packet(2, 949, true, &[1]), &mut out);
        let report = s.sender_report(NtpTime(1), u32::MAX, Mono::ZERO).unwrap();
        assert_eq!(report.rtp_time, RtpTime(u64::from(u32::MAX)));
        assert_eq!(frames(&out)[1].0, u64::from(u32::MAX) + 950);
    }
}
