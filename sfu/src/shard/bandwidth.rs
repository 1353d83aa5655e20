//! Sharing out what each subscriber's network carries, telling publishers how much is of use, and
//! scoring connections.

use std::time::Duration;

use vbranch_domain::{CallId, MediaKind, Mono, ParticipantId, TrackId};

use super::{Now, Shard};
use crate::{
    call::{
        PeerKey,
        allocate::{Class, Demand, ELASTIC_MOST},
        quality::Observed,
        slots::SlotKind,
    },
    codec::layers::{MAX_LAYERS, MAX_TID, Target},
    handle::SfuEvent,
    peer::Publication,
    stream::repair,
};

/// Bandwidth is shared out this often. More often follows every swing of an estimate; more seldom
/// leaves a picture frozen after a drop.
const SHARE_EVERY: Duration = Duration::from_millis(250);
/// What one sound takes, with redundancy and headers, bit/s.
const AUDIO_BITRATE: u64 = 80_000;
/// A limit is told again when it changed by this share, or after [`TELL_AGAIN`].
const LIMIT_CHANGE_PERCENT: u64 = 3;
const TELL_AGAIN: Duration = Duration::from_secs(1);
/// No publisher is limited below this: less is no picture.
const LEAST_LIMIT: u64 = 100_000;
/// Choices of one source: each simulcast layer with each of its temporal layers.
const MAX_CHOICES: usize = MAX_LAYERS * (MAX_TID as usize + 1);

/// What can be chosen of one source, worst first.
#[derive(Debug, Clone, Copy)]
struct Choices {
    slot: u8,
    source: TrackId,
    /// How long repair takes on the source's way to us.
    repair: Duration,
    class: Class,
    elastic: bool,
    targets: [Target; MAX_CHOICES],
    rates: [u64; MAX_CHOICES],
    count: usize,
}

impl Shard {
    /// Shares out a subscriber's bandwidth when it is due.
    pub(super) fn share_bandwidth(&mut self, key: PeerKey, now: Now) {
        let Some(member) = self.peers.get_mut(&key) else { return };
        if now.mono < member.share_at || !member.peer.is_connected() {
            return;
        }
        member.share_at = now.mono + SHARE_EVERY;
        let choices = self.choices(key, now);
        let demands: Vec<Demand<'_>> = choices
            .iter()
            .map(|c| Demand {
                slot: c.slot,
                source: c.source,
                class: c.class,
                layers: c.rates.get(..c.count).unwrap_or_default(),
                elastic: c.elastic,
            })
            .collect();
        let Some(member) = self.peers.get_mut(&key) else { return };
        for c in &choices {
            let wait = (c.repair + member.repair_down.get()).min(repair::MOST);
            if let Some(slot) = member.peer.slot_mut(usize::from(c.slot)) {
                slot.hold_back(wait);
            }
        }
        let Some(estimate) = member.peer.congestion().estimate() else {
            // Nothing is known of this client's network: it gets the best there is.
            for c in &choices {
                let best = c.count.checked_sub(1).and_then(|n| c.targets.get(n)).copied();
                member.show_layer(c.slot, best);
            }
            return self.score(key, now);
        };
        let sounds = member.peer.slots().iter().filter(|s| s.kind() == SlotKind::Audio);
        let audio = sounds.filter(|s| s.showing().is_some()).count() as u64 * AUDIO_BITRATE;
        let allocation =
            member.allocator.allocate(now.mono, estimate.bitrate.bps(), audio, &demands);
        tracing::debug!(
            participant = %member.participant,
            estimate = estimate.bitrate.bps(), state = ?estimate.state, loss = estimate.loss,
            rtt_ms = estimate.rtt.as_millis() as u64, used = allocation.used,
            next = allocation.next, full = allocation.full, "bandwidth shared out"
        );
        // A publisher without layers fills whatever it may, so only the network sets its limit.
        let elastic = choices.iter().filter(|c| c.elastic).count() as u64 * ELASTIC_MOST;
        let aim = allocation.next.max(allocation.used).max(audio + elastic);
        member.peer.congestion_mut().set_wanted(aim);
        member.wanted = allocation.full;
        let mut limits: Vec<(TrackId, u64)> = vec![];
        for c in &choices {
            let Some(choice) = allocation.choices.get(usize::from(c.slot)) else { continue };
            let target = choice.layer.and_then(|n| c.targets.get(usize::from(n))).copied();
            member.show_layer(c.slot, target);
            if c.elastic {
                limits.push((c.source, choice.bitrate));
            }
        }
        let call = member.call;
        let before = std::mem::replace(&mut member.takes, limits.clone());
        self.limit_publishers(call, before.into_iter().chain(limits), now);
        self.score(key, now);
    }

    fn choices(&self, key: PeerKey, now: Now) -> Vec<Choices> {
        let Some(member) = self.peers.get(&key) else { return vec![] };
        let Some(state) = self.calls.get(&member.call) else { return vec![] };
        let slots = member.peer.slots().iter().enumerate();
        slots
            .filter(|(_, slot)| slot.kind() == SlotKind::Picture)
            .filter_map(|(n, slot)| {
                let source = slot.showing()?;
                let publisher = self.peers.get(&state.call.peer_of(source.participant)?)?;
                let publication = publisher.peer.incoming().publication(source.kind)?;
                let mut choices = Choices {
                    slot: n as u8, // at most MAX_SLOTS
                    source,
                    repair: publisher.repair_up.get(),
                    class: state.call.class(source),
                    elastic: !publication.is_simulcast(),
                    targets: [Target { layer: 0, tid: MAX_TID }; MAX_CHOICES],
                    rates: [0; MAX_CHOICES],
                    count: 0,
                };
                choices.fill(now.mono, publication);
                Some(choices)
            })
            .collect()
    }

    /// Tells the publishers of these pictures how much all their subscribers can take now.
    pub(super) fn limit_publishers(
        &mut self,
        call: CallId,
        takes: impl Iterator<Item = (TrackId, u64)>,
        now: Now,
    ) {
        let mut watched: Vec<ParticipantId> = takes.map(|(track, _)| track.participant).collect();
        watched.sort_unstable();
        watched.dedup();
        for participant in watched {
            let publisher = self.calls.get(&call).and_then(|c| c.call.peer_of(participant));
            if let Some(publisher) = publisher {
                self.limit_publisher(call, publisher, participant, now);
            }
        }
    }

    fn limit_publisher(
        &mut self,
        call: CallId,
        publisher: PeerKey,
        participant: ParticipantId,
        now: Now,
    ) {
        let mut bits = AUDIO_BITRATE;
        let shares = self.peers.get(&publisher).is_some_and(|member| member.screen);
        for kind in [MediaKind::Video, MediaKind::Screen] {
            if kind == MediaKind::Screen && !shares {
                continue;
            }
            let track = TrackId { participant, kind };
            let takes = |m: &super::Member| {
                m.takes.iter().find(|(of, _)| *of == track).map(|(_, bits)| *bits)
            };
            // The least of what subscribers can take: there is one picture for all of them.
            let members = self.calls.get(&call).into_iter().flat_map(|c| c.call.peers());
            let least = members.filter_map(|key| self.peers.get(&key)).filter_map(takes).min();
            // Nobody who could be overwhelmed watches, but the recorder does.
            bits += least.unwrap_or(ELASTIC_MOST);
        }
        let bits = bits.max(LEAST_LIMIT);
        let Some(member) = self.peers.get_mut(&publisher) else { return };
        let due = member.limit_told.is_none_or(|(told, at)| {
            bits.abs_diff(told) * 100 > told * LIMIT_CHANGE_PERCENT
                || now.mono.since(at) >= TELL_AGAIN
        });
        if !due {
            return;
        }
        tracing::debug!(%participant, bits, "told what others can take");
        member.limit_told = Some((bits, now.mono));
        let ssrcs: Vec<u32> = [MediaKind::Video, MediaKind::Screen]
            .into_iter()
            .filter_map(|kind| member.peer.incoming().publication(kind))
            .flat_map(crate::peer::Publication::ssrcs)
            .collect();
        member.peer.limit(bits, &ssrcs);
        self.mark_dirty(publisher);
    }

    /// Scores a connection once a second.
    fn score(&mut self, key: PeerKey, now: Now) {
        let Some(member) = self.peers.get_mut(&key) else { return };
        if !member.meter.is_due(now.mono) {
            return;
        }
        let observed = member.observe(now);
        let Some(quality) = member.meter.update(now.mono, &observed) else { return };
        let (call, participant) = (member.call, member.participant);
        metrics::histogram!("vbranch_sfu_quality_score").record(f64::from(quality.score));
        self.tell(SfuEvent::Quality { call, participant, quality });
    }
}

impl Choices {
    fn fill(&mut self, now: Mono, publication: &Publication) {
        if self.elastic {
            // A source that can be told how much to send is taken whole.
            self.add(Target { layer: 0, tid: MAX_TID }, publication.bitrate(now, 0, MAX_TID));
        } else {
            for layer in publication.order().smallest_first() {
                for tid in 0..=MAX_TID {
                    self.add(Target { layer, tid }, publication.bitrate(now, layer, tid));
                }
            }
        }
        if self.count == 0 {
            // Nothing came in the last second: a publisher that has just begun, a still screen.
            // Its next packet is to be shown at once.
            let smallest = publication.order().smallest_first().next().unwrap_or(0);
            self.add(Target { layer: smallest, tid: MAX_TID }, 1);
        }
    }

    /// Adds a choice that is better than the last; layers without traffic are none.
    fn add(&mut self, target: Target, rate: u64) {
        let last = self.count.checked_sub(1).and_then(|n| self.rates.get(n)).copied();
        if rate <= last.unwrap_or(0) {
            return;
        }
        if let (Some(t), Some(r)) =
            (self.targets.get_mut(self.count), self.rates.get_mut(self.count))
        {
            (*t, *r) = (target, rate);
            self.count += 1;
        }
    }
}

impl super::Member {
    fn show_layer(&mut self, slot: u8, target: Option<Target>) {
        if let Some(slot) = self.peer.slot_mut(usize::from(slot)) {
            slot.set_target(target);
        }
    }

    fn observe(&mut self, now: Now) -> Observed {
        let (interval, jitter) = self.peer.incoming_mut().take_interval();
        let rtt = self.peer.rtt();
        self.repair_up.update(now.mono, interval.share(interval.lost), rtt);
        let estimate = self.peer.congestion().estimate();
        self.repair_down.update(now.mono, estimate.map_or(0.0, |e| e.loss), rtt);
        let slots = self.peer.slots().iter().filter(|slot| slot.showing().is_some());
        let heard = slots.map(|slot| slot.heard());
        let (mut down, mut jitter) = (0u8, jitter);
        for heard in heard {
            down = down.max(heard.fraction_lost);
            jitter = jitter.max(heard.jitter);
        }
        let loss = f32::from(down) / 256.0;
        Observed {
            loss_up: interval.share(interval.lost_after_repair),
            // Reports speak of loss before repair; what a retransmission and a try more cannot
            // bring is about its square.
            loss_down: loss * loss,
            rtt,
            jitter,
            available: estimate.map(|e| e.bitrate.bps()),
            wanted: self.wanted,
            cpu_limited: self.cpu_limited,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        call::allocate::{Allocator, Choice},
        peer::Incoming,
        rtp::{Extensions, RtpHeader},
        sdp::parse_offer,
        shard::tapping::best_layer,
    };

    /// A camera whose page named its layers so, in the offer's order, each with the bytes of its
    /// pictures; 25 of them a second for three seconds.
    fn camera(layers: &[(&str, usize)]) -> (Incoming, Mono) {
        let rids: Vec<&str> = layers.iter().map(|(rid, _)| *rid).collect();
        let lines: String = rids.iter().map(|rid| format!("a=rid:{rid} send\r\n")).collect();
        let offer = parse_offer(&format!(
            "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\n\
             a=fingerprint:sha-256 AA\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n\
             a=rtpmap:96 VP8/90000\r\na=extmap:1 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
             {lines}a=simulcast:send {}\r\n",
            rids.join(";")
        ));
        let sections = offer.unwrap().sections;
        let mut incoming = Incoming::new(&sections, sections[0].extensions);
        let mut now = Mono::ZERO;
        for picture in 0..75u16 {
            now = Mono::from_millis(u64::from(picture) * 40);
            for (ssrc, (rid, len)) in (1u8..).zip(layers) {
                let [s0, s1] = picture.to_be_bytes();
                let packet = [0x80, 0x80 | 96, s0, s1, 0, 0, 0, 0, 0, 0, 0, ssrc];
                let header = RtpHeader::parse(&packet).unwrap();
                let extensions = Extensions { rid: Some(rid.as_bytes()), ..Extensions::default() };
                let mut payload = vec![0x10, 1];
                payload.resize(*len, 0);
                assert!(incoming.receive(now, 7, &header, &extensions, &payload).is_some());
            }
        }
        (incoming, now)
    }

    #[test]
    fn which_layer_is_large_is_what_it_measures_and_not_where_the_offer_names_it() {
        for layers in [
            [("q", 600), ("h", 2_000), ("f", 7_000)],
            [("f", 7_000), ("h", 2_000), ("q", 600)],
            [("h", 2_000), ("f", 7_000), ("q", 600)],
        ] {
            let (incoming, now) = camera(&layers);
            let camera = incoming.publication(MediaKind::Video).unwrap();
            let rid = |layer: u8| layers[usize::from(layer)].0;
            assert_eq!(rid(best_layer(now, camera)), "f", "recorded of {layers:?}");
            let source = TrackId { participant: ParticipantId::random(), kind: MediaKind::Video };
            let mut choices = Choices {
                slot: 0,
                source,
                repair: Duration::ZERO,
                class: Class::Camera,
                elastic: false,
                targets: [Target { layer: 0, tid: 0 }; MAX_CHOICES],
                rates: [0; MAX_CHOICES],
                count: 0,
            };
            choices.fill(now, camera);
            let rates = &choices.rates[..choices.count];
            let shown = |estimate: u64| {
                let demand =
                    Demand { slot: 0, source, class: Class::Camera, layers: rates, elastic: false };
                let choice: Choice =
                    Allocator::default().allocate(now, estimate, 0, &[demand]).choices[0];
                choice.layer.map(|n| rid(choices.targets[usize::from(n)].layer))
            };
            let per_line = [50_000, 300_000, 1_000_000, 4_000_000].map(shown);
            assert_eq!(per_line, [None, Some("q"), Some("h"), Some("f")], "of {layers:?}");
        }
    }
}
