//! What an attacker on the path, or a broken peer, cannot do.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::replay::REACH;
use super::super::{
    MAX_RTCP_OVERHEAD, MAX_RTP_OVERHEAD, MAX_STREAMS, Profile, ProtectError, Rejected, Role,
    RtpIndex, contexts,
};
use super::{PROFILES, downlink, exported, numbered, rtp, sealed};

const SSRC: u32 = 0x0BAD_CAFE;

/// An RTCP picture loss indication.
const PLI: [u8; 12] = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];

fn sealed_pli(outbound: &mut super::Outbound) -> Vec<u8> {
    let mut buf = PLI.to_vec();
    buf.resize(PLI.len() + MAX_RTCP_OVERHEAD, 0);
    let len = outbound.protect_rtcp(&mut buf, PLI.len()).unwrap();
    buf.truncate(len);
    buf
}

#[test]
fn every_header_and_payload_length_survives() {
    for profile in PROFILES {
        let (outbound, mut inbound) = downlink(profile);
        let mut index = 0;
        for csrcs in 0..=15 {
            for extension in [None, Some(0), Some(1), Some(255)] {
                for payload_len in [0, 1, 15, 16, 17, 1200] {
                    let payload = vec![index as u8; payload_len];
                    let (plain, header_len) = rtp(SSRC, index as u16, csrcs, extension, &payload);
                    let mut buf =
                        sealed(&outbound, &plain, header_len, RtpIndex::new(index).unwrap());
                    assert_eq!(buf.len(), plain.len() + profile.tag_len());
                    assert_eq!(buf[..header_len], plain[..header_len], "the header stays readable");
                    let opened = inbound.unprotect_rtp(&mut buf, header_len).unwrap();
                    assert_eq!((opened.payload_len, opened.index.get()), (payload_len, index));
                    assert_eq!(buf[..plain.len()], plain);
                    index += 1;
                }
            }
        }
    }
}

#[test]
fn no_bit_of_an_rtp_packet_can_be_changed() {
    for profile in PROFILES {
        let (outbound, mut inbound) = downlink(profile);
        let (plain, header_len) = rtp(SSRC, 5, 1, Some(1), b"payload");
        let genuine = sealed(&outbound, &plain, header_len, RtpIndex::from_parts(0, 5));
        for bit in 0..genuine.len() * 8 {
            let mut forged = genuine.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                inbound.unprotect_rtp(&mut forged, header_len),
                Err(Rejected::AuthFailed),
                "bit {bit}"
            );
        }
        assert_eq!(inbound.streams(), 0);
        assert!(inbound.unprotect_rtp(&mut genuine.clone(), header_len).is_ok());
    }
}

#[test]
fn no_bit_of_an_rtcp_packet_can_be_changed() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = downlink(profile);
        let genuine = sealed_pli(&mut outbound);
        for bit in 0..genuine.len() * 8 {
            let mut forged = genuine.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let rejected = inbound.unprotect_rtcp(&mut forged).unwrap_err();
            assert!(matches!(rejected, Rejected::AuthFailed | Rejected::NotEncrypted), "bit {bit}");
        }
        assert!(inbound.unprotect_rtcp(&mut genuine.clone()).is_ok());
    }
}

/// Clearing the E flag must not be a way around authentication.
#[test]
fn rtcp_in_the_clear_is_refused() {
    for profile in PROFILES {
        let (_, mut inbound) = downlink(profile);
        for filler in [0, 0x7F] {
            let mut buf = PLI.to_vec();
            buf.resize(PLI.len() + profile.tag_len() + 4, filler);
            assert_eq!(inbound.unprotect_rtcp(&mut buf), Err(Rejected::NotEncrypted));
        }
    }
}

#[test]
fn cut_packets_are_refused() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = downlink(profile);
        let (plain, header_len) = rtp(SSRC, 5, 0, None, b"payload");
        let whole = sealed(&outbound, &plain, header_len, RtpIndex::from_parts(0, 5));
        for len in 0..whole.len() {
            let expected = if len < header_len + profile.tag_len() {
                Rejected::TooShort
            } else {
                Rejected::AuthFailed
            };
            assert_eq!(
                inbound.unprotect_rtp(&mut whole[..len].to_vec(), header_len),
                Err(expected)
            );
        }
        let whole = sealed_pli(&mut outbound);
        for len in 0..whole.len() {
            assert!(inbound.unprotect_rtcp(&mut whole[..len].to_vec()).is_err(), "{len} bytes");
        }
    }
}

#[test]
fn a_header_length_beyond_the_packet_or_below_twelve_is_refused() {
    for profile in PROFILES {
        let (outbound, mut inbound) = downlink(profile);
        let packet = numbered(&outbound, SSRC, 0);
        for header_len in [0, 11, packet.len(), usize::MAX] {
            assert_eq!(
                inbound.unprotect_rtp(&mut packet.clone(), header_len),
                Err(Rejected::TooShort)
            );
        }
    }
}

#[test]
fn another_rollover_counter_does_not_authenticate() {
    for profile in PROFILES {
        let (outbound, mut inbound) = downlink(profile);
        let mut early = numbered(&outbound, SSRC, 0x1_0005);
        assert_eq!(inbound.unprotect_rtp(&mut early, 12), Err(Rejected::AuthFailed));
        assert_eq!(inbound.streams(), 0);
        // Nor does a packet of an earlier round pass for one of the current.
        for index in [40_000, 0xFFFF, 0x1_0000] {
            assert!(inbound.unprotect_rtp(&mut numbered(&outbound, SSRC, index), 12).is_ok());
        }
        let mut old = numbered(&outbound, SSRC, 1);
        assert_eq!(inbound.unprotect_rtp(&mut old, 12), Err(Rejected::AuthFailed));
    }
}

#[test]
fn what_we_sent_cannot_be_reflected_to_us() {
    for profile in PROFILES {
        let (mut inbound, mut outbound) =
            contexts(profile, &exported(profile), Role::Server).unwrap();
        let mut packet = numbered(&outbound, SSRC, 0);
        assert_eq!(inbound.unprotect_rtp(&mut packet, 12), Err(Rejected::AuthFailed));
        let mut pli = sealed_pli(&mut outbound);
        assert_eq!(inbound.unprotect_rtcp(&mut pli), Err(Rejected::AuthFailed));
    }
}

#[test]
fn a_replay_is_refused_before_it_is_decrypted() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = downlink(profile);
        for index in [0, 1, 2, 3 * REACH] {
            let packet = numbered(&outbound, SSRC, index);
            assert!(inbound.unprotect_rtp(&mut packet.clone(), 12).is_ok());
            let mut again = packet.clone();
            assert_eq!(inbound.unprotect_rtp(&mut again, 12), Err(Rejected::Replayed));
            assert_eq!(again, packet, "nothing was spent on it");
        }
        // What is too old to tell counts as a replay; the oldest that can be told is welcome.
        let too_old = 2 * REACH - 1;
        for (index, expected) in [(too_old, false), (too_old + 1, true)] {
            let opened = inbound.unprotect_rtp(&mut numbered(&outbound, SSRC, index), 12);
            assert_eq!(opened.is_ok(), expected, "{opened:?}");
        }
        let pli = sealed_pli(&mut outbound);
        assert!(inbound.unprotect_rtcp(&mut pli.clone()).is_ok());
        assert_eq!(inbound.unprotect_rtcp(&mut pli.clone()), Err(Rejected::Replayed));
    }
}

#[test]
fn a_retransmission_from_before_a_wrap_gets_through() {
    for profile in PROFILES {
        let (outbound, mut inbound) = downlink(profile);
        let lost = numbered(&outbound, SSRC, 0xFFFE);
        for index in [0xFFFD, 0xFFFF, 0x1_0000, 0x1_0001] {
            assert!(inbound.unprotect_rtp(&mut numbered(&outbound, SSRC, index), 12).is_ok());
        }
        let mut again = numbered(&outbound, SSRC, 0xFFFE);
        assert_eq!(again, lost, "sealed again, it is the same packet");
        assert_eq!(inbound.unprotect_rtp(&mut again, 12).unwrap().index.get(), 0xFFFE);
    }
}

/// A forged packet far ahead must not make the true ones look old.
#[test]
fn a_forgery_does_not_move_the_window() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = downlink(profile);
        assert!(inbound.unprotect_rtp(&mut numbered(&outbound, SSRC, 0), 12).is_ok());
        let (mut forged, _) = rtp(SSRC, 30_000, 0, None, &[0; 64]);
        assert_eq!(inbound.unprotect_rtp(&mut forged, 12), Err(Rejected::AuthFailed));
        assert!(inbound.unprotect_rtp(&mut numbered(&outbound, SSRC, 1), 12).is_ok());

        assert!(inbound.unprotect_rtcp(&mut sealed_pli(&mut outbound)).is_ok());
        let mut forged = PLI.to_vec();
        forged.resize(PLI.len() + profile.tag_len() + 4, 0xFF);
        assert_eq!(inbound.unprotect_rtcp(&mut forged), Err(Rejected::AuthFailed));
        assert!(inbound.unprotect_rtcp(&mut sealed_pli(&mut outbound)).is_ok());
    }
}

#[test]
fn a_flood_of_forged_ssrcs_leaves_nothing_behind() {
    for profile in PROFILES {
        let (outbound, mut inbound) = downlink(profile);
        for ssrc in 0..2_000 {
            let (mut forged, header_len) = rtp(ssrc, 1, 0, None, &[0; 40]);
            assert_eq!(inbound.unprotect_rtp(&mut forged, header_len), Err(Rejected::AuthFailed));
        }
        assert_eq!(inbound.streams(), 0);
        assert!(inbound.unprotect_rtp(&mut numbered(&outbound, SSRC, 1), 12).is_ok());
    }
}

#[test]
fn a_peer_with_too_many_ssrcs_keeps_those_it_has() {
    for profile in PROFILES {
        let (outbound, mut inbound) = downlink(profile);
        for ssrc in 0..MAX_STREAMS as u32 {
            assert!(inbound.unprotect_rtp(&mut numbered(&outbound, ssrc, 0), 12).is_ok());
        }
        for ssrc in [u32::MAX, MAX_STREAMS as u32] {
            let mut packet = numbered(&outbound, ssrc, 0);
            assert_eq!(inbound.unprotect_rtp(&mut packet, 12), Err(Rejected::TooManyStreams));
        }
        assert_eq!(inbound.streams(), MAX_STREAMS);
        for ssrc in 0..MAX_STREAMS as u32 {
            assert!(inbound.unprotect_rtp(&mut numbered(&outbound, ssrc, 1), 12).is_ok());
        }
    }
}

#[test]
fn our_own_mistakes_are_caught_before_they_are_sent() {
    for profile in PROFILES {
        let (mut outbound, _) = downlink(profile);
        let (plain, header_len) = rtp(SSRC, 5, 0, None, b"payload");
        let index = RtpIndex::from_parts(0, 5);
        let mut buf = plain.clone();
        buf.resize(plain.len() + profile.tag_len() - 1, 0);
        let tight = buf.clone();
        let mut seal =
            |header_len, len, index| outbound.protect_rtp(&mut buf, header_len, len, index);
        assert_eq!(seal(header_len, plain.len(), index), Err(ProtectError::NoRoom));
        assert_eq!(seal(header_len, header_len - 1, index), Err(ProtectError::TooShort));
        assert_eq!(seal(11, 11, index), Err(ProtectError::TooShort));
        assert_eq!(seal(header_len, usize::MAX, index), Err(ProtectError::NoRoom));
        let wrong = RtpIndex::from_parts(0, 6);
        assert_eq!(seal(header_len, header_len, wrong), Err(ProtectError::IndexMismatch));
        assert_eq!(buf, tight, "nothing was changed");

        let mut buf = PLI.to_vec();
        assert_eq!(outbound.protect_rtcp(&mut buf, PLI.len()), Err(ProtectError::NoRoom));
        assert_eq!(outbound.protect_rtcp(&mut buf, 7), Err(ProtectError::TooShort));
    }
}

#[test]
fn the_longest_overhead_is_that_of_gcm() {
    assert!(PROFILES.iter().all(|profile| profile.tag_len() <= MAX_RTP_OVERHEAD));
    assert!(PROFILES.iter().all(|profile| profile.tag_len() + 4 <= MAX_RTCP_OVERHEAD));
    assert_eq!(RtpIndex::new((1 << 48) - 1), Some(RtpIndex::from_parts(u32::MAX, u16::MAX)));
    assert_eq!(RtpIndex::new(1 << 48), None);
}

#[test]
fn debug_shows_no_key() {
    let (outbound, inbound) = downlink(Profile::AeadAes128Gcm);
    assert_eq!(format!("{outbound:?}"), "Outbound { profile: AeadAes128Gcm, .. }");
    assert_eq!(format!("{inbound:?}"), "Inbound { profile: AeadAes128Gcm, streams: 0, .. }");
}

proptest! {
    /// Noise of any length is refused, never a crash and never a stream.
    #[test]
    fn noise_is_refused(mut noise in vec(any::<u8>(), 0..200), header_len in 0usize..300) {
        for profile in PROFILES {
            let (_, mut inbound) = downlink(profile);
            prop_assert!(inbound.unprotect_rtp(&mut noise, header_len).is_err());
            prop_assert!(inbound.unprotect_rtcp(&mut noise).is_err());
            prop_assert_eq!(inbound.streams(), 0);
        }
    }
}
