export * from "./protocol.js";
export { Problem, asProblem } from "./problem.js";
export { backoff, type Backoff, type BackoffOptions } from "./backoff.js";
export {
  PublicApi,
  CustomerApi,
  StaffApi,
  SupervisorApi,
  AuditApi,
  type Negotiate,
} from "./api.js";
export {
  SnapshotClient,
  snapshotUrl,
  type SnapshotOptions,
  type SnapshotStatus,
  type SocketLike,
} from "./snapshots.js";
export { openCapture, closeCapture } from "./media/capture.js";
export { cameraTraits } from "./media/camera.js";
export { canShareScreen, openScreen } from "./media/screen.js";
export { branchVideoCodecs } from "./media/codecs.js";
export type { Remote } from "./media/remotes.js";
export { requireSupport } from "./media/support.js";
export { watchLevel } from "./media/level.js";
export {
  MediaSession,
  type MediaSessionOptions,
  type MediaSessionState,
  type MediaStatus,
} from "./media/session.js";
export { summarize, type ConnectionSummary } from "./media/stats.js";
export { replayClock, MIN_RATE, MAX_RATE, type ReplayClock } from "./replay/clock.js";
export { planTrack, correct, type Correction, type TrackPlan } from "./replay/sync.js";
export { coverageAt, type Coverage, type Span } from "./replay/coverage.js";
