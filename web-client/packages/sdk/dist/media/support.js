/** Can this browser take part at all? Asked before the customer is asked for a camera. */
import { Problem } from "../problem.js";
import { branchVideoCodecs } from "./codecs.js";
/** Throws `no_webrtc`, `insecure_page` or `no_h264`. */
export function requireSupport() {
    if (typeof RTCPeerConnection === "undefined") {
        throw new Problem("no_webrtc", 0, "RTCPeerConnection is missing");
    }
    if (!isSecureContext || !("mediaDevices" in navigator)) {
        throw new Problem("insecure_page", 0, "camera access needs https");
    }
    for (const side of [RTCRtpSender, RTCRtpReceiver]) {
        const capabilities = side.getCapabilities("video");
        if (capabilities && branchVideoCodecs(capabilities.codecs).length === 0) {
            throw new Problem("no_h264", 0, "no H.264 constrained baseline, packetization mode 1");
        }
    }
}
//# sourceMappingURL=support.js.map