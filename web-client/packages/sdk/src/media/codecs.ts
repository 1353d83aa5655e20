/**
 * The video codecs of a branch. H.264 constrained baseline, packetization mode 1 (RFC 6184), comes
 * first: liveness checks and recordings take it as it is. VP8 serves browsers without it. The
 * server never transcodes, so nothing else may be agreed, and it says which of the two to send.
 */
import type { VideoCodec } from "../protocol.js";

export type Codec = Pick<RTCRtpCodec, "mimeType"> & { sdpFmtpLine?: string };

/** The codecs to ask for, in order of preference; empty where the browser has neither. */
export function branchVideoCodecs<C extends Codec>(available: C[]): C[] {
  const named = (mimeType: string) =>
    available.filter((codec) => codec.mimeType.toLowerCase() === mimeType);
  const pictures = [...available.filter(isBranchH264), ...named("video/vp8")];
  return pictures.length === 0 ? [] : [...pictures, ...named("video/rtx")];
}

/** `codec` is newer than TypeScript's own type (webrtc-pc, RTCRtpEncodingParameters). */
type Parameters = Omit<RTCRtpSendParameters, "encodings"> & {
  encodings: (RTCRtpEncodingParameters & { codec?: RTCRtpCodec })[];
};

/**
 * Sends in this codec from now on, which takes no negotiation. `preferred` is what is sent unless
 * one says otherwise. False: this browser cannot be told, and goes on as before.
 */
export async function sendIn(
  sender: Pick<RTCRtpSender, "getParameters" | "setParameters">,
  codec: VideoCodec,
  preferred: string | null,
): Promise<boolean> {
  const mimeType = `video/${codec}`;
  const sent = ({ encodings }: Parameters) =>
    encodings[0]?.codec?.mimeType.toLowerCase() ?? `video/${preferred}`;
  const parameters: Parameters = sender.getParameters();
  if (sent(parameters) === mimeType) return true;
  const agreed = parameters.codecs.find((each) => each.mimeType.toLowerCase() === mimeType);
  if (agreed === undefined) return false;
  for (const encoding of parameters.encodings) encoding.codec = agreed;
  await sender.setParameters(parameters);
  // Browsers that do not know the parameter ignore it.
  return sent(sender.getParameters()) === mimeType;
}

function isBranchH264(codec: Codec): boolean {
  if (codec.mimeType.toLowerCase() !== "video/h264") return false;
  const parameters = fmtp(codec.sdpFmtpLine ?? "");
  if (parameters.get("packetization-mode") !== "1") return false;
  const profile = parameters.get("profile-level-id") ?? "";
  return isConstrainedBaseline(profile);
}

/** RFC 6184, table 5: profile_idc 42 with constraint_set1_flag. */
function isConstrainedBaseline(profile: string): boolean {
  if (!/^[0-9a-f]{6}$/i.test(profile)) return false;
  const idc = parseInt(profile.slice(0, 2), 16);
  const constraints = parseInt(profile.slice(2, 4), 16);
  return idc === 0x42 && (constraints & 0x40) !== 0;
}

function fmtp(line: string): Map<string, string> {
  const pairs = line.split(";").map((part) => part.trim().split("=", 2));
  return new Map(pairs.map(([key, value]) => [(key ?? "").toLowerCase(), value ?? ""]));
}
