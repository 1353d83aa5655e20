import type { CustomerView } from "@vbranch/sdk";

import { useText, useTranslation } from "../i18n";
import { CheckIcon, ShieldIcon } from "../ui/icons";

export function Closed({ view }: { view: CustomerView }) {
  const { t } = useTranslation();
  const text = useText();
  const outcome = view.outcome ?? "interrupted";
  const done = view.steps.filter((step) => step.state === "done");
  return (
    <section
      className="card stack closed"
      data-testid="visit-closed"
      data-outcome={outcome}
      role="status"
    >
      <span className={`closed-mark ${outcome}`}>
        {outcome === "completed" ? <CheckIcon /> : <ShieldIcon />}
      </span>
      <h1>{t(`customer.closed.${outcome}.title`)}</h1>
      <p>{t(`customer.closed.${outcome}.text`)}</p>
      <dl className="facts">
        <div>
          <dt>{t("customer.number")}</dt>
          <dd>{view.number}</dd>
        </div>
        <div>
          <dt>{text(view.product.name)}</dt>
          <dd>{t(`outcome.${outcome}`)}</dd>
        </div>
        {done.map((step) => (
          <div key={step.id}>
            <dt>{text(step.title)}</dt>
            <dd>{step.outcome ? t(`outcome.${step.outcome}`) : t("step.state.done")}</dd>
          </div>
        ))}
      </dl>
      {view.consents.recording === true && (
        <p className="muted small">{t("customer.closed.kept")}</p>
      )}
      <p className="muted">{t("customer.closed.goodbye")}</p>
    </section>
  );
}
