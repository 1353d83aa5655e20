export * from "./protocol.js";
export { Problem, asProblem } from "./problem.js";
export { backoff } from "./backoff.js";
export { PublicApi, CustomerApi, StaffApi, AuditApi } from "./api.js";
export { SnapshotClient, snapshotUrl, } from "./snapshots.js";
export { openCapture, closeCapture } from "./media/capture.js";
export { branchVideoCodecs } from "./media/codecs.js";
export { requireSupport } from "./media/support.js";
export { watchLevel } from "./media/level.js";
export { MediaSession, } from "./media/session.js";
export { summarize } from "./media/stats.js";
export { replayClock, MIN_RATE, MAX_RATE } from "./replay/clock.js";
export { planTrack, correct } from "./replay/sync.js";
//# sourceMappingURL=index.js.map