import { useState } from "react";

import type { StaffView } from "@vbranch/sdk";

import { ConsoleStage } from "../call/ConsoleStage";
import { PeoplePanel } from "../call/PeoplePanel";
import { ShareScreenButton } from "../call/ShareScreenButton";
import { ClosedCard } from "../console/ClosedCard";
import { useTranslation } from "../i18n";
import { FaceCheckPanel } from "../kyc/FaceCheckPanel";
import type { CallMediaState } from "../media/CallMedia";
import { MuteControls } from "../media/MuteControls";
import { Alarms, StatusPanel } from "./CallPanels";
import { CloseVisit } from "./CloseVisit";
import { JourneyPanel } from "./JourneyPanel";
import type { StaffDesk } from "./StaffDesk";

type Props = { desk: StaffDesk; view: StaffView; media: CallMediaState };

/** Serving one customer: their picture, the journey beside it, and the state of everything. */
export function CallWorkspace({ desk, view, media }: Props) {
  const { t } = useTranslation();
  const [remote, setRemote] = useState<HTMLVideoElement | null>(null);
  if (view.state === "closed") {
    const back = t("staff.call.next");
    return (
      <ClosedCard view={view} back={back} testid="back-to-queue" onBack={() => desk.leave()} />
    );
  }
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
          watch={view.watch}
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
          watch={view.watch}
          onMute={(...what) => desk.command(() => desk.api.mute(view.visit, ...what))}
        />
        <StatusPanel view={view} />
        <FaceCheckPanel source={desk.api} view={view} />
        <CloseVisit desk={desk} view={view} />
      </div>
    </main>
  );
}
