/** Snapshots for looking at pages without a server. Never part of a build. */
import { readFileSync } from "node:fs";

import type {
  AuditEntry,
  CallView,
  Info,
  QueueEntry,
  RecordingRow,
  Replay,
  Slot,
  StaffView,
  SupervisionMode,
  SupervisorView,
  Step,
  StepKind,
  Text,
  User,
} from "../packages/sdk/src/protocol";

import { checks } from "./checks";

type StepDef = { id: string; kind: StepKind; title: Text; text: Text };

function json(path: string): unknown {
  const raw = readFileSync(new URL(`../../signaling/${path}`, import.meta.url), "utf8");
  return JSON.parse(raw.replaceAll("{bank}", "示例银行"));
}

const journey = json("journeys/demo-loan@1.json") as { steps: StepDef[] };
export const consents = json("consents/2026-11.json") as {
  version: string;
  recording: Text;
  face: Text;
};

export const product = {
  id: "demo-loan",
  name: { "zh-CN": "个人消费贷款（演示）", en: "Personal consumer loan (demo)" },
};

export const info: Info = {
  version: "0.1.0",
  demo: true,
  bank_name: { "zh-CN": "示例银行", en: "Example Bank" },
  products: [product],
};

export const users: Record<string, User> = {
  staff: {
    id: "5b0c6d5c-0000-4000-8000-000000000001",
    username: "staff",
    display_name: "李静",
    title: "客户经理",
    staff_no: "100286",
    role: "staff",
  },
  supervisor: {
    id: "5b0c6d5c-0000-4000-8000-000000000003",
    username: "supervisor",
    display_name: "王芳",
    title: "运营主管",
    staff_no: "100011",
    role: "supervisor",
  },
  auditor: {
    id: "5b0c6d5c-0000-4000-8000-000000000002",
    username: "auditor",
    display_name: "王磊",
    title: "审计员",
    staff_no: "100077",
    role: "auditor",
  },
};

/** Steps with `done` of them done and the next one open, if asked for. */
export function steps(done: number, open: boolean): Step[] {
  return journey.steps.map((step, at) => {
    const state = at < done ? "done" : at === done && open ? "open" : "locked";
    return {
      ...step,
      text: state === "locked" ? null : step.text,
      by: step.kind === "question" || step.kind === "signature" ? "customer" : "staff",
      state,
      outcome: state === "done" ? OUTCOME[step.kind] : null,
    };
  });
}

const OUTCOME = {
  identity: "shown",
  disclosure: "read",
  question: "yes",
  document: "captured",
  signature: "signed",
} as const;

const SEATS = {
  c: "customer",
  s: "staff",
  t: "third_party",
  b: "supervisor_barged_in",
  w: "supervisor_whispering",
  o: "supervisor_silent",
  g: "supervisor_silent",
} as const;

/**
 * A call as seen by `me`, with those named in `who`. The echo of dev/echo.js answers every media
 * section: sections 0, 3 and 5 carry sound, 1, 4 and 6 a picture.
 */
export function callOf(
  me: keyof typeof SEATS,
  who: string,
  more: Partial<CallView> = {},
): CallView {
  const people = Array.from(who) as (keyof typeof SEATS)[];
  const heard = people.filter((each) => each !== me && each !== "o" && each !== "g");
  const shared = (more.slots ?? []).length > 0;
  const voices = ["0", "3", "5"].map((mid, at) => slot(mid, "audio", heard[at] ?? null));
  const pictures = (shared ? ["1", "4"] : ["1", "4", "6"]).map((mid, at) =>
    slot(mid, "video", heard.filter((each) => each !== "w")[at] ?? null),
  );
  return {
    me,
    participants: people.map((each, at) => ({
      participant: each,
      seat: SEATS[each],
      guest: each === "t" || each === "g",
      connected: true,
      muted: [],
      quality: QUALITIES[at] ?? null,
    })),
    speaker: heard[0] ?? null,
    video_codec: "h264",
    ...more,
    slots: [...voices, ...pictures, ...(more.slots ?? [])],
  };
}

const QUALITIES = [
  { score: 5, cause: null },
  { score: 4, cause: null },
  { score: 2, cause: "loss" },
  { score: 3, cause: "cpu" },
] as const;

export function slot(mid: string, kind: Slot["kind"], from: string | null): Slot {
  return { mid, kind, from };
}

export const on = { connected: true, peer_connected: true, connection: 1 };

export const staff = { display_name: "李静", title: "客户经理", staff_no: "100286" };

export function queue(now: number): QueueEntry[] {
  const entry = (n: number, liveness: QueueEntry["liveness"]): QueueEntry => ({
    visit: `22222222-2222-4222-8222-22222222222${n}`,
    number: `A-004${n}`,
    product,
    state: "waiting",
    waiting_since: now - n * 47_000,
    position: n,
    liveness,
    mine: false,
    staff: null,
  });
  return [
    ...[entry(1, "passed"), entry(2, "failed"), entry(3, "referred")],
    ...[entry(4, "declined"), entry(5, "passed")],
  ];
}

/** Which of the drawn checks belongs to a visit, by the last figure of its id. */
export function checkOf(visit: string): keyof typeof checks {
  return visit.endsWith("2") ? "fail" : visit.endsWith("3") ? "refer" : "pass";
}

const STATUS = { pass: "passed", fail: "failed", refer: "referred" } as const;

export function staffView(visit: string, done: number, open: boolean): StaffView {
  const check = checkOf(visit);
  return {
    visit,
    number: "A-0041",
    state: "in_call",
    product,
    liveness: {
      status: visit.endsWith("4") ? "declined" : STATUS[check],
      verdict: visit.endsWith("4") ? null : checks[check].verdict,
    },
    media: on,
    call: callOf("s", "scw"),
    recording: { state: "on", stores: { a: "ok", b: "degraded" } },
    steps: steps(done, open),
    alarms: [
      { code: "store_b", at: Date.now() - 20_000, who: null },
      { code: "face_absent", at: Date.now() - 4_000, who: "customer" },
    ],
    watch: [
      { participant: "c", alarms: ["absent"] },
      { participant: "s", alarms: [] },
    ],
    outcome: null,
    started: Date.now() - 84_000,
  };
}

/** Running calls, as a supervisor is shown them. */
export function calls(now: number): QueueEntry[] {
  return queue(now)
    .slice(0, 2)
    .map((entry, at) => ({
      ...entry,
      state: "in_call",
      position: null,
      staff: at === 0 ? staff : { ...staff, display_name: "赵敏", staff_no: "100291" },
    }));
}

export function supervised(visit: string, mode: SupervisionMode): SupervisorView {
  const me = { silent: "o", whispering: "w", barged_in: "b" } as const;
  return {
    mode,
    media: on,
    call: callOf(me[mode], `cstg${me[mode]}`),
    staff,
    visit: {
      ...staffView(visit, 2, true),
      alarms: [{ code: "face_different", at: Date.now() - 9_000, who: "staff" }],
      watch: [
        { participant: "c", alarms: [] },
        { participant: "s", alarms: ["different_face", "several_faces"] },
      ],
    },
  };
}

export function recordings(now: number): RecordingRow[] {
  return [
    {
      recording: "33333333-3333-4333-8333-333333333331",
      visit: "11111111-1111-4111-8111-111111111111",
      number: "A-0042",
      started: now - 3_600_000,
      duration_ms: 184_000,
      state: "sealed",
      gap_ms: 0,
    },
    {
      recording: "33333333-3333-4333-8333-333333333332",
      visit: "11111111-1111-4111-8111-111111111112",
      number: "A-0041",
      started: now - 9_000_000,
      duration_ms: 92_000,
      state: "recovered",
      gap_ms: 2400,
    },
  ];
}

export function replay(row: RecordingRow): Replay {
  const at = (offset_ms: number, type: string, more: Record<string, unknown> = {}) => ({
    offset_ms,
    type,
    ...more,
  });
  return {
    replay: "44444444-4444-4444-8444-444444444444",
    viewer: "王磊 100077",
    view: {
      summary: row,
      tracks: [
        {
          name: "c1",
          participant: "c1",
          source: "camera",
          role: "customer",
          start_ms: 0,
          duration_ms: 12_000,
        },
        {
          name: "s1",
          participant: "s1",
          source: "camera",
          role: "staff",
          start_ms: 1500,
          duration_ms: 10_000,
        },
      ],
      timeline: [
        at(0, "consent", { subject: "recording", text_version: "2026-11", granted: true }),
        at(0, "consent", { subject: "face", text_version: "2026-11", granted: true }),
        at(1200, "kyc_started", { attempt: 1 }),
        at(9000, "kyc_verdict", { attempt: 1, verdict: { outcome: "pass" } }),
        at(21_000, "staff_joined", { staff: users.staff?.id }),
        at(25_000, "step_opened", { step: "identity" }),
        at(33_000, "step_completed", { step: "identity", outcome: "shown" }),
        at(35_000, "step_opened", { step: "understanding" }),
        at(41_000, "step_completed", { step: "understanding", outcome: "yes" }),
        at(52_000, "connection_lost", { party: "customer" }),
        at(54_400, "connection_restored", { party: "customer" }),
        at(61_000, "alarm", { code: "store_b" }),
        at(90_000, "closed", { outcome: "completed" }),
      ],
      gaps: [
        {
          offset_ms: 52_000,
          duration_ms: 2400,
          participant: "c1",
          kind: "video",
          cause: "reconnect",
        },
      ],
    },
  };
}

export function auditLog(now: number): AuditEntry[] {
  const recording = "33333333-3333-4333-8333-333333333331";
  return [
    {
      at: now - 60_000,
      actor: "王磊",
      action: "replay",
      recording,
      reason: "客户投诉核查 2026-118",
    },
    {
      at: now - 62_000,
      actor: "王磊",
      action: "replay_read",
      recording,
      reason: "customer 00:00.0–01:20.5, 03:00.0–03:42.0; staff 00:00.0–01:21.0",
    },
    { at: now - 90_000, actor: "王磊", action: "sign_in", recording: null, reason: null },
  ];
}
