//! Packets laid out by hand, also such as no client would send.

/// An RTP packet (RFC 3550 section 5.1).
#[derive(Debug, Clone, Default)]
pub struct Rtp {
    pub payload_type: u8,
    pub ssrc: u32,
    pub seq: u16,
    pub timestamp: u32,
    pub marker: bool,
    /// The padding bit; the payload says how much.
    pub padding: bool,
    /// Profile, the length in words that the header claims, the elements as they are.
    pub extension: Option<(u16, u16, Vec<u8>)>,
    pub payload: Vec<u8>,
}

impl Rtp {
    pub fn header(&self) -> Vec<u8> {
        let p = if self.padding { 0x20 } else { 0 };
        let x = if self.extension.is_some() { 0x10 } else { 0 };
        let m = if self.marker { 0x80 } else { 0 };
        let mut out = vec![0x80 | p | x, m | self.payload_type];
        out.extend(self.seq.to_be_bytes());
        out.extend(self.timestamp.to_be_bytes());
        out.extend(self.ssrc.to_be_bytes());
        if let Some((profile, words, elements)) = &self.extension {
            out.extend(profile.to_be_bytes());
            out.extend(words.to_be_bytes());
            out.extend(elements);
        }
        out
    }

    /// As it would be sent without SRTP.
    pub fn plain(&self) -> Vec<u8> {
        [self.header(), self.payload.clone()].concat()
    }
}

/// One RTCP packet: count or format, type, body in whole words.
pub fn rtcp(count: u8, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0x80 | count, kind];
    out.extend(u16::try_from(body.len() / 4).unwrap().to_be_bytes());
    out.extend(body);
    out
}

/// Picture loss indication (RFC 4585 section 6.3.1).
pub fn pli(sender: u32, media: u32) -> Vec<u8> {
    rtcp(1, 206, &[sender.to_be_bytes(), media.to_be_bytes()].concat())
}

/// Generic NACK (RFC 4585 section 6.2.1).
pub fn nack(sender: u32, media: u32, pairs: impl IntoIterator<Item = (u16, u16)>) -> Vec<u8> {
    let mut body = [sender.to_be_bytes(), media.to_be_bytes()].concat();
    for (pid, mask) in pairs {
        body.extend(pid.to_be_bytes());
        body.extend(mask.to_be_bytes());
    }
    rtcp(1, 205, &body)
}

/// A DTLS record of epoch 0 with the handshake messages in `body` (RFC 6347 section 4.3.1).
pub fn dtls_record(kind: u8, number: u64, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind, 0xfe, 0xfd];
    out.extend(number.to_be_bytes()); // epoch 0 in the upper 16 bits
    out.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    out.extend(body);
    out
}

/// A ClientHello (RFC 5246 section 7.4.1.2) with these cipher suites and no extension but
/// `use_srtp`.
pub fn client_hello(number: u16, cookie: &[u8], suites: &[u16]) -> Vec<u8> {
    let mut hello = vec![0xfe, 0xfd];
    hello.extend([7; 32]);
    hello.push(0);
    hello.push(u8::try_from(cookie.len()).unwrap());
    hello.extend(cookie);
    hello.extend(u16::try_from(suites.len() * 2).unwrap().to_be_bytes());
    suites.iter().for_each(|s| hello.extend(s.to_be_bytes()));
    hello.extend([1, 0]);
    let extensions = [
        &[0, 14, 0, 5, 0, 2, 0, 7, 0][..], // use_srtp: AEAD_AES_128_GCM
        &[0, 10, 0, 4, 0, 2, 0, 29],       // groups: x25519
        &[0, 11, 0, 2, 1, 0],              // points: uncompressed
        &[0, 13, 0, 6, 0, 4, 4, 3, 4, 1],  // signatures
        &[0, 23, 0, 0],                    // extended master secret
        &[0xff, 0x01, 0, 1, 0],            // renegotiation info
    ]
    .concat();
    hello.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    hello.extend(extensions);
    dtls_record(22, u64::from(number), &handshake_message(1, number, &hello))
}

/// A whole handshake message in one fragment.
pub fn handshake_message(kind: u8, number: u16, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    let mut out = vec![kind];
    out.extend(&len[1..]);
    out.extend(number.to_be_bytes());
    out.extend([0, 0, 0]);
    out.extend(&len[1..]);
    out.extend(body);
    out
}
