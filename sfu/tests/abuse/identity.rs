//! What a client says of itself before it connects.

use std::sync::Arc;

use rtc::{
    crypto::{RTCCryptoProvider, default_provider},
    dtls::crypto::Certificate,
};

/// What an offer says of a client.
#[derive(Clone)]
pub struct Identity {
    pub session: u64,
    pub ufrag: String,
    pub password: String,
    pub fingerprint: String,
    pub audio: u32,
    pub video: u32,
    pub certificate: Certificate,
}

impl Identity {
    pub fn new() -> Self {
        let certificate =
            Certificate::generate_self_signed(vec!["client".into()], provider().crypto()).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, &certificate.certificate[0]);
        let hex: Vec<String> = digest.as_ref().iter().map(|b| format!("{b:02X}")).collect();
        let ssrc: u32 = rand::random();
        Self {
            session: rand::random::<u32>().into(),
            ufrag: format!("{:08x}", rand::random::<u32>()),
            password: format!("{:032x}", rand::random::<u128>()),
            fingerprint: hex.join(":"),
            audio: ssrc,
            video: ssrc.wrapping_add(1),
            certificate,
        }
    }

    /// The same client with new ICE credentials (RFC 8445 section 9).
    pub fn restarted(&self) -> Self {
        let ufrag = format!("{:08x}", rand::random::<u32>());
        Self { ufrag, ..self.clone() }
    }

    /// Sends sound and a picture, receives four of each.
    pub fn offer(&self) -> String {
        let Self { session, ufrag, password, fingerprint, audio, video, .. } = self;
        let mut sdp = format!(
            "v=0\r\no=- {session} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
             a=group:BUNDLE 0 1 2 3 4 5 6 7\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\n\
             a=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\n"
        );
        for mid in 0..8 {
            let direction = if mid < 2 { "sendrecv" } else { "recvonly" };
            let (media, formats, lines, ssrc) = if mid % 2 == 0 {
                let lines = "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\n\
                     a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n";
                ("audio", "111", lines, audio)
            } else {
                let lines = "a=rtpmap:96 VP8/90000\r\na=rtpmap:97 H264/90000\r\n\
                     a=fmtp:97 packetization-mode=1;profile-level-id=42e01f\r\n\
                     a=rtpmap:98 rtx/90000\r\na=fmtp:98 apt=97\r\n\
                     a=rtpmap:99 rtx/90000\r\na=fmtp:99 apt=96\r\n\
                     a=rtcp-fb:96 nack\r\na=rtcp-fb:97 nack\r\na=rtcp-fb:97 nack pli\r\n";
                ("video", "96 97 98 99", lines, video)
            };
            sdp += &format!(
                "m={media} 9 UDP/TLS/RTP/SAVPF {formats}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n\
                 a=rtcp-mux\r\na={direction}\r\n{lines}\
                 a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
            );
            if mid < 2 {
                sdp += &format!("a=ssrc:{ssrc} cname:client\r\n");
            }
        }
        sdp
    }
}

pub fn provider() -> Arc<dyn RTCCryptoProvider> {
    default_provider().unwrap()
}
