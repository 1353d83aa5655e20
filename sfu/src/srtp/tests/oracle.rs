//! Another stack's SRTP must understand ours and be understood, whatever the network does.

use proptest::collection::vec;
use proptest::prelude::*;
use rtc::srtp::config::Config;
use rtc::srtp::context::Context;
use rtc::srtp::protection_profile::ProtectionProfile;

use super::super::{
    Inbound, MAX_RTCP_OVERHEAD, Outbound, Profile, Rejected, Role, RtpIndex, contexts,
};
use super::{exported, rtp, sealed};

const SSRCS: [u32; 2] = [0xCAFE_BABE, 7];

fn ours(profile: Profile) -> (Inbound, Outbound) {
    contexts(profile, &exported(profile), Role::Server).unwrap()
}

/// The client's half, of the other stack: the one it sends with, or the one it receives with.
fn client(profile: Profile, sends: bool) -> Context {
    let mut config = Config {
        profile: match profile {
            Profile::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
            Profile::AesCm128HmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        },
        ..Config::default()
    };
    config.set_session_keys_from_keying_material(&exported(profile), true).unwrap();
    let (key, salt) = if sends {
        (&config.keys.local_master_key, &config.keys.local_master_salt)
    } else {
        (&config.keys.remote_master_key, &config.keys.remote_master_salt)
    };
    let provider = rtc::srtp::crypto::default_provider().unwrap();
    Context::new(key, salt, config.profile, None, None, provider.crypto()).unwrap()
}

fn profiles() -> impl Strategy<Value = Profile> {
    prop::sample::select(super::PROFILES.to_vec())
}

/// One packet's shape and fate.
#[derive(Clone, Debug)]
struct Fate {
    csrcs: u8,
    extension: Option<u8>,
    payload: Vec<u8>,
    /// How many packets later each copy arrives; none when it is lost.
    arrivals: Vec<usize>,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate =
        (0u8..=15, prop::option::of(0u8..20), vec(any::<u8>(), 0..80), vec(0usize..60, 0..3))
            .prop_map(|(csrcs, extension, payload, arrivals)| Fate {
                csrcs,
                extension,
                payload,
                arrivals,
            });
    // The first packet arrives first: it is what tells a receiver where the stream starts.
    vec(fate, 1..200).prop_map(|mut fates| {
        fates[0].arrivals = vec![0];
        fates
    })
}

/// Numbers of packets in the order in which they arrive, those sent twice twice.
fn arrivals(fates: &[Fate]) -> Vec<usize> {
    let mut times: Vec<(usize, usize)> = fates
        .iter()
        .enumerate()
        .flat_map(|(sent, fate)| fate.arrivals.iter().map(move |delay| (sent + delay, sent)))
        .collect();
    // The first packet's copy sorts before others of the same instant.
    times.sort_unstable();
    times.into_iter().map(|(_, sent)| sent).collect()
}

/// An RTCP packet (of the application-defined kind, so that any content is well formed).
fn rtcp(ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let words = payload.len().div_ceil(4);
    let mut packet = vec![0x80, 204];
    packet.extend((1 + words as u16).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet.resize(8 + 4 * words, 0);
    packet
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A browser opens what we send, across a sequence number wrap and over a bad network.
    #[test]
    fn they_open_our_rtp(profile in profiles(), start in 65_400u64..65_536, fates in fates()) {
        let (_, outbound) = ours(profile);
        let mut theirs = client(profile, false);
        let packets: Vec<(Vec<u8>, Vec<u8>)> = (start..).zip(&fates).map(|(index, fate)| {
            let index = RtpIndex::new(index).unwrap();
            let (plain, header_len) =
                rtp(SSRCS[0], index.sequence_number(), fate.csrcs, fate.extension, &fate.payload);
            let sealed = sealed(&outbound, &plain, header_len, index);
            (plain, sealed)
        }).collect();
        for sent in arrivals(&fates) {
            let (plain, sealed) = &packets[sent];
            let opened = theirs.decrypt_rtp(sealed).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(&opened[..], &plain[..]);
        }
    }

    /// We open what a browser sends, once each, and know its place in the stream.
    #[test]
    fn we_open_their_rtp(profile in profiles(), start in 65_400u64..65_536, fates in fates()) {
        let (mut inbound, _) = ours(profile);
        let mut theirs = client(profile, true);
        let packets: Vec<(u64, Vec<u8>, usize, Vec<u8>)> = (start..).zip(&fates).map(|(index, fate)| {
            let (plain, header_len) =
                rtp(SSRCS[0], index as u16, fate.csrcs, fate.extension, &fate.payload);
            let sealed = theirs.encrypt_rtp(&plain).unwrap().to_vec();
            (index, plain, header_len, sealed)
        }).collect();
        let mut came = vec![false; packets.len()];
        for sent in arrivals(&fates) {
            let (index, plain, header_len, sealed) = &packets[sent];
            let mut buf = sealed.clone();
            let opened = inbound.unprotect_rtp(&mut buf, *header_len);
            if std::mem::replace(&mut came[sent], true) {
                prop_assert_eq!(opened, Err(Rejected::Replayed));
                continue;
            }
            let opened = opened.unwrap();
            prop_assert_eq!(opened.index.get(), *index);
            prop_assert_eq!(header_len + opened.payload_len, plain.len());
            prop_assert_eq!(&buf[..plain.len()], &plain[..]);
        }
    }

    /// The same of RTCP, whose index is in the packet, from two senders.
    #[test]
    fn rtcp_both_ways(profile in profiles(), fates in fates()) {
        let (mut inbound, mut outbound) = ours(profile);
        let (mut sender, mut receiver) = (client(profile, true), client(profile, false));
        let packets: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> = fates.iter().enumerate().map(|(at, fate)| {
            let plain = rtcp(SSRCS[at % 2], &fate.payload);
            let up = sender.encrypt_rtcp(&plain).unwrap().to_vec();
            let mut down = plain.clone();
            down.resize(plain.len() + MAX_RTCP_OVERHEAD, 0xEE);
            let len = outbound.protect_rtcp(&mut down, plain.len()).unwrap();
            down.truncate(len);
            (plain, up, down)
        }).collect();
        let mut came = vec![false; packets.len()];
        for sent in arrivals(&fates) {
            let (plain, up, down) = &packets[sent];
            let theirs = receiver.decrypt_rtcp(down).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(&theirs[..], &plain[..]);
            let mut buf = up.clone();
            let opened = inbound.unprotect_rtcp(&mut buf);
            if std::mem::replace(&mut came[sent], true) {
                prop_assert_eq!(opened, Err(Rejected::Replayed));
            } else {
                prop_assert_eq!(opened, Ok(plain.len()));
                prop_assert_eq!(&buf[..plain.len()], &plain[..]);
            }
        }
    }
}
