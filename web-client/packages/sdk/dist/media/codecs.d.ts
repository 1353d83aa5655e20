/**
 * The one video codec of a branch: H.264 constrained baseline, packetization mode 1 (RFC 6184).
 * The server never transcodes, so nothing else may be agreed.
 */
export type Codec = Pick<RTCRtpCodec, "mimeType"> & {
    sdpFmtpLine?: string;
};
/** The codecs to ask for, in order of preference; empty where the browser has no usable H.264. */
export declare function branchVideoCodecs<C extends Codec>(available: C[]): C[];
