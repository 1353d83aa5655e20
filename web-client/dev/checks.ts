/** Face checks for looking at the console without a server. Drawn, not filmed: nobody's face. */
import type {
  ChallengeKind,
  KycEvidence,
  KycLook,
  KycSignal,
  KycTrace,
} from "../packages/sdk/src/protocol";

const COLOURS = ["#ff0000", "#00ff00", "#ffffff", "#0000ff", "#ffff00", "#ff00ff", "#00ffff"];
const HOLD_MS = 450;
const LIGHT_FROM = 13_000;
const LIGHT_TO = LIGHT_FROM + COLOURS.length * HOLD_MS;
const DURATION_MS = LIGHT_TO + 900;
const WIDTH = 480;
const HEIGHT = 640;

type Asked = { kind: ChallengeKind; index: number; from: number; to: number; done: boolean };

function asked(done: boolean): Asked[] {
  const kinds = ["smile", "turn_left", "open_mouth", "blink"] as const;
  return kinds.map((kind, index) => ({
    kind,
    index,
    from: 800 + index * 3_000,
    to: 800 + index * 3_000 + 2_600,
    done: done || index < 3,
  }));
}

/** Rises and falls within a gesture's time; a little restless otherwise. */
function bump(t: number, gesture: Asked | undefined, rest: number, peak: number): number {
  const noise = 0.04 * peak * Math.sin(t / 137) * Math.cos(t / 61);
  if (gesture === undefined || t < gesture.from + 700 || t > gesture.to) return rest + noise;
  const share = (t - gesture.from - 700) / (gesture.to - gesture.from - 700);
  return rest + noise + (peak - rest) * Math.sin(Math.PI * share) ** 2;
}

function looks(challenges: Asked[]): KycLook[] {
  const of = (kind: ChallengeKind) => challenges.find((each) => each.kind === kind && each.done);
  return Array.from({ length: Math.floor(DURATION_MS / 83) }, (_, at): KycLook => {
    const t = at * 83;
    return {
      t,
      faces: 1,
      presence: 0.99,
      blink: bump(t, of("blink"), 0.12, 0.66),
      mouth: bump(t, of("open_mouth"), 0.05, 0.78),
      smile: bump(t, of("smile"), 0.1, 0.71),
      yaw: bump(t, of("turn_left"), 1.5, -31),
      pitch: 4 + 2 * Math.sin(t / 900),
      size: 0.34,
      light: 0.52,
      sharp: 0.8,
    };
  });
}

function answered(gain: number): KycTrace["skin"] {
  const count = Math.floor((LIGHT_TO - LIGHT_FROM + 1_800) / 83);
  return Array.from({ length: count }, (_, at) => {
    const t = LIGHT_FROM - 900 + at * 83;
    const colour = COLOURS[Math.floor((t - 110 - LIGHT_FROM) / HOLD_MS)] ?? "#808080";
    const channel = (from: number) =>
      gain * (Number.parseInt(colour.slice(from, from + 2), 16) / 255 - 0.5) +
      0.004 * Math.sin(t / 53 + from);
    return { t, r: 0.52 + channel(1), g: 0.41 + channel(3), b: 0.35 + channel(5) };
  });
}

/** 468 points of a face's outline and inside, and twice five of the irises, as the mesh has them. */
function points(): [number, number][] {
  const rings = Array.from({ length: 12 }, (_, ring) => (ring + 1) / 12);
  const mesh = rings.flatMap((share) =>
    Array.from({ length: 39 }, (_, at): [number, number] => {
      const angle = (at / 39) * 2 * Math.PI;
      return [240 + 118 * share * Math.sin(angle), 320 - 158 * share * Math.cos(angle)];
    }),
  );
  const iris = [196, 284].flatMap((x) =>
    [
      [0, 0],
      [7, 0],
      [0, 7],
      [-7, 0],
      [0, -7],
    ].map(([dx = 0, dy = 0]): [number, number] => [x + dx, 288 + dy]),
  );
  return [...mesh, ...iris];
}

function trace(done: boolean, gain: number): KycTrace {
  const challenges = asked(done);
  const flash: KycTrace["flash"] = COLOURS.map((colour, index) => ({
    t: LIGHT_FROM + index * HOLD_MS,
    colour,
    index,
  }));
  return {
    version: 1,
    duration_ms: DURATION_MS,
    looks: looks(challenges),
    challenges,
    flash: done ? [...flash, { t: LIGHT_TO, colour: null, index: COLOURS.length - 1 }] : [],
    skin: done ? answered(gain) : [],
    background: done ? answered(0.012) : [],
    landmarks: { width: WIDTH, height: HEIGHT, points: points() },
  };
}

const digest = (seed: number) =>
  Array.from({ length: 64 }, (_, at) =>
    ((seed * 7 + at * 11 + (at % 5) * seed) % 16).toString(16),
  ).join("");

const models = ["yunet", "face_landmarks", "blendshapes", "minifasnet", "sface"].map(
  (name, at) => ({ name, sha256: digest(at + 1) }),
);
const artifacts = ["kyc-1-face.jpg", "kyc-1-trace.json"].map((name, at) => ({
  name,
  sha256: digest(at + 20),
}));

function signals(passed: boolean, match: number): KycSignal[] {
  return [
    { name: "challenge.0.smile", score: 0.71, threshold: 0.4, passed: true },
    { name: "challenge.1.turn_left", score: 31.4, threshold: 18, passed: true },
    { name: "challenge.2.open_mouth", score: 0.78, threshold: 0.5, passed: true },
    { name: "challenge.3.blink", score: passed ? 0.66 : 0.2, threshold: 0.5, passed },
    { name: "face.same", score: 0.83, threshold: 0.4, passed: true },
    { name: "face.match", score: match, threshold: 0.45, passed: match >= 0.45 },
    { name: "flash.correlation", score: passed ? 0.86 : 0.11, threshold: 0.6, passed },
    { name: "flash.regions", score: passed ? 0.44 : -0.12, threshold: 0.25, passed },
    { name: "flash.lag_ms", score: 180, threshold: 1200, passed: true },
    { name: "parallax.0.depth", score: 0.71, threshold: 0.5, passed: true },
    { name: "stream.jumps", score: 0, threshold: 1, passed: true },
    { name: "stream.jitter_ms", score: 0.004, threshold: 0.02, passed: false },
    { name: "camera.real", score: 1, threshold: 1, passed: true },
    { name: "evidence.sealed", score: 2, threshold: 2, passed: true },
  ];
}

/** By name: what `GET …/kyc` gives. */
export const checks = {
  pass: {
    attempt: 1,
    verdict: {
      outcome: "pass",
      reason: "live",
      signals: signals(true, 0.58),
      models,
      frames: 214,
      artifacts,
      policy_sha256: digest(40),
    },
    trace: trace(true, 0.11),
    picture: true,
  },
  fail: {
    attempt: 3,
    verdict: {
      outcome: "fail",
      reason: "flash_mismatch",
      signals: signals(false, -0.04),
      models,
      frames: 97,
      artifacts,
      policy_sha256: digest(40),
    },
    trace: trace(false, 0),
    picture: true,
  },
  refer: {
    attempt: 1,
    verdict: {
      outcome: "refer",
      reason: "models_unavailable",
      signals: [],
      models: [],
      frames: 0,
      artifacts: [],
      policy_sha256: "",
    },
    trace: null,
    picture: false,
  },
} satisfies Record<string, KycEvidence>;

/** A drawn head of the size that the landmarks belong to. */
export const picture = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}">
<rect width="100%" height="100%" fill="#9fb3c4"/><path d="M70 640q20-150 170-150t170 150z" fill="#31506e"/>
<ellipse cx="240" cy="320" rx="122" ry="164" fill="#d9a98a"/><path d="M116 300q0-150 124-150t124 150q-40-70-124-70t-124 70z" fill="#3a2b24"/>
<circle cx="196" cy="288" r="11" fill="#2b2019"/><circle cx="284" cy="288" r="11" fill="#2b2019"/>
<path d="M200 400q40 26 80 0" fill="none" stroke="#8d4b3f" stroke-width="8" stroke-linecap="round"/></svg>`;
