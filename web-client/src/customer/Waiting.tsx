import { Button } from "antd-mobile";
import { useState } from "react";

import type { CustomerView } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import { ProblemNotice } from "../ui/ProblemNotice";
import { useAction } from "../ui/useAction";
import type { CustomerVisit } from "./CustomerVisit";

export function Waiting({ visit, view }: { visit: CustomerVisit; view: CustomerView }) {
  const { t } = useTranslation();
  const ahead = view.queue?.ahead ?? 0;
  return (
    <section className="card stack waiting" data-testid="waiting">
      <h1>{t("customer.waiting.title")}</h1>
      <div
        className="queue-position"
        data-testid="queue-position"
        data-position={view.queue?.position ?? ""}
        data-ahead={ahead}
        role="status"
        aria-live="polite"
      >
        {ahead === 0 ? (
          <strong className="queue-next">{t("customer.waiting.next")}</strong>
        ) : (
          <>
            <span>{t("customer.waiting.position")}</span>
            <strong className="queue-number">{ahead}</strong>
            <span>{t("customer.waiting.people")}</span>
          </>
        )}
      </div>
      <p>
        <span className="muted">{t("customer.number")} </span>
        <strong data-testid="visit-number">{view.number}</strong>
      </p>
      <p>{t("customer.waiting.text")}</p>
      <p className="muted">
        {t("customer.waiting.keep")} {t("customer.waiting.tip")}
      </p>
      <Leave visit={visit} />
    </section>
  );
}

function Leave({ visit }: { visit: CustomerVisit }) {
  const { t } = useTranslation();
  const [asking, setAsking] = useState(false);
  const { busy, problem, run } = useAction();
  if (!asking) {
    return (
      <Button
        block
        fill="none"
        color="primary"
        data-testid="queue-leave"
        onClick={() => setAsking(true)}
      >
        {t("customer.waiting.leave")}
      </Button>
    );
  }
  const leave = () => run(() => visit.command(() => visit.api.leave()));
  return (
    <div className="confirm" role="group" aria-label={t("customer.waiting.leaveSure")}>
      <p>{t("customer.waiting.leaveSure")}</p>
      <ProblemNotice problem={problem} />
      <div className="button-row">
        <Button data-testid="queue-leave-no" onClick={() => setAsking(false)}>
          {t("customer.waiting.leaveNo")}
        </Button>
        <Button
          color="danger"
          loading={busy}
          data-testid="queue-leave-yes"
          onClick={() => void leave()}
        >
          {t("customer.waiting.leaveYes")}
        </Button>
      </div>
    </div>
  );
}
