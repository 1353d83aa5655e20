import type { ReactNode } from "react";

import { useTranslation } from "../i18n";
import { Brand } from "../ui/Brand";
import { LangSwitch } from "../ui/LangSwitch";

type Props = { number: string; lost: boolean; children: ReactNode };

export function CustomerShell({ number, lost, children }: Props) {
  const { t } = useTranslation();
  return (
    <div className="page customer">
      <header className="page-header">
        <Brand sub={`${t("customer.number")} ${number}`} />
        <LangSwitch />
      </header>
      {lost && (
        <p className="link-lost" role="status" data-testid="link-lost">
          {t("reconnecting")}
        </p>
      )}
      <main className="page-main narrow">{children}</main>
    </div>
  );
}
