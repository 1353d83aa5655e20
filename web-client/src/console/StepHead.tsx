import type { Step } from "@vbranch/sdk";

import { useText, useTranslation } from "../i18n";
import { CheckIcon, LockIcon } from "../ui/icons";

/** A step's name, and how far it is. */
export function StepHead({ step }: { step: Step }) {
  const { t } = useTranslation();
  const text = useText();
  return (
    <div className="journey-head">
      <span className="journey-mark">
        {step.state === "done" ? <CheckIcon /> : step.state === "locked" ? <LockIcon /> : null}
      </span>
      <span className="journey-title">{text(step.title)}</span>
      <span className="journey-state">
        {step.outcome ? t(`outcome.${step.outcome}`) : t(`step.state.${step.state}`)}
      </span>
    </div>
  );
}
