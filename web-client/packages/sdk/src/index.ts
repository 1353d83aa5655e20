export * from "./protocol";
export { Problem, asProblem } from "./problem";
export { backoff, type Backoff, type BackoffOptions } from "./backoff";
export { PublicApi, CustomerApi, StaffApi, AuditApi, type Negotiate } from "./api";
export {
  SnapshotClient,
  snapshotUrl,
  type SnapshotOptions,
  type SnapshotStatus,
  type SocketLike,
} from "./snapshots";
export { openCapture, closeCapture } from "./media/capture";
export { branchVideoCodecs } from "./media/codecs";
export { requireSupport } from "./media/support";
export { watchLevel } from "./media/level";
export {
  MediaSession,
  type MediaSessionOptions,
  type MediaSessionState,
  type MediaStatus,
} from "./media/session";
export { summarize, type ConnectionSummary } from "./media/stats";
export { replayClock, MIN_RATE, MAX_RATE, type ReplayClock } from "./replay/clock";
export { planTrack, correct, type Correction, type TrackPlan } from "./replay/sync";
