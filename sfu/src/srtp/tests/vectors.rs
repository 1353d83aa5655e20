//! Vectors of RFC 3711 and RFC 7714.

use aes::Aes128Enc;
use aes::cipher::KeyInit;

use super::super::cm::{Cm, apply_keystream};
use super::super::gcm::Gcm;
use super::super::keys::{self, MasterKey};
use super::super::{KeyingError, Profile, Role, RtpIndex, contexts};
use super::{PROFILES, exported};

fn hex<const N: usize>(text: &str) -> [u8; N] {
    bytes(text).try_into().unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// RFC 3711, B.2: a megabyte of keystream, up to the last counter value there is.
#[test]
fn aes_cm_keystream() {
    let cipher = Aes128Enc::new(&hex("2B7E151628AED2A6ABF7158809CF4F3C").into());
    let start = u128::from_be_bytes(hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000"));
    let mut stream = vec![0; 0xFF02 * 16];
    apply_keystream(&cipher, start, &mut stream);
    for (counter, expected) in [
        (0, "E03EAD0935C95E80E166B16DD92B4EB4"),
        (1, "D23513162B02D0F72A43A2FE4A5F97AB"),
        (2, "41E95B3BB0A2E8DD477901E4FCA894C0"),
        (0xFEFF, "EC8CDF7398607CB0F2D21675EA9EA1E4"),
        (0xFF00, "362B7C3C6773516318A077D7FC5073AE"),
        (0xFF01, "6A2CC3787889374FBEB4C81B17BA6C44"),
    ] {
        assert_eq!(stream[counter * 16..][..16], bytes(expected), "block {counter:#x}");
    }
}

/// RFC 3711, B.3.
#[test]
fn key_derivation() {
    let master = MasterKey::new(
        &bytes("E1F97A0D3E018BE0D64FA32C06DE4139"),
        &bytes("0EC675AD498AFEEBB6960B3AABE6"),
    )
    .unwrap();
    assert_eq!(*master.derive(keys::RTP.encryption), hex::<16>("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(*master.derive(keys::RTP.salt), hex::<14>("30CBBC08863D8C85D49DB34A9AE1"));
    assert_eq!(
        *master.derive(keys::RTP.authentication),
        hex::<94>(
            "CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE
             E049646C43D9327AD175578EF7227098 6371C10C9A369AC2F94A8C5FBCDDDC25
             6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2"
        )
    );
}

const RTP: &str = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973
    20646976 69736120 696e2070 61727465 73207472 6573";
const SRTP: &str = "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca
    be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce";
const RTCP: &str = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930
    4c756e61 deadbeef deadbeef deadbeef deadbeef deadbeef";
const SRTCP: &str = "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7
    6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872
    45d9eade 800005d4";

fn gcm() -> Gcm {
    Gcm::new(&hex("000102030405060708090a0b0c0d0e0f"), &hex("517569642070726f2071756f")).unwrap()
}

/// RFC 7714, 16.1.
#[test]
fn gcm_rtp() {
    let index = RtpIndex::from_parts(0, 0xF17B);
    let mut packet = bytes(RTP);
    packet.resize(packet.len() + 16, 0);
    gcm().seal_rtp(&mut packet, 12, 0x5501_A0B2, index).unwrap();
    assert_eq!(packet, bytes(SRTP));
    gcm().open_rtp(&mut packet, 12, 0x5501_A0B2, index).unwrap();
    assert_eq!(packet[..packet.len() - 16], bytes(RTP));
}

/// RFC 7714, 17.1.
#[test]
fn gcm_rtcp() {
    let mut packet = bytes(RTCP);
    packet.resize(packet.len() + 20, 0);
    gcm().seal_rtcp(&mut packet, 0x4D61_7273, 0x5D4).unwrap();
    assert_eq!(packet, bytes(SRTCP));
    gcm().open_rtcp(&mut packet, 0x4D61_7273, 0x5D4).unwrap();
    assert_eq!(packet[..packet.len() - 20], bytes(RTCP));
}

fn cm(labels: keys::Labels) -> Cm {
    let master = MasterKey::new(
        &bytes("e1f97a0d3e018be0d64fa32c06de4139"),
        &bytes("0ec675ad498afeebb6960b3aabe6"),
    )
    .unwrap();
    Cm::new(
        &master.derive(labels.encryption),
        &master.derive(labels.salt),
        &master.derive(labels.authentication),
    )
    .unwrap()
}

/// Whole packets under B.3's keys, as libsrtp's own test driver has them.
#[test]
fn cm_packets() {
    let mut packet = bytes("800f1234 decafbad cafebabe abababab abababab abababab abababab");
    packet.resize(packet.len() + 10, 0);
    cm(keys::RTP).seal_rtp(&mut packet, 12, 0xCAFE_BABE, RtpIndex::from_parts(0, 0x1234)).unwrap();
    assert_eq!(
        packet,
        bytes(
            "800f1234 decafbad cafebabe 4e55dc4c e79978d8 8ca4d215 949d2402 b78d6acc 99ea179b 8dbb"
        )
    );

    let mut packet = bytes("81c8000b cafebabe abababab abababab abababab abababab");
    packet.resize(packet.len() + 14, 0);
    cm(keys::RTCP).seal_rtcp(&mut packet, 0xCAFE_BABE, 1).unwrap();
    assert_eq!(
        packet,
        bytes(
            "81c8000b cafebabe 7128035b e487b9bd bef89041 f977a5a8 80000001 993e08cd 54d6c123 0798"
        )
    );
}

#[test]
fn code_points_are_those_of_the_registry() {
    assert_eq!(Profile::AesCm128HmacSha1_80.code_point(), 1);
    assert_eq!(Profile::AeadAes128Gcm.code_point(), 7);
}

#[test]
fn an_exporter_block_of_another_length_is_refused() {
    for profile in PROFILES {
        let block = exported(profile);
        for wrong in [&block[1..], &[&block[..], &[0]].concat(), &[]] {
            assert_eq!(
                contexts(profile, wrong, Role::Server).err(),
                Some(KeyingError::WrongLength {
                    expected: profile.exported_len(),
                    got: wrong.len()
                })
            );
        }
    }
}
