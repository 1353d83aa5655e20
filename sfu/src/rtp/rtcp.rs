//! RTCP as received: a compound packet read in place (RFC 3550 section 6, RFC 4585, RFC 5104).

use crate::stream::report::{ReportBlock, SenderInfo};

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const RTP_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;

const FMT_NACK: u8 = 1;
const FMT_TRANSPORT_CC: u8 = 15;
const FMT_PLI: u8 = 1;
const FMT_FIR: u8 = 4;

/// Most packets taken from one compound. A client sends fewer than ten; more is a flood that would
/// cost more to read than it is worth.
const MAX_PACKETS: usize = 32;

/// One packet of a compound that the media plane acts on. A BYE (RFC 3550 section 6.6) is none: a
/// stream that ended says so by its silence as well, and a connection ends by DTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rtcp<'a> {
    SenderReport {
        ssrc: u32,
        info: SenderInfo,
        blocks: Blocks<'a>,
    },
    ReceiverReport {
        blocks: Blocks<'a>,
    },
    /// Generic NACK (RFC 4585 section 6.2.1).
    Nack {
        media_ssrc: u32,
        lost: Lost<'a>,
    },
    /// The whole transport-wide congestion control packet, header included.
    TransportFeedback(&'a [u8]),
    /// PLI or FIR: the receiver of this stream wants a key frame.
    KeyframeWanted {
        media_ssrc: u32,
    },
}

/// Reception report blocks (RFC 3550 section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blocks<'a>(&'a [u8]);

impl Blocks<'_> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = ReportBlock> {
        self.0.as_chunks::<{ ReportBlock::LEN }>().0.iter().map(ReportBlock::from_bytes)
    }
}

/// The sequence numbers of a NACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost<'a>(&'a [u8]);

impl Lost<'_> {
    /// Pairs of packet id and mask of the packets after it.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (u16, u16)> {
        let pairs = self.0.as_chunks::<4>().0.iter();
        pairs.map(|[a, b, c, d]| (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])))
    }
}

/// The packets of a compound. Stops at the first that is malformed: what stood before it was
/// authenticated and whole.
pub(crate) fn packets(compound: &[u8]) -> impl Iterator<Item = Rtcp<'_>> {
    let mut rest = compound;
    std::iter::from_fn(move || {
        let (packet, tail) = split(rest)?;
        rest = tail;
        Some(parse(packet))
    })
    .take(MAX_PACKETS)
    .flatten()
}

fn split(compound: &[u8]) -> Option<(&[u8], &[u8])> {
    let &[first, _, l0, l1] = compound.first_chunk::<4>()?;
    if first & 0xc0 != 0x80 {
        return None;
    }
    compound.split_at_checked((usize::from(u16::from_be_bytes([l0, l1])) + 1) * 4)
}

fn parse(packet: &[u8]) -> Option<Rtcp<'_>> {
    let &[first, kind, ..] = packet else { return None };
    let count = first & 0x1f;
    let body = packet.get(4..)?;
    match (kind, count) {
        (SENDER_REPORT, count) => {
            let ntp = u64::from(word(body, 4)?) << 32 | u64::from(word(body, 8)?);
            let info = SenderInfo {
                ntp,
                rtp: word(body, 12)?,
                packets: word(body, 16)?,
                octets: word(body, 20)?,
            };
            let blocks = blocks(body.get(24..)?, count)?;
            Some(Rtcp::SenderReport { ssrc: word(body, 0)?, info, blocks })
        }
        (RECEIVER_REPORT, count) => {
            Some(Rtcp::ReceiverReport { blocks: blocks(body.get(4..)?, count)? })
        }
        (RTP_FEEDBACK, FMT_NACK) => {
            Some(Rtcp::Nack { media_ssrc: word(body, 4)?, lost: Lost(body.get(8..)?) })
        }
        (RTP_FEEDBACK, FMT_TRANSPORT_CC) => Some(Rtcp::TransportFeedback(packet)),
        (PAYLOAD_FEEDBACK, FMT_PLI) => Some(Rtcp::KeyframeWanted { media_ssrc: word(body, 4)? }),
        // FIR names the stream in its first entry (RFC 5104 section 4.3.1).
        (PAYLOAD_FEEDBACK, FMT_FIR) => Some(Rtcp::KeyframeWanted { media_ssrc: word(body, 8)? }),
        _ => None,
    }
}

fn blocks(bytes: &[u8], count: u8) -> Option<Blocks<'_>> {
    bytes.get(..usize::from(count) * ReportBlock::LEN).map(Blocks)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtc::rtcp::{
        packet::Packet,
        payload_feedbacks::{
            full_intra_request::{FirEntry, FullIntraRequest},
            picture_loss_indication::PictureLossIndication,
        },
        reception_report::ReceptionReport,
        sender_report::SenderReport,
        transport_feedbacks::transport_layer_nack::{NackPair, TransportLayerNack},
    };

    use super::*;

    fn compound(packets: &[Box<dyn Packet>]) -> Vec<u8> {
        packets.iter().flat_map(|p| p.marshal().unwrap()).collect()
    }

    #[test]
    fn a_compound_of_another_stack_is_read() {
        let report = ReceptionReport {
            ssrc: 9,
            fraction_lost: 25,
            total_lost: 0x0001_0203,
            last_sequence_number: 70_000,
            jitter: 5,
            last_sender_report: 6,
            delay: 7,
        };
        let sender = SenderReport {
            ssrc: 1,
            ntp_time: 0x0102_0304_0506_0708,
            rtp_time: 99,
            packet_count: 3,
            octet_count: 4,
            reports: vec![report],
            ..Default::default()
        };
        let nack = TransportLayerNack {
            sender_ssrc: 1,
            media_ssrc: 2,
            nacks: vec![NackPair { packet_id: 65_535, lost_packets: 0b101 }],
        };
        let pli = PictureLossIndication { sender_ssrc: 1, media_ssrc: 3 };
        let entry = FirEntry { ssrc: 4, sequence_number: 1 };
        let fir = FullIntraRequest { sender_ssrc: 1, media_ssrc: 0, fir: vec![entry] };
        let bytes = compound(&[Box::new(sender), Box::new(nack), Box::new(pli), Box::new(fir)]);
        let read: Vec<Rtcp<'_>> = packets(&bytes).collect();
        let [
            Rtcp::SenderReport { ssrc: 1, info, blocks },
            Rtcp::Nack { media_ssrc: 2, lost },
            rest @ ..,
        ] = read.as_slice()
        else {
            panic!("{read:?}")
        };
        assert_eq!((info.ntp, info.rtp), (0x0102_0304_0506_0708, 99));
        let block = blocks.iter().next().unwrap();
        assert_eq!((block.ssrc, block.fraction_lost, block.cumulative_lost), (9, 25, 0x0001_0203));
        assert_eq!((block.highest_seq, block.jitter), (70_000, 5));
        assert_eq!(lost.pairs().collect::<Vec<_>>(), [(65_535, 0b101)]);
        assert_eq!(
            rest,
            [Rtcp::KeyframeWanted { media_ssrc: 3 }, Rtcp::KeyframeWanted { media_ssrc: 4 }]
        );
    }

    #[test]
    fn a_packet_that_overruns_ends_the_compound() {
        let pli = PictureLossIndication { sender_ssrc: 1, media_ssrc: 3 };
        let mut bytes = compound(&[Box::new(pli)]);
        bytes.extend([0x81, 206, 0xff, 0xff, 1, 2, 3, 4]);
        assert_eq!(packets(&bytes).count(), 1);
        // A report that claims more blocks than it has.
        assert_eq!(packets(&[0x9f, 201, 0, 1, 0, 0, 0, 1]).count(), 0);
    }

    #[test]
    fn a_compound_of_empty_packets_is_read_to_a_limit() {
        let empty = [0x80, 201, 0, 1, 0, 0, 0, 1];
        assert_eq!(packets(&empty.repeat(180)).count(), MAX_PACKETS);
        // Also those that mean nothing to us: BYE here.
        let unknown = [0x81, 203, 0, 1, 0, 0, 0, 1].repeat(MAX_PACKETS);
        assert_eq!(packets(&[unknown, empty.to_vec()].concat()).count(), 0);
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_parser(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 198u8..210) {
            let mut framed = vec![0x81, kind, 0, (bytes.len() / 4) as u8];
            framed.extend(&bytes);
            for input in [&bytes, &framed] {
                for packet in packets(input) {
                    match packet {
                        Rtcp::Nack { lost, .. } => { lost.pairs().count(); }
                        Rtcp::SenderReport { blocks, .. } | Rtcp::ReceiverReport { blocks } => {
                            blocks.iter().count();
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}
