/** Films of recordings, for looking at the audit page without a server. Never part of a build. */
import type { Film } from "../packages/sdk/src/protocol";

export function films(now: number, who: string): Film[] {
  const film = (n: number, change: Partial<Film>): Film => ({
    film: `55555555-5555-4555-8555-55555555555${n}`,
    recording: "33333333-3333-4333-8333-333333333331",
    by: "王磊",
    reason: "客户投诉核查 2026-118",
    layout: "side",
    at: now - n * 600_000,
    mine: who === "auditor",
    approved_by: null,
    needs_second_person: true,
    state: "made",
    position_ms: 184_000,
    total_ms: 184_000,
    sha256: "9b74c9897bac770ffc029102a200c5de1f6c43c5c0c3c3f8a6f7c0b1d2e3f4a5",
    len: 23_456_789,
    left_out: [],
    ...change,
  });
  return [
    film(1, { state: "making", position_ms: 77_000, sha256: null, len: 0 }),
    film(2, { left_out: ["柜员 staff · 屏幕 screen: VP8"] }),
    film(3, { layout: "pip", approved_by: "王芳" }),
    film(4, { state: "failed", sha256: null, len: 0 }),
  ];
}
