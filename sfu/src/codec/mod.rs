//! What routing has to know of a video packet's payload, read in place, and the few bytes of it
//! that change on the way to a subscriber.
//!
//! [`inspect`] is called once per incoming packet; its small answer travels with the packet. Which
//! of a source's simulcast and temporal layers a subscriber gets is [`layers::LayerSelector`]'s
//! part; keeping VP8's picture numbers continuous for it is [`vp8::Vp8Rewriter`]'s.

pub(crate) mod h264;
pub(crate) mod layers;
pub(crate) mod meter;
pub(crate) mod vp8;

pub(crate) use vbranch_domain::VideoCodec;

/// A payload that breaks its format (RFC 6184, RFC 7741). Nothing of it is worth forwarding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// It ends inside of a header.
    #[error("payload ends inside of a header")]
    Short,
    /// H.264: an aggregation or fragmentation type that packetization mode 1 does not allow.
    #[error("packet type {0} is not allowed in packetization mode 1")]
    Type(u8),
}

/// What one packet's payload says about the picture it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PayloadInfo {
    /// A picture that needs no other begins in this packet.
    pub(crate) keyframe: bool,
    /// VP8's payload descriptor; `None` for H.264.
    pub(crate) vp8: Option<vp8::Descriptor>,
}

impl PayloadInfo {
    /// The temporal layer, 0 where the stream has none.
    pub(crate) fn tid(&self) -> u8 {
        self.vp8.and_then(|vp8| vp8.temporal).map_or(0, |temporal| temporal.tid)
    }
}

/// Reads a payload without its padding. Padding-only packets have none and are not for here.
pub(crate) fn inspect(codec: VideoCodec, payload: &[u8]) -> Result<PayloadInfo, Malformed> {
    match codec {
        VideoCodec::H264 => {
            let keyframe = h264::starts_keyframe(payload)?;
            Ok(PayloadInfo { keyframe, ..PayloadInfo::default() })
        }
        VideoCodec::Vp8 => {
            let descriptor = vp8::Descriptor::parse(payload)?;
            // A later packet of a frame tells nothing of it, whatever its bytes look like.
            let keyframe = descriptor.starts_frame()
                && vp8::is_keyframe(descriptor.body(payload)).unwrap_or(false);
            Ok(PayloadInfo { keyframe, vp8: Some(descriptor) })
        }
    }
}
