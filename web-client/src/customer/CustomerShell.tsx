import type { ReactNode } from "react";

import type { CustomerView } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import { Brand } from "../ui/Brand";
import { LangSwitch } from "../ui/LangSwitch";
import { RecordingBadge } from "../ui/RecordingBadge";

type Props = { view: CustomerView; lost: boolean; children: ReactNode };

export function CustomerShell({ view, lost, children }: Props) {
  const { t } = useTranslation();
  return (
    <div className="page customer">
      <header className="page-header">
        <Brand sub={`${t("customer.number")} ${view.number}`} />
        <LangSwitch />
      </header>
      {/* Recording begins with the camera, before the call: whoever is recorded can see it. */}
      {view.recording !== "off" && view.state !== "closed" && (
        <p className="recording-line">
          <RecordingBadge phase={view.recording} />
        </p>
      )}
      {lost && (
        <p className="link-lost" role="status" data-testid="link-lost">
          {t("reconnecting")}
        </p>
      )}
      <main className="page-main narrow">{children}</main>
    </div>
  );
}
