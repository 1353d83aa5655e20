//! What must hold for a peer and for an attacker: the published vectors, another stack, and noise.

mod hostile;
mod oracle;
mod vectors;

use super::{Inbound, MAX_RTP_OVERHEAD, Outbound, Profile, Role, RtpIndex, contexts};

const PROFILES: [Profile; 2] = Profile::PREFERENCE;

/// An exporter block that differs in every byte.
fn exported(profile: Profile) -> Vec<u8> {
    (1..).take(profile.exported_len()).collect()
}

/// What we, the server, send with, and what the client receives with.
fn downlink(profile: Profile) -> (Outbound, Inbound) {
    let (_, ours) = contexts(profile, &exported(profile), Role::Server).unwrap();
    let (theirs, _) = contexts(profile, &exported(profile), Role::Client).unwrap();
    (ours, theirs)
}

/// An RTP packet with `csrcs` CSRCs and, if given, an extension of that many words.
fn rtp(
    ssrc: u32,
    sequence_number: u16,
    csrcs: u8,
    extension: Option<u8>,
    payload: &[u8],
) -> (Vec<u8>, usize) {
    let x = if extension.is_some() { 0x10 } else { 0 };
    let mut packet = vec![0x80 | x | csrcs, 96];
    packet.extend(sequence_number.to_be_bytes());
    packet.extend(0x1234_5678u32.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    for csrc in 0..csrcs {
        packet.extend([0xC5, 0, 0, csrc]);
    }
    if let Some(words) = extension {
        // A profile of no known meaning, so that any content is well formed.
        packet.extend([0x12, 0x34, 0, words]);
        packet.extend((0..words).flat_map(|word| [word, 1, 2, 3]));
    }
    let header_len = packet.len();
    packet.extend(payload);
    (packet, header_len)
}

/// `packet` sealed.
fn sealed(outbound: &Outbound, packet: &[u8], header_len: usize, index: RtpIndex) -> Vec<u8> {
    let mut buf = packet.to_vec();
    buf.resize(packet.len() + MAX_RTP_OVERHEAD, 0xEE);
    let len = outbound.protect_rtp(&mut buf, header_len, packet.len(), index).unwrap();
    buf.truncate(len);
    buf
}

/// Packet number `index` of stream `ssrc`, sealed, with its number as its payload.
fn numbered(outbound: &Outbound, ssrc: u32, index: u64) -> Vec<u8> {
    let index = RtpIndex::new(index).unwrap();
    let (packet, header_len) =
        rtp(ssrc, index.sequence_number(), 0, None, &index.get().to_be_bytes());
    sealed(outbound, &packet, header_len, index)
}
