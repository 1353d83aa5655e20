/**
 * The one video codec of a branch: H.264 constrained baseline, packetization mode 1 (RFC 6184).
 * The server never transcodes, so nothing else may be agreed.
 */
/** The codecs to ask for, in order of preference; empty where the browser has no usable H.264. */
export function branchVideoCodecs(available) {
    const h264 = available.filter(isBranchH264);
    if (h264.length === 0)
        return [];
    const repair = available.filter((codec) => codec.mimeType.toLowerCase() === "video/rtx");
    return [...h264, ...repair];
}
function isBranchH264(codec) {
    if (codec.mimeType.toLowerCase() !== "video/h264")
        return false;
    const parameters = fmtp(codec.sdpFmtpLine ?? "");
    if (parameters.get("packetization-mode") !== "1")
        return false;
    const profile = parameters.get("profile-level-id") ?? "";
    return isConstrainedBaseline(profile);
}
/** RFC 6184, table 5: profile_idc 42 with constraint_set1_flag. */
function isConstrainedBaseline(profile) {
    if (!/^[0-9a-f]{6}$/i.test(profile))
        return false;
    const idc = parseInt(profile.slice(0, 2), 16);
    const constraints = parseInt(profile.slice(2, 4), 16);
    return idc === 0x42 && (constraints & 0x40) !== 0;
}
function fmtp(line) {
    const pairs = line.split(";").map((part) => part.trim().split("=", 2));
    return new Map(pairs.map(([key, value]) => [(key ?? "").toLowerCase(), value ?? ""]));
}
//# sourceMappingURL=codecs.js.map