export * from "./protocol";
export { Problem, asProblem } from "./problem";
export { backoff } from "./backoff";
export { PublicApi, CustomerApi, StaffApi, AuditApi } from "./api";
export { SnapshotClient, snapshotUrl, } from "./snapshots";
export { openCapture, closeCapture } from "./media/capture";
export { branchVideoCodecs } from "./media/codecs";
export { requireSupport } from "./media/support";
export { watchLevel } from "./media/level";
export { MediaSession, } from "./media/session";
export { summarize } from "./media/stats";
export { replayClock, MIN_RATE, MAX_RATE } from "./replay/clock";
export { planTrack, correct } from "./replay/sync";
//# sourceMappingURL=index.js.map