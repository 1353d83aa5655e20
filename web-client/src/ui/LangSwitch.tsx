import { useLanguage, useTranslation } from "../i18n";

/** One button that names the other language. */
export function LangSwitch() {
  const { t } = useTranslation();
  const [language, change] = useLanguage();
  const other = language === "en" ? "zh-CN" : "en";
  return (
    <button
      type="button"
      className="lang-switch"
      data-testid="lang-switch"
      data-language={language}
      aria-label={t("language.switch")}
      onClick={() => change(other)}
    >
      <span lang={other}>{other === "en" ? t("language.en") : t("language.zh")}</span>
    </button>
  );
}
