import { useTranslation, useText } from "../i18n";
import { useInfo } from "../info";
import { BrandMark } from "./icons";

export function Brand({ sub }: { sub?: string }) {
  const { t } = useTranslation();
  const { info } = useInfo();
  const text = useText();
  return (
    <span className="brand">
      <BrandMark />
      <span className="brand-words">
        <span className="brand-bank">{text(info?.bank_name) || "vbranch"}</span>
        <span className="brand-sub">{sub ?? t("brand.branch")}</span>
      </span>
    </span>
  );
}
