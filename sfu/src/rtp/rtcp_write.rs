//! RTCP as sent: packets appended to the caller's buffer, to be sealed and sent as one compound.

use crate::stream::report::{ReportBlock, SenderInfo};

/// Most report blocks in one report; the count has five bits.
pub(crate) const MAX_BLOCKS: usize = 31;

/// What we sent on a stream, and how other streams arrive here (RFC 3550 section 6.4.1).
pub(crate) fn sender_report(
    out: &mut Vec<u8>,
    ssrc: u32,
    info: &SenderInfo,
    blocks: &[ReportBlock],
) {
    packet(out, blocks.len().min(MAX_BLOCKS) as u8, 200, |out| {
        out.extend(ssrc.to_be_bytes());
        out.extend(info.ntp.to_be_bytes());
        for word in [info.rtp, info.packets, info.octets] {
            out.extend(word.to_be_bytes());
        }
        report_blocks(out, blocks);
    });
}

pub(crate) fn receiver_report(out: &mut Vec<u8>, ssrc: u32, blocks: &[ReportBlock]) {
    packet(out, blocks.len().min(MAX_BLOCKS) as u8, 201, |out| {
        out.extend(ssrc.to_be_bytes());
        report_blocks(out, blocks);
    });
}

/// CNAME only (RFC 3550 section 6.5.1).
pub(crate) fn source_description(out: &mut Vec<u8>, ssrc: u32, cname: &str) {
    packet(out, 1, 202, |out| {
        out.extend(ssrc.to_be_bytes());
        out.push(1);
        out.push(cname.len().min(255) as u8);
        out.extend(cname.bytes().take(255));
        out.push(0);
    });
}

/// Generic NACK: pairs of packet id and mask (RFC 4585 section 6.2.1).
pub(crate) fn nack(out: &mut Vec<u8>, sender_ssrc: u32, media_ssrc: u32, pairs: &[(u16, u16)]) {
    packet(out, 1, 205, |out| {
        out.extend(sender_ssrc.to_be_bytes());
        out.extend(media_ssrc.to_be_bytes());
        for (id, mask) in pairs {
            out.extend(id.to_be_bytes());
            out.extend(mask.to_be_bytes());
        }
    });
}

/// Picture loss indication (RFC 4585 section 6.3.1).
pub(crate) fn picture_loss(out: &mut Vec<u8>, sender_ssrc: u32, media_ssrc: u32) {
    packet(out, 1, 206, |out| {
        out.extend(sender_ssrc.to_be_bytes());
        out.extend(media_ssrc.to_be_bytes());
    });
}

/// Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb): the most that somebody can
/// take of the client's streams, in bit/s.
pub(crate) fn max_bitrate(out: &mut Vec<u8>, sender_ssrc: u32, bits: u64, ssrcs: &[u32]) {
    // 18 bits of mantissa, 6 of exponent.
    let exponent = (64 - bits.leading_zeros()).saturating_sub(18);
    let mantissa = (bits >> exponent) as u32;
    packet(out, 15, 206, |out| {
        out.extend(sender_ssrc.to_be_bytes());
        out.extend(0u32.to_be_bytes());
        out.extend(b"REMB");
        let count = ssrcs.len().min(255) as u32;
        out.extend((count << 24 | exponent << 18 | mantissa).to_be_bytes());
        for ssrc in ssrcs.iter().take(255) {
            out.extend(ssrc.to_be_bytes());
        }
    });
}

/// How many bytes from the front are whole packets of at most `max` bytes together; the first
/// packet alone where it is longer.
pub(crate) fn fitting(packets: &[u8], max: usize) -> usize {
    let mut end = 0;
    while let Some(&[_, _, l0, l1]) = packets.get(end..).and_then(|rest| rest.first_chunk()) {
        let next = end + (usize::from(u16::from_be_bytes([l0, l1])) + 1) * 4;
        if next > max && end > 0 {
            break;
        }
        end = next;
    }
    end
}

/// One packet: header, body, padded to a word, its length put in afterwards.
fn packet(out: &mut Vec<u8>, count: u8, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0x80 | count, kind, 0, 0]);
    body(out);
    while !(out.len() - start).is_multiple_of(4) {
        out.push(0);
    }
    // Bodies are bounded by our own limits, far below 2^16 words.
    let words = ((out.len() - start) / 4 - 1) as u16;
    if let Some(length) = out.get_mut(start + 2..start + 4) {
        length.copy_from_slice(&words.to_be_bytes());
    }
}

fn report_blocks(out: &mut Vec<u8>, blocks: &[ReportBlock]) {
    for block in blocks.iter().take(MAX_BLOCKS) {
        out.extend(block.to_bytes());
    }
}

#[cfg(test)]
mod tests {
    use rtc::rtcp::{
        packet::unmarshal,
        payload_feedbacks::{
            picture_loss_indication::PictureLossIndication,
            receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate,
        },
        sender_report::SenderReport,
        source_description::SourceDescription,
        transport_feedbacks::transport_layer_nack::TransportLayerNack,
    };

    use super::*;

    #[test]
    fn packets_are_cut_between_and_never_within() {
        let mut out = vec![];
        for n in 0..30 {
            nack(&mut out, 1, 2, &[(n, 0); 20]);
        }
        let (mut rest, mut compounds) = (out.as_slice(), vec![]);
        while !rest.is_empty() {
            let (compound, tail) = rest.split_at(fitting(rest, 500));
            compounds.push(compound.len());
            assert_eq!(crate::rtp::rtcp::packets(compound).count(), compound.len() / 92);
            rest = tail;
        }
        assert_eq!(compounds, [460; 6]);
        assert_eq!(fitting(&out, 10), 92, "one that is longer goes alone");
        assert_eq!(fitting(&[], 10), 0);
    }

    #[test]
    fn another_stack_reads_the_compound_we_write() {
        let block = ReportBlock {
            ssrc: 9,
            fraction_lost: 25,
            cumulative_lost: 1000,
            highest_seq: 70_000,
            jitter: 5,
            last_sr: 6,
            delay_since_last_sr: 7,
        };
        let info = SenderInfo { ntp: 0xaabb, rtp: 3, packets: 4, octets: 5 };
        let mut out = vec![];
        sender_report(&mut out, 1, &info, &[block]);
        source_description(&mut out, 1, "vbranch");
        nack(&mut out, 1, 2, &[(65_535, 5), (7, 0)]);
        picture_loss(&mut out, 1, 2);
        max_bitrate(&mut out, 1, 1_234_567, &[9, 10]);
        let read = unmarshal(&mut out.as_slice()).unwrap();
        let report = read[0].as_any().downcast_ref::<SenderReport>().unwrap();
        assert_eq!((report.ssrc, report.ntp_time, report.octet_count), (1, 0xaabb, 5));
        assert_eq!(report.reports[0].total_lost, 1000);
        assert_eq!(report.reports[0].delay, 7);
        let names = read[1].as_any().downcast_ref::<SourceDescription>().unwrap();
        assert_eq!(names.chunks[0].items[0].text.as_ref(), b"vbranch");
        let nacks = read[2].as_any().downcast_ref::<TransportLayerNack>().unwrap();
        assert_eq!(nacks.nacks[0].packet_list(), [65_535, 0, 2]);
        assert!(read[3].as_any().is::<PictureLossIndication>());
        let limit = read[4].as_any().downcast_ref::<ReceiverEstimatedMaximumBitrate>().unwrap();
        assert!((limit.bitrate - 1_234_567.0).abs() < 16.0, "{}", limit.bitrate);
        assert_eq!(limit.ssrcs, [9, 10]);
    }
}
