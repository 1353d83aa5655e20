/** The shapes of docs/protocol.md, one to one. Nothing here is derived or renamed. */

export type Language = "zh-CN" | "en";
export type Text = Record<Language, string>;

export type Role = "staff" | "supervisor" | "auditor" | "admin";
export type User = {
  id: string;
  username: string;
  display_name: string;
  title: string;
  staff_no: string;
  role: Role;
};
export type Product = { id: string; name: Text };
export type Info = { version: string; demo: boolean; bank_name: Text; products: Product[] };

export type VisitState = "invited" | "preparing" | "checking" | "waiting" | "in_call" | "closed";
export type Outcome = "completed" | "declined" | "abandoned" | "interrupted";
export type ClosingOutcome = Exclude<Outcome, "interrupted">;
export type RecordingPhase = "off" | "starting" | "on" | "failed";
export type StoreHealth = "ok" | "degraded";

export type ConsentText = { subject: "recording" | "face"; version: string; text: Text };
export type LivenessStatus = "not_started" | "running" | "passed" | "failed" | "referred";
export type ChallengeKind = "blink" | "turn_left" | "turn_right" | "open_mouth" | "nod" | "smile";
export type Advice =
  | "no_face"
  | "several_faces"
  | "come_closer"
  | "move_back"
  | "center_face"
  | "more_light"
  | "softer_light"
  | "hold_still"
  | "uncover_face"
  | "look_straight"
  | "good";
/** A colour that fills the customer's whole screen: `#rrggbb` in sRGB. `index` counts from 0. */
export type Flash = { colour: string; index: number; of: number };
/** What a page says of its camera. Claims: the server holds them against the video. */
export type CameraTraits = {
  label?: string;
  width?: number;
  height?: number;
  frame_rate?: number;
  mobile?: boolean;
};
export type Liveness = {
  status: LivenessStatus;
  attempt: number;
  attempts_left: number;
  /** `index` counts from 0. */
  challenge: { kind: ChallengeKind; index: number; of: number } | null;
  advice: Advice | null;
  /** While not null, the page shows this colour and nothing else. */
  flash: Flash | null;
};

export type StepKind = "identity" | "disclosure" | "question" | "document" | "signature";
export type StepOutcome = "shown" | "read" | "yes" | "no" | "captured" | "signed";
export type Step = {
  id: string;
  kind: StepKind;
  title: Text;
  text: Text | null;
  by: "staff" | "customer";
  state: "locked" | "open" | "done";
  outcome: StepOutcome | null;
};
export type StepInput =
  | { type: "identity" }
  | { type: "disclosure" }
  | { type: "question"; answer: "yes" | "no" }
  | { type: "document"; image_png: string }
  | { type: "signature"; image_png: string };

export type StaffCard = { display_name: string; title: string; staff_no: string };
/**
 * `connected`: the viewer's own media; `peer_connected`: the other party's; `connection`: how many
 * connections the viewer has been given. A page that holds an earlier one was replaced.
 */
export type MediaState = { connected: boolean; peer_connected: boolean; connection: number };
export type MediaAnswer = { sdp: string; connection: number };

export type Seat =
  | "customer"
  | "staff"
  | "third_party"
  | "supervisor_silent"
  | "supervisor_whispering"
  | "supervisor_barged_in";
export type MediaKind = "audio" | "video" | "screen";
export type QualityCause = "loss" | "delay" | "bitrate" | "cpu";
/** From 0 (unusable) to 5 (unimpaired). */
export type Quality = { score: number; cause: QualityCause | null };
export type CallParticipant = {
  participant: string;
  seat: Seat;
  /** Came by a token: a third party, or one who watches from a silent supervisor's seat. */
  guest: boolean;
  connected: boolean;
  muted: MediaKind[];
  quality: Quality | null;
};
/** What a receiving media section carries: `mid` is that of its transceiver. */
export type Slot = { mid: string; kind: MediaKind; from: string | null };
export type VideoCodec = "h264" | "vp8";
export type CallView = {
  me: string;
  participants: CallParticipant[];
  slots: Slot[];
  speaker: string | null;
  /** In what we are to send pictures, so that all who take part openly can see them. */
  video_codec: VideoCodec;
};

export type CustomerView = {
  visit: string;
  number: string;
  state: VisitState;
  product: Product;
  consents: { texts: ConsentText[]; recording: boolean | null; face: boolean | null };
  media: MediaState;
  call: CallView;
  liveness: Liveness | null;
  queue: { position: number; ahead: number } | null;
  staff: StaffCard | null;
  recording: RecordingPhase;
  steps: Step[];
  outcome: Outcome | null;
};

export type QueueEntry = {
  visit: string;
  number: string;
  product: Product;
  state: VisitState;
  waiting_since: number;
  position: number | null;
  liveness: LivenessStatus | "declined";
  mine: boolean;
  staff: StaffCard | null;
};

export type KycSignal = { name: string; score: number; threshold: number; passed: boolean };
export type KycVerdict = {
  outcome: "pass" | "fail" | "refer";
  reason: string;
  signals: KycSignal[];
  models: { name: string; sha256: string }[];
  frames: number;
  /** What the verdict rests on, sealed beside the media. */
  artifacts: { name: string; sha256: string }[];
  /** Digest of the policy that decided; empty where none did. */
  policy_sha256: string;
};

/** One look at the customer's picture. `t` and all times: ms since the check began. */
export type KycLook = {
  t: number;
  faces: number;
  presence: number;
  blink: number;
  mouth: number;
  smile: number;
  /** Degrees. */
  yaw: number;
  pitch: number;
  size: number;
  light: number;
  sharp: number;
};
export type KycChallengeSpan = {
  kind: ChallengeKind;
  index: number;
  from: number;
  to: number;
  done: boolean;
};
export type KycColour = { t: number; r: number; g: number; b: number };
/** How a check went, as the server measured it. */
export type KycTrace = {
  version: 1;
  duration_ms: number;
  looks: KycLook[];
  challenges: KycChallengeSpan[];
  flash: { t: number; colour: string | null; index: number }[];
  skin: KycColour[];
  background: KycColour[];
  /** Of the face in the best picture, in its pixels. */
  landmarks: { width: number; height: number; points: [number, number][] } | null;
};
/** What is kept of a visit's last check, until the visit closes. No verdict: running, or cut short. */
export type KycEvidence = {
  attempt: number;
  verdict: KycVerdict | null;
  trace: KycTrace | null;
  /** Whether there is a picture to ask for. */
  picture: boolean;
};

export type WatchAlarm =
  "absent" | "several_faces" | "different_face" | "eyes_closed" | "camera_covered";
/** A party whose face is watched in the call, and what is wrong at the moment. */
export type Watched = { participant: string; alarms: WatchAlarm[] };
/** `who`: whose face, where an alarm is of the watch. */
export type Alarm = { code: string; at: number; who: "customer" | "staff" | null };

export type StaffView = {
  visit: string;
  number: string;
  state: VisitState;
  product: Product;
  liveness: { status: LivenessStatus | "declined"; verdict: KycVerdict | null };
  media: MediaState;
  call: CallView;
  recording: { state: RecordingPhase; stores: { a: StoreHealth; b: StoreHealth } };
  steps: Step[];
  alarms: Alarm[];
  watch: Watched[];
  outcome: Outcome | null;
  started: number | null;
};

export type SupervisionMode = "silent" | "whispering" | "barged_in";
export type SupervisorView = {
  mode: SupervisionMode;
  media: MediaState;
  call: CallView;
  staff: StaffCard | null;
  visit: StaffView;
};

export type NewVisit = { visit: string; token: string; url: string; expires: number };

export type RecordingSummary = {
  recording: string;
  visit: string;
  started: number;
  duration_ms: number;
  state: "sealed" | "recovered";
  gap_ms: number;
};
export type RecordingRow = RecordingSummary & { number: string | null };
export type ReplayTrack = {
  /** What addresses of its files call it. */
  name: string;
  participant: string;
  /** A camera with its microphone, or a shared screen. */
  source: "camera" | "screen";
  /** `unknown`: media of somebody who was not announced. */
  role: "customer" | "staff" | "third_party" | "supervisor" | "unknown";
  start_ms: number;
  duration_ms: number;
};
export type TimelineEvent = { offset_ms: number; type: string } & Record<string, unknown>;
export type ReplayGap = {
  offset_ms: number;
  duration_ms: number;
  participant: string;
  kind: "audio" | "video" | "screen";
  cause: string;
};
export type Replay = {
  replay: string;
  viewer: string;
  view: {
    summary: RecordingSummary;
    tracks: ReplayTrack[];
    timeline: TimelineEvent[];
    gaps: ReplayGap[];
  };
};
export type FilmLayout = "side" | "pip";
/** A recording in one picture, made on demand; derived, never the evidence. */
export type Film = {
  film: string;
  recording: string;
  by: string;
  reason: string;
  layout: FilmLayout;
  at: number;
  mine: boolean;
  approved_by: string | null;
  needs_second_person: boolean;
  state: "making" | "made" | "failed";
  position_ms: number;
  total_ms: number;
  sha256: string | null;
  len: number;
  /** Tracks whose pictures are not, or not always, in it. */
  left_out: string[];
};
export type AuditEntry = {
  at: number;
  actor: string;
  action: string;
  recording: string | null;
  reason: string | null;
};

export type ClientMessage =
  | { type: "hello"; token?: string }
  | { type: "watch"; visit: string }
  | { type: "cpu_limited"; limited: boolean }
  | { type: "ping" };
export type ServerMessage =
  | { type: "customer_visit"; visit: CustomerView }
  | { type: "staff_visit"; visit: StaffView }
  | { type: "supervised_visit"; visit: SupervisorView }
  | { type: "queue"; visits: QueueEntry[] }
  | { type: "error"; code: string; detail: string }
  | { type: "pong" };

/** A portrait for the face vault, as JPEG or PNG. */
export const MAX_PORTRAIT_BYTES = 5 * 1024 * 1024;
/** 1 MiB of body for a request with a picture; base64 adds a third, JSON a little. */
export const MAX_PICTURE_BYTES = 760 * 1024;
