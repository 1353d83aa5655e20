//! Names and sizes of cameras.

/// Parts of the names of programs that stand in for a camera, in lower case.
const VIRTUAL: [&str; 27] = [
    "virtual",
    "obs-camera",
    "obs camera",
    "manycam",
    "snap camera",
    "xsplit",
    "v4l2loopback",
    "v4l2 loopback",
    "dummy video",
    "fake_device",
    "fake device",
    "e2esoft",
    "vcam",
    "splitcam",
    "altercam",
    "camtwist",
    "youcam",
    "mmhmm",
    "unity video capture",
    "webcamoid",
    "akvirtualcamera",
    "sparkocam",
    "chromacam",
    "ndi webcam",
    "ndi video",
    "deepfacelive",
    "screen capture",
];

pub(super) fn is_virtual(label: &str) -> bool {
    let label = label.to_lowercase();
    VIRTUAL.iter().any(|part| label.contains(part))
}

/// Whether the sizes have one shape (perhaps turned) and the video is not the larger.
pub(super) fn fits(claimed: (u32, u32), size: (u32, u32)) -> bool {
    /// Encoders round sides to 16 pixels.
    const ROUND: f64 = 16.0;
    let sides = |(w, h): (u32, u32)| (f64::from(w.max(h)), f64::from(w.min(h)));
    let (claimed, size) = (sides(claimed), sides(size));
    let expected = size.0 * claimed.1 / claimed.0;
    (expected - size.1).abs() <= ROUND && size.0 <= claimed.0 + ROUND
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_cameras_are_known_by_name_and_real_ones_are_not_suspected() {
        for label in ["OBS Virtual Camera", "ManyCam Virtual Webcam", "fake_device_0"] {
            assert!(is_virtual(label), "{label}");
        }
        for label in
            ["FaceTime HD Camera", "Integrated Webcam (0bda:5634)", "camera2 1, facing front"]
        {
            assert!(!is_virtual(label), "{label}");
        }
    }

    #[test]
    fn a_video_may_be_smaller_or_turned_but_not_of_another_shape() {
        assert!(fits((1280, 720), (640, 368)));
        assert!(fits((1280, 720), (720, 1280)));
        assert!(!fits((1280, 720), (640, 480)));
        assert!(!fits((640, 480), (1280, 960)));
    }
}
