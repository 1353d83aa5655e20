import { Button } from "antd-mobile";

import type { Step, StepInput } from "@vbranch/sdk";

import { useText, useTranslation } from "../../i18n";
import { ProblemNotice } from "../../ui/ProblemNotice";
import { ScrollText } from "../../ui/ScrollText";
import { useAction } from "../../ui/useAction";
import type { CustomerVisit } from "../CustomerVisit";
import { SignatureStep } from "./SignatureStep";

type Props = { visit: CustomerVisit; step: Step; blocked: boolean };

/** What the customer reads and does in an open step. */
export function StepBody({ visit, step, blocked }: Props) {
  const { t } = useTranslation();
  const text = useText();
  const { busy, problem, run } = useAction();
  const send = (input: StepInput) =>
    void run(() => visit.command(() => visit.api.completeStep(step.id, input)));

  return (
    <>
      {step.kind === "disclosure" && <p className="small">{t("customer.call.disclosure")}</p>}
      {step.text !== null && (
        <StepText step={step} title={text(step.title)} words={text(step.text)} />
      )}
      {step.by === "staff" && <p className="small">{t("customer.call.staffDoes")}</p>}
      {step.kind === "question" && step.by === "customer" && (
        <Question
          busy={busy || blocked}
          onAnswer={(answer) => send({ type: "question", answer })}
        />
      )}
      {step.kind === "signature" && step.by === "customer" && (
        <SignatureStep
          busy={busy}
          blocked={blocked}
          onSign={(image_png) => send({ type: "signature", image_png })}
        />
      )}
      <ProblemNotice problem={problem} />
    </>
  );
}

function StepText({ step, title, words }: { step: Step; title: string; words: string }) {
  const long = step.kind === "disclosure" || step.kind === "signature";
  if (!long) return <p className="step-words">{words}</p>;
  return (
    <ScrollText className="step-text" label={title} testid="step-text">
      {words}
    </ScrollText>
  );
}

type QuestionProps = { busy: boolean; onAnswer: (answer: "yes" | "no") => void };

function Question({ busy, onAnswer }: QuestionProps) {
  const { t } = useTranslation();
  return (
    <>
      <p className="small">{t("customer.call.question")}</p>
      <div className="button-row">
        <Button
          size="large"
          disabled={busy}
          data-testid="question-no"
          onClick={() => onAnswer("no")}
        >
          {t("customer.call.no")}
        </Button>
        <Button
          size="large"
          color="primary"
          disabled={busy}
          data-testid="question-yes"
          onClick={() => onAnswer("yes")}
        >
          {t("customer.call.yes")}
        </Button>
      </div>
      <p className="small">{t("customer.call.noSure")}</p>
    </>
  );
}
