import { useState } from "react";

import { useTranslation } from "../../i18n";
import { HangUpIcon } from "../../ui/icons";
import { ProblemNotice } from "../../ui/ProblemNotice";
import { useAction } from "../../ui/useAction";
import type { CustomerVisit } from "../CustomerVisit";

export function HangUp({ visit }: { visit: CustomerVisit }) {
  const { t } = useTranslation();
  const [asking, setAsking] = useState(false);
  const { busy, problem, run } = useAction();
  const leave = () => run(() => visit.command(() => visit.api.leave()));
  return (
    <>
      <button
        type="button"
        className="round-button danger"
        data-testid="hang-up"
        aria-label={t("customer.call.hangUp")}
        aria-expanded={asking}
        onClick={() => setAsking(!asking)}
      >
        <HangUpIcon />
      </button>
      {asking && (
        <div className="hang-up-ask" role="alertdialog" aria-label={t("customer.call.hangUp")}>
          <p>{t("customer.call.hangUpSure")}</p>
          <ProblemNotice problem={problem} />
          <div className="button-row">
            <button
              type="button"
              className="plain-button"
              data-testid="hang-up-no"
              onClick={() => setAsking(false)}
            >
              {t("customer.call.hangUpNo")}
            </button>
            <button
              type="button"
              className="plain-button danger"
              data-testid="hang-up-yes"
              disabled={busy}
              onClick={() => void leave()}
            >
              {t("customer.call.hangUpYes")}
            </button>
          </div>
        </div>
      )}
    </>
  );
}
