import { Button } from "antd";
import type { StaffView, Step, StepInput } from "@vbranch/sdk";

import { StepHead } from "../console/StepHead";
import { useText, useTranslation } from "../i18n";
import type { CallMediaState } from "../media/CallMedia";
import { needsUnmute } from "../media/MuteControls";
import { ProblemNotice } from "../ui/ProblemNotice";
import { ScrollText } from "../ui/ScrollText";
import { useAction } from "../ui/useAction";
import { DocumentCapture } from "./DocumentCapture";
import { nextAction, type NextAction } from "./journey";
import type { StaffDesk } from "./StaffDesk";

type Props = {
  desk: StaffDesk;
  view: StaffView;
  media: CallMediaState;
  remote: HTMLVideoElement | null;
};

/** The script of the visit. Only the next thing can be done, and where it cannot, it says why. */
export function JourneyPanel({ desk, view, media, remote }: Props) {
  const { t } = useTranslation();
  const { busy, problem, run } = useAction();
  const next = nextAction(view, needsUnmute(media));
  const open = (step: Step) =>
    void run(() => desk.command(() => desk.api.openStep(view.visit, step.id)));
  const complete = (step: Step, input: StepInput) =>
    run(() => desk.command(() => desk.api.completeStep(view.visit, step.id, input)));

  return (
    <section className="card panel" aria-labelledby="journey-title">
      <h2 id="journey-title">{t("staff.call.journey")}</h2>
      <ol className="journey">
        {view.steps.map((step) => (
          <li
            key={step.id}
            className="journey-step"
            data-testid={`step-${step.id}`}
            data-state={step.state}
            data-kind={step.kind}
            data-outcome={step.outcome ?? ""}
            aria-current={step.state === "open" ? "step" : undefined}
          >
            <StepHead step={step} />
            {step.state === "open" && <StepWords step={step} />}
            {next.kind !== "none" && next.step.id === step.id && (
              <Action
                next={next}
                busy={busy}
                remote={remote}
                onOpen={() => open(step)}
                onComplete={(input) => complete(step, input)}
              />
            )}
          </li>
        ))}
      </ol>
      <ProblemNotice problem={problem} />
    </section>
  );
}

function StepWords({ step }: { step: Step }) {
  const text = useText();
  if (step.text === null) return null;
  return (
    <ScrollText className="journey-words" label={text(step.title)}>
      {text(step.text)}
    </ScrollText>
  );
}

type ActionProps = {
  next: Exclude<NextAction, { kind: "none" }>;
  busy: boolean;
  remote: HTMLVideoElement | null;
  onOpen: () => void;
  onComplete: (input: StepInput) => Promise<boolean>;
};

function Action({ next, busy, remote, onOpen, onComplete }: ActionProps) {
  const { t } = useTranslation();
  if (next.kind === "wait") {
    return (
      <p className="muted" role="status">
        {t("staff.call.waitsCustomer")}
      </p>
    );
  }
  const { step, blocked } = next;
  const why = blocked === null ? null : t(`staff.call.why.${blocked}`);
  return (
    <>
      {next.kind === "open" ? (
        <Button
          type="primary"
          disabled={busy || blocked !== null}
          data-testid="step-open"
          data-step={step.id}
          onClick={onOpen}
        >
          {t("staff.call.open")}
        </Button>
      ) : (
        <Complete
          step={step}
          disabled={busy || blocked !== null}
          remote={remote}
          onComplete={onComplete}
        />
      )}
      <p
        className="muted small"
        role="status"
        data-testid="step-blocked"
        data-reason={blocked ?? ""}
      >
        {why}
      </p>
    </>
  );
}

type CompleteProps = {
  step: Step;
  disabled: boolean;
  remote: HTMLVideoElement | null;
  onComplete: (input: StepInput) => Promise<boolean>;
};

function Complete({ step, disabled, remote, onComplete }: CompleteProps) {
  const { t } = useTranslation();
  const { kind } = step;
  if (kind === "document") {
    return (
      <DocumentCapture
        disabled={disabled}
        remote={remote}
        onKeep={(image_png) => onComplete({ type: "document", image_png })}
      />
    );
  }
  // Questions and signatures are the customer's alone.
  if (kind !== "identity" && kind !== "disclosure") return null;
  return (
    <Button
      type="primary"
      disabled={disabled}
      data-testid="step-complete"
      data-step={step.id}
      onClick={() => void onComplete({ type: kind })}
    >
      {t(`staff.call.complete.${kind}`)}
    </Button>
  );
}
