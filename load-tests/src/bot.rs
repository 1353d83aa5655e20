//! A participant without a browser.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail};
use bytes::Bytes;
use openh264::decoder::Decoder;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use tokio::{sync::mpsc, task::JoinHandle, time};
use webrtc::{
    media_stream::{
        MediaStreamTrack,
        track_local::{TrackLocal, static_rtp::TrackLocalStaticRTP},
        track_remote::{TrackRemote, TrackRemoteEvent},
    },
    peer_connection::{
        MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
        RTCConfigurationBuilder, RTCIceGatheringState, RTCPeerConnectionState,
        RTCSessionDescription, Registry, SettingEngineBuilder, register_default_interceptors,
    },
};

use crate::scene::{AUDIO_SAMPLES, Camera, FPS, Microphone};

/// Largest RTP payload sent.
const MTU: usize = 1200;
/// How long gathering and connecting may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a bot has received and decoded so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Heard {
    /// Pictures decoded.
    pub frames: u32,
    /// Audio packets decoded.
    pub packets: u32,
    /// Sum of squared samples: above 1 means somebody is to be heard.
    pub energy: f64,
}

/// One participant.
pub struct Bot {
    pc: Arc<dyn PeerConnection>,
    heard: Arc<Mutex<Heard>>,
    connected: mpsc::Receiver<()>,
    tasks: Vec<JoinHandle<()>>,
    tracks: [Arc<TrackLocalStaticRTP>; 2],
    frequency: f32,
}

impl Bot {
    /// Makes a participant whose tone has this frequency, and its offer.
    ///
    /// # Errors
    /// When the stack cannot be set up.
    pub async fn offer(frequency: f32) -> anyhow::Result<(Self, String)> {
        // The peer connection's builder is 20 kB of future: kept off the callers' stacks.
        Box::pin(Self::set_up(frequency)).await
    }

    async fn set_up(frequency: f32) -> anyhow::Result<(Self, String)> {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (gathered, mut gathering_done) = mpsc::channel(1);
        let (up, connected) = mpsc::channel(1);
        let handler = Arc::new(Handler { heard: heard.clone(), gathered, up });
        let mut media = MediaEngine::default();
        media.register_default_codecs()?;
        let registry = register_default_interceptors(Registry::new(), &mut media)?;
        let settings = SettingEngineBuilder::new().with_include_loopback_candidate(true).build();
        let build = Box::pin(
            PeerConnectionBuilder::new()
                .with_configuration(RTCConfigurationBuilder::new().build())
                .with_setting_engine(settings)
                .with_media_engine(media)
                .with_interceptor_registry(registry)
                .with_handler(handler)
                .with_udp_addrs(vec!["127.0.0.1:0"])
                .build(),
        );
        let pc: Arc<dyn PeerConnection> = Arc::new(build.await?);
        let tracks = [track(RtpCodecKind::Audio), track(RtpCodecKind::Video)];
        for track in &tracks {
            pc.add_track(track.clone() as Arc<dyn TrackLocal>).await?;
        }
        let offer = pc.create_offer(None).await?;
        pc.set_local_description(offer).await?;
        time::timeout(PATIENCE, gathering_done.recv()).await.context("ICE gathering")?;
        let sdp = pc.local_description().await.context("no local description")?.sdp;
        Ok((Self { pc, heard, connected, tasks: vec![], tracks, frequency }, sdp))
    }

    /// Takes the answer, connects, and begins to send.
    ///
    /// # Errors
    /// When the answer does not fit or the connection does not come up.
    pub async fn connect(&mut self, answer: String) -> anyhow::Result<()> {
        self.pc.set_remote_description(RTCSessionDescription::answer(answer)?).await?;
        match time::timeout(PATIENCE, self.connected.recv()).await {
            Ok(Some(())) => {}
            _ => bail!("the connection did not come up"),
        }
        let [audio, video] = &self.tracks;
        self.tasks.push(tokio::spawn(speak(audio.clone(), Microphone::new(self.frequency)?)));
        self.tasks.push(tokio::spawn(film(video.clone(), Camera::new()?)));
        Ok(())
    }

    /// What has been received so far.
    #[must_use]
    pub fn heard(&self) -> Heard {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `enough` says so of what was heard.
    ///
    /// # Errors
    /// When it does not within `patience`; tells how far it got.
    pub async fn wait_until(
        &self,
        patience: Duration,
        enough: impl Fn(Heard) -> bool,
    ) -> anyhow::Result<Heard> {
        let poll = async {
            while !enough(self.heard()) {
                time::sleep(Duration::from_millis(20)).await;
            }
        };
        match time::timeout(patience, poll).await {
            Ok(()) => Ok(self.heard()),
            Err(_) => bail!("heard only {:?}", self.heard()),
        }
    }

    /// Leaves.
    ///
    /// # Errors
    /// When the connection cannot be closed.
    pub async fn close(self) -> anyhow::Result<()> {
        for task in &self.tasks {
            task.abort();
        }
        Ok(self.pc.close().await?)
    }
}

struct Handler {
    heard: Arc<Mutex<Heard>>,
    gathered: mpsc::Sender<()>,
    up: mpsc::Sender<()>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.gathered.try_send(());
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        if state == RTCPeerConnectionState::Connected {
            let _ = self.up.try_send(());
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let heard = self.heard.clone();
        tokio::spawn(async move {
            // A decoder that cannot go on ends the task: `heard` then stands still, which is
            // what the bot's owner looks at.
            let _ended = match track.kind().await {
                RtpCodecKind::Audio => listen(track, heard).await,
                _ => watch(track, heard).await,
            };
        });
    }
}

async fn listen(track: Arc<dyn TrackRemote>, heard: Arc<Mutex<Heard>>) -> anyhow::Result<()> {
    let mut decoder = opus::Decoder::new(48_000, opus::Channels::Mono)?;
    let mut pcm = vec![0f32; AUDIO_SAMPLES * 6];
    while let Some(event) = track.poll().await {
        let TrackRemoteEvent::OnRtpPacket(packet) = event else { continue };
        let count = decoder.decode_float(&packet.payload, &mut pcm, false)?;
        let energy: f64 = pcm.iter().take(count).map(|s| f64::from(*s) * f64::from(*s)).sum();
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.packets += 1;
        heard.energy += energy;
    }
    Ok(())
}

async fn watch(track: Arc<dyn TrackRemote>, heard: Arc<Mutex<Heard>>) -> anyhow::Result<()> {
    let mut decoder = Decoder::new()?;
    let mut unit: Vec<u8> = vec![];
    while let Some(event) = track.poll().await {
        let TrackRemoteEvent::OnRtpPacket(packet) = event else { continue };
        append_annex_b(&mut unit, &packet.payload);
        if packet.header.marker {
            if matches!(decoder.decode(&unit), Ok(Some(_))) {
                heard.lock().unwrap_or_else(PoisonError::into_inner).frames += 1;
            }
            unit.clear();
        }
    }
    Ok(())
}

/// RFC 6184 payload to Annex B; the test network neither loses nor reorders.
fn append_annex_b(unit: &mut Vec<u8>, payload: &Bytes) {
    const START: [u8; 4] = [0, 0, 0, 1];
    match payload.as_ref() {
        [first, rest @ ..] if first & 0x1f == 24 => {
            let mut rest = rest;
            while let [a, b, tail @ ..] = rest {
                let size = usize::from(u16::from_be_bytes([*a, *b])).min(tail.len());
                let (nal, after) = tail.split_at(size);
                unit.extend(START);
                unit.extend(nal);
                rest = after;
            }
        }
        [first, header, piece @ ..] if first & 0x1f == 28 => {
            if header & 0x80 != 0 {
                unit.extend(START);
                unit.push((first & 0xe0) | (header & 0x1f));
            }
            unit.extend(piece);
        }
        nal => {
            unit.extend(START);
            unit.extend(nal);
        }
    }
}

const AUDIO: (u32, u8) = (0x0a00_0001, 111);
const VIDEO: (u32, u8) = (0x0b00_0001, 125);

fn track(kind: RtpCodecKind) -> Arc<TrackLocalStaticRTP> {
    let (name, mime, clock_rate, channels, fmtp, ssrc) = match kind {
        RtpCodecKind::Audio => {
            ("audio", "audio/opus", 48_000, 2, "minptime=10;useinbandfec=1", AUDIO.0)
        }
        _ => (
            "video",
            "video/H264",
            90_000,
            0,
            "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
            VIDEO.0,
        ),
    };
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() },
        codec: RTCRtpCodec {
            mime_type: mime.into(),
            clock_rate,
            channels,
            sdp_fmtp_line: fmtp.into(),
            rtcp_feedback: vec![],
        },
        ..Default::default()
    };
    let name = name.to_owned();
    let track = MediaStreamTrack::new("bot".into(), name.clone(), name, kind, vec![encoding]);
    Arc::new(TrackLocalStaticRTP::new(track))
}

fn packet(
    (ssrc, payload_type): (u32, u8),
    sequence_number: u16,
    timestamp: u32,
    marker: bool,
    payload: Bytes,
) -> rtc::rtp::Packet {
    let header = rtc::rtp::Header {
        version: 2,
        marker,
        payload_type,
        sequence_number,
        timestamp,
        ssrc,
        ..Default::default()
    };
    rtc::rtp::Packet { header, payload }
}

async fn speak(track: Arc<TrackLocalStaticRTP>, mut microphone: Microphone) {
    let mut every = time::interval(Duration::from_millis(20));
    let (mut seq, mut timestamp) = (0u16, 0u32);
    while let Ok(opus) = microphone.listen() {
        every.tick().await;
        // Refused until the connection is up and after it is closed: a bot just goes on.
        let _ = track.write_rtp(packet(AUDIO, seq, timestamp, false, opus.into())).await;
        seq = seq.wrapping_add(1);
        timestamp = timestamp.wrapping_add(AUDIO_SAMPLES as u32);
    }
}

async fn film(track: Arc<TrackLocalStaticRTP>, mut camera: Camera) {
    let mut every = time::interval(Duration::from_secs(1) / FPS);
    let (mut seq, mut timestamp, mut frame) = (0u16, 0u32, 0u32);
    // A key frame a second stands in for answering picture loss indications.
    while let Ok(unit) = camera.shoot(frame % FPS == 0) {
        every.tick().await;
        let payloads = packetize(&unit);
        let last = payloads.len().saturating_sub(1);
        for (i, payload) in payloads.into_iter().enumerate() {
            let _ = track.write_rtp(packet(VIDEO, seq, timestamp, i == last, payload)).await;
            seq = seq.wrapping_add(1);
        }
        timestamp = timestamp.wrapping_add(90_000 / FPS);
        frame += 1;
    }
}

/// Annex B access unit to RFC 6184 payloads: single NAL units and FU-A.
pub(crate) fn packetize(unit: &[u8]) -> Vec<Bytes> {
    let mut payloads = vec![];
    for nal in openh264::nal_units(unit) {
        let nal = nal.strip_prefix(&[0, 0, 0, 1]).or(nal.strip_prefix(&[0, 0, 1])).unwrap_or(nal);
        let Some((first, body)) = nal.split_first() else { continue };
        if nal.len() <= MTU {
            payloads.push(Bytes::copy_from_slice(nal));
            continue;
        }
        let pieces: Vec<&[u8]> = body.chunks(MTU - 2).collect();
        for (i, piece) in pieces.iter().enumerate() {
            let start = if i == 0 { 0x80 } else { 0 };
            let end = if i + 1 == pieces.len() { 0x40 } else { 0 };
            let mut payload = vec![(first & 0xe0) | 28, start | end | (first & 0x1f)];
            payload.extend_from_slice(piece);
            payloads.push(payload.into());
        }
    }
    payloads
}
