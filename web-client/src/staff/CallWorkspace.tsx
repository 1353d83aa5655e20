import { Button } from "antd";
import { useState } from "react";

import type { StaffView } from "@vbranch/sdk";

import { ConsoleStage } from "../call/ConsoleStage";
import { PeoplePanel } from "../call/PeoplePanel";
import { ShareScreenButton } from "../call/ShareScreenButton";
import { useTranslation } from "../i18n";
import type { CallMediaState } from "../media/CallMedia";
import { MuteControls } from "../media/MuteControls";
import { Alarms, LivenessPanel, StatusPanel } from "./CallPanels";
import { CloseVisit } from "./CloseVisit";
import { JourneyPanel } from "./JourneyPanel";
import type { StaffDesk } from "./StaffDesk";

type Props = { desk: StaffDesk; view: StaffView; media: CallMediaState };

/** Serving one customer: their picture, the journey beside it, and the state of everything. */
export function CallWorkspace({ desk, view, media }: Props) {
  const [remote, setRemote] = useState<HTMLVideoElement | null>(null);
  if (view.state === "closed") return <ClosedCard desk={desk} view={view} />;
  const stepOpen = view.steps.some((step) => step.state === "open");
  return (
    <main className="workspace" data-testid="workspace" data-state={view.state}>
      <section className="workspace-stage">
        <ConsoleStage
          media={desk.media}
          state={media}
          call={view.call}
          connections={view.media}
          recording={view.recording.state}
          onCustomer={setRemote}
          controls={
            <>
              <MuteControls media={desk.media} state={media} stepOpen={stepOpen} />
              <ShareScreenButton media={desk.media} state={media} />
            </>
          }
        />
      </section>
      <div className="workspace-side">
        <Alarms view={view} />
        <JourneyPanel desk={desk} view={view} media={media} remote={remote} />
        <PeoplePanel
          call={view.call}
          onMute={(...what) => desk.command(() => desk.api.mute(view.visit, ...what))}
        />
        <StatusPanel view={view} />
        <LivenessPanel view={view} />
        <CloseVisit desk={desk} view={view} />
      </div>
    </main>
  );
}

function ClosedCard({ desk, view }: { desk: StaffDesk; view: StaffView }) {
  const { t } = useTranslation();
  const outcome = view.outcome ?? "interrupted";
  return (
    <main className="page-main narrow">
      <section
        className="card stack"
        data-testid="visit-closed"
        data-outcome={outcome}
        role="status"
      >
        <h1>{t("staff.call.closed")}</h1>
        <p>
          {view.number} · {t(`outcome.${outcome}`)}
        </p>
        <Button type="primary" data-testid="back-to-queue" onClick={() => desk.leave()}>
          {t("staff.call.next")}
        </Button>
      </section>
    </main>
  );
}
