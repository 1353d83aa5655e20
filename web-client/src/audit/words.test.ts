import i18next from "i18next";
import { beforeAll, expect, it } from "vitest";

import { recordings, replay } from "../../dev/views";
import { en } from "../i18n/en";
import { zh } from "../i18n/zh";
import { eventWords, type Words } from "./words";

let words: Words;

beforeAll(async () => {
  await i18next.init({
    lng: "en",
    resources: { en: { translation: en }, "zh-CN": { translation: zh } },
  });
  words = {
    t: (key, values) => i18next.t(key, values ?? {}),
    exists: (key) => i18next.exists(key),
  };
});

it("every kind of event is told in words, in both languages", async () => {
  const [row] = recordings(0);
  if (row === undefined) throw new Error("no recording in the fixture");
  for (const language of ["en", "zh-CN"]) {
    await i18next.changeLanguage(language);
    for (const event of replay(row).view.timeline) {
      const told = eventWords(words, event);
      expect(told).not.toContain("audit.");
      expect(told).not.toContain("{{");
      expect(told).not.toBe(event.type);
      expect(told).not.toMatch(/^(Event|事件)/);
    }
  }
});

it("an event of a later version is still shown", async () => {
  await i18next.changeLanguage("en");
  expect(eventWords(words, { offset_ms: 1, type: "hologram_shown" })).toContain("hologram_shown");
});

it("a verdict that cannot be read counts as referred", () => {
  expect(eventWords(words, { offset_ms: 1, type: "kyc_verdict", verdict: 7 })).toBe(
    "Liveness check referred to staff",
  );
});
