//! Which codec a participant is to send pictures in, so that all who take part openly can see them.

use vbranch_domain::{Seat, VideoCodec};

/// The picture codecs that all media sections of a connection have in one direction; both where
/// there is no such section, as nothing then speaks against either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VideoCodecs {
    pub(crate) h264: bool,
    pub(crate) vp8: bool,
}

impl Default for VideoCodecs {
    fn default() -> Self {
        Self { h264: true, vp8: true }
    }
}

impl VideoCodecs {
    /// The codec, where there is no choice.
    const fn only(self) -> Option<VideoCodec> {
        match (self.h264, self.vp8) {
            (true, false) => Some(VideoCodec::H264),
            (false, true) => Some(VideoCodec::Vp8),
            _ => None,
        }
    }
}

/// The codec for one who can send `sends` and may be seen by `viewers`: H.264, which liveness
/// checks need, unless a viewer takes VP8 alone. Where viewers differ, none of whom takes both, it
/// goes by who sits first: a guest must not cost the customer the picture.
pub(super) fn codec_for(
    sends: VideoCodecs,
    viewers: impl Iterator<Item = (Seat, VideoCodecs)>,
) -> VideoCodec {
    let bound = viewers.filter_map(|(seat, takes)| Some((seat, takes.only()?)));
    let first = bound.min_by_key(|(seat, _)| *seat).map(|(_, codec)| codec);
    sends.only().or(first).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: VideoCodecs = VideoCodecs { h264: true, vp8: true };
    const H264: VideoCodecs = VideoCodecs { h264: true, vp8: false };
    const VP8: VideoCodecs = VideoCodecs { h264: false, vp8: true };

    #[test]
    fn vp8_is_for_who_takes_nothing_else_and_who_sits_first_decides() {
        use Seat::{Customer, Staff, SupervisorBargedIn, ThirdParty};
        let of = |viewers: &[_]| codec_for(BOTH, viewers.iter().copied());
        assert_eq!(of(&[]), VideoCodec::H264);
        assert_eq!(of(&[(Staff, BOTH), (Customer, H264)]), VideoCodec::H264);
        assert_eq!(of(&[(Staff, BOTH), (SupervisorBargedIn, VP8)]), VideoCodec::Vp8);
        assert_eq!(of(&[(ThirdParty, H264), (Customer, VP8)]), VideoCodec::Vp8);
        assert_eq!(of(&[(ThirdParty, VP8), (Customer, H264)]), VideoCodec::H264);
    }

    #[test]
    fn nobody_is_told_to_send_what_they_cannot() {
        let viewer = |takes| [(Seat::Staff, takes)].into_iter();
        assert_eq!(codec_for(VP8, viewer(H264)), VideoCodec::Vp8);
        assert_eq!(codec_for(H264, viewer(VP8)), VideoCodec::H264);
        let none = VideoCodecs { h264: false, vp8: false };
        assert_eq!(codec_for(none, viewer(VP8)), VideoCodec::Vp8);
    }
}
