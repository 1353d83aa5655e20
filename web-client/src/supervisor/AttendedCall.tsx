import { Button } from "antd";

import type { SupervisionMode, SupervisorView } from "@vbranch/sdk";

import { ConsoleStage } from "../call/ConsoleStage";
import { PeoplePanel } from "../call/PeoplePanel";
import { ClosedCard } from "../console/ClosedCard";
import { StepHead } from "../console/StepHead";
import { useTranslation } from "../i18n";
import { FaceCheckPanel } from "../kyc/FaceCheckPanel";
import type { CallMediaState } from "../media/CallMedia";
import { MuteControls } from "../media/MuteControls";
import { Alarms, StatusPanel } from "../staff/CallPanels";
import { ProblemNotice } from "../ui/ProblemNotice";
import { useAction } from "../ui/useAction";
import type { SupervisorDesk } from "./SupervisorDesk";

type Props = { desk: SupervisorDesk; view: SupervisorView; media: CallMediaState };

/** A colleague's call: everybody's picture and sound, how one attends, and what has been done. */
export function AttendedCall({ desk, view, media }: Props) {
  const { t } = useTranslation();
  if (view.visit.state === "closed") {
    const back = () => void desk.close();
    return (
      <ClosedCard
        view={view.visit}
        back={t("supervisor.back")}
        testid="back-to-calls"
        onBack={back}
      />
    );
  }
  const sends = view.mode !== "silent";
  return (
    <main className="workspace" data-testid="attended" data-mode={view.mode}>
      <section className="workspace-stage">
        <ConsoleStage
          media={desk.media}
          state={media}
          call={view.call}
          connections={view.media}
          recording={view.visit.recording.state}
          watch={view.visit.watch}
          controls={
            sends && (
              <MuteControls
                media={desk.media}
                state={media}
                stepOpen={false}
                camera={view.mode === "barged_in"}
              />
            )
          }
        />
      </section>
      <div className="workspace-side">
        <ModePanel desk={desk} view={view} />
        <Alarms view={view.visit} />
        <Steps view={view} />
        <PeoplePanel call={view.call} watch={view.visit.watch} />
        <StatusPanel view={view.visit} />
        <FaceCheckPanel source={desk.api} view={view.visit} />
      </div>
    </main>
  );
}

const MODES: SupervisionMode[] = ["silent", "whispering", "barged_in"];

function ModePanel({ desk, view }: { desk: SupervisorDesk; view: SupervisorView }) {
  const { t } = useTranslation();
  const { busy, problem, run } = useAction();
  return (
    <section className="card panel" aria-labelledby="mode-title">
      <h2 id="mode-title">{t("supervisor.mode.title")}</h2>
      <div className="modes" role="group" aria-labelledby="mode-title">
        {MODES.map((mode) => (
          <button
            key={mode}
            type="button"
            className="outcome-choice"
            aria-pressed={view.mode === mode}
            disabled={busy}
            data-testid={`mode-${mode}`}
            onClick={() => void run(() => desk.attend(view.visit.visit, mode))}
          >
            <strong>{t(`supervisor.mode.${mode}`)}</strong>
            <span>{t(`supervisor.mode.${mode}Text`)}</span>
          </button>
        ))}
      </div>
      <ProblemNotice problem={problem} />
      <Button
        danger
        block
        disabled={busy}
        data-testid="attend-leave"
        onClick={() => void run(() => desk.leave())}
      >
        {t("supervisor.leave")}
      </Button>
    </section>
  );
}

function Steps({ view }: { view: SupervisorView }) {
  const { t } = useTranslation();
  return (
    <section className="card panel" aria-labelledby="steps-title">
      <h2 id="steps-title">{t("staff.call.journey")}</h2>
      <ol className="journey">
        {view.visit.steps.map((step) => (
          <li
            key={step.id}
            className="journey-step"
            data-testid={`step-${step.id}`}
            data-state={step.state}
            data-outcome={step.outcome ?? ""}
            aria-current={step.state === "open" ? "step" : undefined}
          >
            <StepHead step={step} />
          </li>
        ))}
      </ol>
    </section>
  );
}
