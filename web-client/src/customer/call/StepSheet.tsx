import { useState } from "react";

import type { CustomerView, Step } from "@vbranch/sdk";

import { useText, useTranslation } from "../../i18n";
import type { CallMediaState } from "../../media/CallMedia";
import { needsUnmute } from "../../media/MuteControls";
import { ChevronIcon } from "../../ui/icons";
import type { CustomerVisit } from "../CustomerVisit";
import { StepBody } from "./StepBody";

type Props = { visit: CustomerVisit; view: CustomerView; media: CallMediaState };

/** The current step, from the bottom edge on a phone and at the side on a wide screen. */
export function StepSheet({ visit, view, media }: Props) {
  const { t } = useTranslation();
  const open = view.steps.find((step) => step.state === "open") ?? null;
  const [folded, setFolded] = useState<string | null>(null);
  const isFolded = open !== null && folded === open.id;
  return (
    <section
      className={`sheet${isFolded ? " is-folded" : ""}${open ? "" : " is-idle"}`}
      data-testid="step-sheet"
      data-step={open?.id ?? ""}
      data-kind={open?.kind ?? ""}
      aria-label={t("customer.call.progress", progress(view.steps))}
    >
      <StepDots steps={view.steps} />
      <div aria-live="polite">
        {open === null ? <Between steps={view.steps} /> : <Title step={open} steps={view.steps} />}
      </div>
      {open !== null && (
        <button
          type="button"
          className="sheet-fold"
          data-testid="step-fold"
          aria-expanded={!isFolded}
          aria-label={t(isFolded ? "customer.call.expand" : "customer.call.collapse")}
          onClick={() => setFolded(isFolded ? null : open.id)}
        >
          <ChevronIcon up={isFolded} />
        </button>
      )}
      {open !== null && !isFolded && (
        <div className="sheet-body">
          {needsUnmute(media) && <TurnOn visit={visit} />}
          <StepBody key={open.id} visit={visit} step={open} blocked={needsUnmute(media)} />
        </div>
      )}
    </section>
  );
}

function progress(steps: Step[]): { index: number; of: number } {
  const done = steps.filter((step) => step.state === "done").length;
  return { index: Math.min(done + 1, steps.length), of: steps.length };
}

function StepDots({ steps }: { steps: Step[] }) {
  const { t } = useTranslation();
  const text = useText();
  return (
    <ol className="step-dots">
      {steps.map((step) => (
        <li
          key={step.id}
          data-testid={`step-${step.id}`}
          data-state={step.state}
          data-kind={step.kind}
          data-outcome={step.outcome ?? ""}
        >
          <span className="visually-hidden">
            {text(step.title)}: {t(`step.state.${step.state}`)}
          </span>
        </li>
      ))}
    </ol>
  );
}

function Title({ step, steps }: { step: Step; steps: Step[] }) {
  const { t } = useTranslation();
  const text = useText();
  return (
    <div className="sheet-title">
      <p className="small">{t("customer.call.progress", progress(steps))}</p>
      <h2>{text(step.title)}</h2>
    </div>
  );
}

function Between({ steps }: { steps: Step[] }) {
  const { t } = useTranslation();
  const text = useText();
  const last = steps.findLast((step) => step.state === "done");
  return (
    <div className="sheet-title">
      {last && <p className="small">{t("customer.call.done", { what: text(last.title) })}</p>}
      <p>{t(last ? "customer.call.between" : "customer.call.listen")}</p>
    </div>
  );
}

function TurnOn({ visit }: { visit: CustomerVisit }) {
  const { t } = useTranslation();
  const on = () => {
    visit.media.setMicrophone(true);
    visit.media.setCamera(true);
  };
  return (
    <div className="turn-on" role="alert">
      <span>{t("media.turnOn")}</span>
      <button type="button" className="plain-button" data-testid="turn-on" onClick={on}>
        {t("media.turnOnButton")}
      </button>
    </div>
  );
}
