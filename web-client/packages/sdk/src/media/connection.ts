/** One peer connection from offer to end. Never renegotiated: a new attempt is a new connection. */
import type { Negotiate } from "../api.js";
import { Problem } from "../problem.js";
import { branchVideoCodecs } from "./codecs.js";

export type ConnectionEvents = {
  onState: (state: RTCPeerConnectionState) => void;
  onRemote: (stream: MediaStream) => void;
};

/** Enough for 720p with legible documents; the browser goes below it by itself on a thin line. */
const VIDEO_MAX_BPS = 1_500_000;

export function newConnection(stream: MediaStream, events: ConnectionEvents): RTCPeerConnection {
  const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  const remote = new MediaStream();
  connection.ontrack = ({ track }) => {
    remote.addTrack(track);
    events.onRemote(remote);
  };
  connection.onconnectionstatechange = () => events.onState(connection.connectionState);
  addLine(connection, stream, "audio", {});
  const video = addLine(connection, stream, "video", { maxBitrate: VIDEO_MAX_BPS });
  preferBranchCodec(video);
  return connection;
}

/**
 * Offers and takes the answer. The offer goes out without waiting for candidates: the server is
 * ICE-lite and learns our address from our checks, so waiting would only cost time.
 */
export async function join(connection: RTCPeerConnection, negotiate: Negotiate): Promise<void> {
  await connection.setLocalDescription();
  const offer = connection.localDescription?.sdp;
  if (offer === undefined) throw new Problem("capture_failed", 0, "no local description");
  const answer = await negotiate(offer);
  if (connection.signalingState === "closed") return;
  await connection.setRemoteDescription({ type: "answer", sdp: answer.sdp });
}

export function discard(connection: RTCPeerConnection): void {
  connection.ontrack = null;
  connection.onconnectionstatechange = null;
  connection.close();
}

function addLine(
  connection: RTCPeerConnection,
  stream: MediaStream,
  kind: "audio" | "video",
  encoding: RTCRtpEncodingParameters,
): RTCRtpTransceiver {
  const track = stream.getTracks().find((candidate) => candidate.kind === kind);
  return connection.addTransceiver(track ?? kind, {
    direction: "sendrecv",
    streams: [stream],
    sendEncodings: [encoding],
  });
}

function preferBranchCodec(video: RTCRtpTransceiver): void {
  const capabilities = RTCRtpReceiver.getCapabilities("video");
  if (!capabilities || !("setCodecPreferences" in video)) return;
  const codecs = branchVideoCodecs(capabilities.codecs);
  if (codecs.length === 0) throw new Problem("no_h264", 0, "no usable H.264");
  video.setCodecPreferences(codecs);
}
