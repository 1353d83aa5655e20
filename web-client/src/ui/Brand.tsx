import { useEffect } from "react";

import { useTranslation, useText } from "../i18n";
import { useInfo } from "../info";
import { BrandMark } from "./icons";

export function Brand({ sub }: { sub?: string }) {
  const { t } = useTranslation();
  const { info } = useInfo();
  const text = useText();
  const bank = text(info?.bank_name) || "vbranch";
  const line = t("brand.branch");
  useEffect(() => {
    document.title = `${bank} · ${line}`;
  }, [bank, line]);
  return (
    <span className="brand">
      <BrandMark />
      <span className="brand-words">
        <span className="brand-bank">{bank}</span>
        <span className="brand-sub">{sub ?? line}</span>
      </span>
    </span>
  );
}
