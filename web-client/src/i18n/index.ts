import i18next from "i18next";
import { initReactI18next, useTranslation } from "react-i18next";

import type { Language, Text } from "@vbranch/sdk";

import { en } from "./en";
import { initialLanguage, remember } from "./language";
import { zh } from "./zh";

export async function startI18n(): Promise<void> {
  await i18next.use(initReactI18next).init({
    lng: initialLanguage(),
    fallbackLng: "zh-CN",
    supportedLngs: ["zh-CN", "en"],
    resources: { "zh-CN": { translation: zh }, en: { translation: en } },
    interpolation: { escapeValue: false },
  });
  document.documentElement.lang = i18next.language;
}

export function useLanguage(): [Language, (language: Language) => void] {
  const { i18n } = useTranslation();
  const language: Language = i18n.language === "en" ? "en" : "zh-CN";
  const change = (to: Language) => {
    remember(to);
    document.documentElement.lang = to;
    void i18n.changeLanguage(to);
  };
  return [language, change];
}

/** Picks the words of a server-given text. */
export function useText(): (text: Text | null | undefined) => string {
  const [language] = useLanguage();
  return (text) => text?.[language] ?? text?.["zh-CN"] ?? "";
}

/** Words for a problem code, in the person's language. */
export function useProblemWords(): (code: string) => string {
  const { t, i18n } = useTranslation();
  return (code) =>
    i18n.exists(`error.${code}`) ? t(`error.${code}`) : t("error.unknown", { code });
}

export { useTranslation };
