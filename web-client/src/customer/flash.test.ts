import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { CustomerView, Liveness } from "@vbranch/sdk";

import { customers } from "../../dev/customers";
import { FlashScreen, LEAST_GAP_MS, LONGEST_MS, inkOn } from "./flash";

function view(change: Partial<Liveness>): CustomerView {
  const base = customers["check-blink"];
  if (!base?.liveness) throw new Error("no such view");
  return { ...base, liveness: { ...base.liveness, challenge: null, ...change } };
}
const showing = (index: number, colour = "#ff0000", attempt = 1) =>
  view({ attempt, flash: { colour, index, of: 6 } });

describe("the colour that fills the screen", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const screen = () => new FlashScreen(() => Date.now());
  const colour = (one: FlashScreen) => one.state.get()?.colour ?? null;

  it("is there at once, and gone at once", () => {
    const one = screen();
    one.heard(showing(0));
    expect(colour(one)).toBe("#ff0000");
    one.heard(view({ flash: null }));
    expect(colour(one)).toBeNull();
  });

  it("never changes faster than eyes bear; the newest counts then", () => {
    const one = screen();
    const changes: (string | null)[] = [];
    one.state.subscribe(() => changes.push(colour(one)));
    one.heard(showing(0, "#ff0000"));
    one.heard(showing(1, "#00ff00"));
    one.heard(showing(2, "#0000ff"));
    expect(changes).toEqual(["#ff0000"]);
    vi.advanceTimersByTime(LEAST_GAP_MS);
    expect(changes).toEqual(["#ff0000", "#0000ff"]);
  });

  it("does not come late: what the server has taken back is never shown", () => {
    const one = screen();
    one.heard(showing(0));
    one.heard(showing(1, "#00ff00"));
    one.heard(view({ flash: null }));
    vi.advanceTimersByTime(LONGEST_MS);
    expect(colour(one)).toBeNull();
  });

  it("leaves when the check ends, or the line is lost", () => {
    for (const end of [
      (one: FlashScreen) => one.heard(view({ status: "failed" })),
      (one: FlashScreen) => one.heard({ ...showing(0), state: "waiting" }),
      (one: FlashScreen) => one.clear(),
    ]) {
      const one = screen();
      one.heard(showing(0));
      end(one);
      expect(colour(one)).toBeNull();
    }
  });

  it("does not stand for ever where nobody asks for it any more", () => {
    const one = screen();
    one.heard(showing(0));
    vi.advanceTimersByTime(LONGEST_MS - 1);
    one.heard(view({ flash: { colour: "#ff0000", index: 0, of: 6 }, advice: "come_closer" }));
    expect(colour(one)).toBe("#ff0000");
    vi.advanceTimersByTime(1);
    expect(colour(one)).toBeNull();
    one.heard(showing(0));
    expect(colour(one)).toBeNull();
    vi.advanceTimersByTime(LEAST_GAP_MS);
    one.heard(showing(1));
    expect(colour(one)).toBe("#ff0000");
  });

  it("comes no more in an attempt in which the customer has stopped it", () => {
    const one = screen();
    one.heard(showing(0));
    one.stop();
    vi.advanceTimersByTime(1_000);
    one.heard(showing(1));
    expect(colour(one)).toBeNull();
    one.heard(showing(0, "#ff0000", 2));
    expect(colour(one)).toBe("#ff0000");
  });

  it("is one that the server can mean", () => {
    const one = screen();
    one.heard(showing(0, "red; background: url(x)"));
    expect(colour(one)).toBeNull();
  });
});

it("words can be read on every colour", () => {
  const luminance = (hex: string) => {
    const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
      const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  for (const level of ["00", "40", "80", "bc", "ff"]) {
    for (const hex of [`#${level}0000`, `#00${level}00`, `#0000${level}`, `#${level}${level}ff`]) {
      const [dark, light] = [luminance(hex), luminance(inkOn(hex))].sort((a, b) => a - b);
      expect(((light ?? 0) + 0.05) / ((dark ?? 0) + 0.05), hex).toBeGreaterThan(4.5);
    }
  }
});
