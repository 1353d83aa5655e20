//! One WebRTC client without media of its own: ICE, DTLS and SRTP of crate `str0m`, one socket.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use str0m::{
    Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig,
    change::{SdpAnswer, SdpPendingOffer},
    media::{Direction, KeyframeRequestKind, MediaKind, Mid, Pt},
    net::{Protocol, Receive},
    rtp::{Extension, RtpPacket, RtpWrite, Ssrc},
};
use vbranch_domain::{Mono, SystemClock};

use super::{
    socket::{Buffers, Socket},
    synthetic::Codec,
};

/// What a client offers.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Whether it sends, receives, or both.
    pub direction: Direction,
    /// An audio section before the video.
    pub audio: bool,
    /// The one video codec.
    pub codec: Codec,
    /// Transport-wide feedback: a receiver must then decrypt, or it would report loss.
    pub twcc: bool,
    /// Packets may come joined; see [`Socket::open`].
    pub joined: bool,
}

/// What a client has to do with.
#[expect(clippy::large_enum_variant, reason = "nearly all are packets: a box for each costs more")]
#[derive(Debug)]
pub enum Happened {
    /// A packet of the other side, decrypted.
    Packet(RtpPacket),
    /// The other side asks for a key frame.
    KeyframeWanted,
}

/// A stream that it sends.
struct Sending {
    mid: Mid,
    ssrc: Ssrc,
    payload_type: Pt,
    seq: u64,
}

/// The client.
pub struct Agent {
    rtc: Rtc,
    clock: SystemClock,
    /// Its socket; the owner polls it.
    pub socket: Socket,
    pending: Option<(SdpPendingOffer, [Option<Mid>; 2])>,
    sending: [Option<Sending>; 2],
    next: Mono,
    connected: bool,
    happened: Vec<Happened>,
}

/// What a client can send again: as many packets, as old. Browsers keep about that.
const RTX_PACKETS: usize = 1024;
const RTX_AGE: Duration = Duration::from_secs(3);

fn config(plan: Plan) -> RtcConfig {
    let mut config = Rtc::builder()
        .set_rtp_mode(true)
        .clear_codecs()
        .clear_extension_map()
        .set_extension(4, Extension::RtpMid)
        .enable_opus(plan.audio, false);
    if plan.twcc {
        config = config.set_extension(3, Extension::TransportSequenceNumber);
    }
    match plan.codec {
        Codec::H264 => config.enable_h264(true),
        Codec::Vp8 => config.enable_vp8(true),
    }
}

impl Agent {
    /// A client and its offer.
    ///
    /// # Errors
    /// When the socket or the stack cannot be set up.
    pub fn offer(clock: SystemClock, now: Mono, plan: Plan) -> anyhow::Result<(Self, String)> {
        let socket = Socket::open(plan.joined)?;
        let mut rtc = config(plan).build(clock.instant(now));
        rtc.add_local_candidate(Candidate::host(socket.local(), "udp")?);
        let mut changes = rtc.sdp_api();
        let mut add = |kind| changes.add_media(kind, plan.direction, None, None, None);
        let mids = [plan.audio.then(|| add(MediaKind::Audio)), Some(add(MediaKind::Video))];
        let (offer, pending) = changes.apply().context("nothing to offer")?;
        let mut sdp = offer.to_sdp_string();
        if !plan.direction.is_sending() {
            // Announced although nothing is sent; some stacks then expect it.
            sdp = sdp
                .lines()
                .filter(|l| !l.starts_with("a=ssrc"))
                .map(|l| format!("{l}\r\n"))
                .collect();
        }
        let agent = Self {
            rtc,
            clock,
            socket,
            pending: Some((pending, mids)),
            sending: [None, None],
            next: now,
            connected: false,
            happened: vec![],
        };
        Ok((agent, sdp))
    }

    /// Takes the answer and begins to connect.
    ///
    /// # Errors
    /// When the answer does not fit the offer.
    pub fn accept(&mut self, answer: &str) -> anyhow::Result<()> {
        let (pending, mids) = self.pending.take().context("answered before")?;
        let answer = SdpAnswer::from_sdp_string(answer)?;
        self.rtc.sdp_api().accept_answer(pending, answer)?;
        for (slot, mid) in self.sending.iter_mut().zip(mids) {
            let Some(mid) = mid else { continue };
            let payload_type = self.rtc.media(mid).and_then(|m| m.remote_pts().first().copied());
            let mut api = self.rtc.direct_api();
            let stream = api.stream_tx_by_mid(mid, None).map(|tx| {
                // Browsers send again whatever is asked for; without this, what exceeds 15 % of the
                // stream is not.
                tx.set_rtx_cache(RTX_PACKETS, RTX_AGE, None);
                tx.ssrc()
            });
            if let Some((ssrc, payload_type)) = stream.zip(payload_type) {
                *slot = Some(Sending { mid, ssrc, payload_type, seq: 1_000 });
            }
        }
        Ok(())
    }

    /// Whether ICE and DTLS are through.
    #[must_use]
    pub const fn connected(&self) -> bool {
        self.connected
    }

    /// When [`Self::tick`] is due.
    #[must_use]
    pub const fn next(&self) -> Mono {
        self.next
    }

    /// What happened since the last call.
    pub fn take(&mut self) -> std::vec::Drain<'_, Happened> {
        self.happened.drain(..)
    }

    /// Lets timers run that are due.
    pub fn tick(&mut self, now: Mono) {
        if now >= self.next {
            self.timeout(now);
        }
    }

    /// Reads the socket and hands everything to the stack. Whether there may be more.
    pub fn receive(&mut self, now: Mono, buffers: &mut Buffers) -> bool {
        self.receive_if(now, buffers, |_, _| true)
    }

    /// Reads the socket and hands to the stack what `wanted` says yes to.
    pub fn receive_if(
        &mut self,
        now: Mono,
        buffers: &mut Buffers,
        mut wanted: impl FnMut(Option<Duration>, &[u8]) -> bool,
    ) -> bool {
        let Self { socket, rtc, clock, .. } = self;
        let (destination, at) = (socket.local(), clock.instant(now));
        socket.receive(buffers, |socket, source, arrived, datagram| {
            if !wanted(arrived, datagram) {
                return;
            }
            if let Ok(contents) = datagram.try_into() {
                let receive = Receive { proto: Protocol::Udp, source, destination, contents };
                let _ = rtc.handle_input(Input::Receive(at, receive));
                // The stack wants to be emptied after each input.
                drain(rtc, socket, &mut self.connected, &mut self.happened, &mut self.next, *clock);
            }
        })
    }

    /// Sends a packet of a stream: `track` 0 is audio, 1 is video. Whether it could.
    pub fn send(
        &mut self,
        now: Mono,
        track: usize,
        timestamp: u32,
        marker: bool,
        payload: Arc<[u8]>,
    ) -> bool {
        let Some(Some(sending)) = self.sending.get_mut(track) else { return false };
        sending.seq += 1;
        let (ssrc, pt, seq) = (sending.ssrc, sending.payload_type, sending.seq);
        let at = self.clock.instant(now);
        let write = RtpWrite::new(pt, seq.into(), timestamp, at, payload);
        let write = write.marker(marker).nackable(track == 1);
        match self.rtc.direct_api().stream_tx(&ssrc) {
            Some(stream) => stream.write_rtp(write),
            None => return false,
        }
        self.timeout(now);
        true
    }

    /// Asks the other side's sender for a key frame.
    pub fn want_keyframe(&mut self, mid: Mid) {
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, None) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
        }
    }

    /// The video section's name.
    #[must_use]
    pub fn video_mid(&self) -> Option<Mid> {
        self.sending.get(1).and_then(Option::as_ref).map(|s| s.mid)
    }

    fn timeout(&mut self, now: Mono) {
        let _ = self.rtc.handle_input(Input::Timeout(self.clock.instant(now)));
        let Self { socket, rtc, connected, happened, next, clock, .. } = self;
        drain(rtc, socket, connected, happened, next, *clock);
    }
}

fn drain(
    rtc: &mut Rtc,
    socket: &mut Socket,
    connected: &mut bool,
    happened: &mut Vec<Happened>,
    next: &mut Mono,
    clock: SystemClock,
) {
    loop {
        match rtc.poll_output() {
            Ok(Output::Timeout(at)) => {
                *next = clock.mono_of(at);
                return;
            }
            Ok(Output::Transmit(t)) => socket.send(t.destination, &t.contents),
            Ok(Output::Event(Event::Connected)) => *connected = true,
            Ok(Output::Event(Event::IceConnectionStateChange(
                IceConnectionState::Disconnected,
            ))) => *connected = false,
            Ok(Output::Event(Event::RtpPacket(packet))) => happened.push(Happened::Packet(packet)),
            Ok(Output::Event(Event::KeyframeRequest(_))) => happened.push(Happened::KeyframeWanted),
            Ok(Output::Event(_)) => {}
            // The stack is done for: no timer will come any more.
            Err(_) => {
                *connected = false;
                *next = Mono::from_nanos(u64::MAX);
                return;
            }
        }
    }
}
