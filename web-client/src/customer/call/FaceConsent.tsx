import { useState } from "react";

import { useTranslation } from "../../i18n";
import { EyeIcon } from "../../ui/icons";
import { ProblemNotice } from "../../ui/ProblemNotice";
import { useAction } from "../../ui/useAction";
import type { CustomerVisit } from "../CustomerVisit";

/** Who has agreed to face processing sees that it goes on in the call, and can take it back. */
export function FaceConsent({ visit }: { visit: CustomerVisit }) {
  const { t } = useTranslation();
  const [asking, setAsking] = useState(false);
  const { busy, problem, run } = useAction();
  const withdraw = () => run(() => visit.command(() => visit.api.skipLiveness()));
  return (
    <>
      <button
        type="button"
        className="face-consent"
        data-testid="face-consent"
        aria-expanded={asking}
        onClick={() => setAsking(!asking)}
      >
        <EyeIcon />
        {t("customer.call.face.on")}
      </button>
      {asking && (
        <div
          className="hang-up-ask face-consent-ask"
          role="alertdialog"
          aria-label={t("customer.call.face.on")}
        >
          <p>{t("customer.call.face.text")}</p>
          <ProblemNotice problem={problem} />
          <div className="button-row">
            <button
              type="button"
              className="plain-button"
              data-testid="face-consent-keep"
              onClick={() => setAsking(false)}
            >
              {t("customer.call.face.keep")}
            </button>
            <button
              type="button"
              className="plain-button"
              data-testid="face-consent-withdraw"
              disabled={busy}
              onClick={() => void withdraw()}
            >
              {t("customer.call.face.withdraw")}
            </button>
          </div>
        </div>
      )}
    </>
  );
}
