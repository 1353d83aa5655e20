/** Which language a person is served in: their own choice, else the browser's, else Chinese. */
import type { Language } from "@vbranch/sdk";

const KEY = "vbranch.language";
const FALLBACK: Language = "zh-CN";

export function initialLanguage(
  remembered: string | null = recall(),
  browser: readonly string[] = navigator.languages,
): Language {
  if (remembered === "zh-CN" || remembered === "en") return remembered;
  for (const tag of browser) {
    if (/^zh\b/i.test(tag)) return "zh-CN";
    if (/^en\b/i.test(tag)) return "en";
  }
  return FALLBACK;
}

export function remember(language: Language): void {
  try {
    localStorage.setItem(KEY, language);
  } catch {
    // Private windows may refuse storage: the choice then holds for this page only.
  }
}

function recall(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
