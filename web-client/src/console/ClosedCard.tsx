import { Button } from "antd";

import type { StaffView } from "@vbranch/sdk";

import { useTranslation } from "../i18n";

type Props = { view: StaffView; back: string; testid: string; onBack: () => void };

/** How a visit ended, and the way on. */
export function ClosedCard({ view, back, testid, onBack }: Props) {
  const { t } = useTranslation();
  const outcome = view.outcome ?? "interrupted";
  return (
    <main className="page-main narrow">
      <section
        className="card stack"
        data-testid="visit-closed"
        data-outcome={outcome}
        role="status"
      >
        <h1>{t("staff.call.closed")}</h1>
        <p>
          {view.number} · {t(`outcome.${outcome}`)}
        </p>
        <Button type="primary" data-testid={testid} onClick={onBack}>
          {back}
        </Button>
      </section>
    </main>
  );
}
