import { Button, Modal } from "antd";
import { useState } from "react";

import type { ClosingOutcome, StaffView } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import { ProblemNotice } from "../ui/ProblemNotice";
import { useAction } from "../ui/useAction";
import { closeBlocked } from "./journey";
import type { StaffDesk } from "./StaffDesk";

const OUTCOMES: ClosingOutcome[] = ["completed", "declined", "abandoned"];

export function CloseVisit({ desk, view }: { desk: StaffDesk; view: StaffView }) {
  const { t } = useTranslation();
  const [asking, setAsking] = useState(false);
  const { busy, problem, run } = useAction();
  const close = (outcome: ClosingOutcome) =>
    void run(() => desk.command(() => desk.api.close(view.visit, outcome)));
  return (
    <>
      <Button danger block data-testid="close-visit" onClick={() => setAsking(true)}>
        {t("staff.call.close")}
      </Button>
      <Modal
        title={t("staff.call.closeTitle")}
        open={asking}
        footer={null}
        onCancel={() => setAsking(false)}
      >
        <div className="stack">
          <p>{t("staff.call.closeText")}</p>
          {OUTCOMES.map((outcome) => {
            const blocked = closeBlocked(view, outcome);
            return (
              <button
                key={outcome}
                type="button"
                className="outcome-choice"
                disabled={busy || blocked !== null}
                data-testid={`close-outcome-${outcome}`}
                onClick={() => close(outcome)}
              >
                <strong>{t(`staff.call.outcome.${outcome}`)}</strong>
                <span>{t(blocked ?? `staff.call.outcomeText.${outcome}`)}</span>
              </button>
            );
          })}
          <ProblemNotice problem={problem} />
        </div>
      </Modal>
    </>
  );
}
