/** Can this browser take part at all? Asked before the customer is asked for a camera. */
import { Problem } from "../problem.js";
import { branchVideoCodecs } from "./codecs.js";

/** Throws `no_webrtc`, `insecure_page` or `no_codec`. */
export function requireSupport(): void {
  if (typeof RTCPeerConnection === "undefined") {
    throw new Problem("no_webrtc", 0, "RTCPeerConnection is missing");
  }
  if (!isSecureContext || !("mediaDevices" in navigator)) {
    throw new Problem("insecure_page", 0, "camera access needs https");
  }
  for (const side of [RTCRtpSender, RTCRtpReceiver]) {
    const capabilities = side.getCapabilities("video");
    if (capabilities && branchVideoCodecs(capabilities.codecs).length === 0) {
      throw new Problem("no_codec", 0, "neither H.264 constrained baseline (mode 1) nor VP8");
    }
  }
}
