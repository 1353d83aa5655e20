import { Button } from "antd";
import { useState } from "react";

import type { StaffView } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import type { CallMediaState } from "../media/CallMedia";
import { MuteControls } from "../media/MuteControls";
import { VideoView } from "../media/VideoView";
import { mediaStatusKey, retryKey } from "../media/words";
import { RecordingBadge } from "../ui/RecordingBadge";
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
        <Stage desk={desk} view={view} media={media} stepOpen={stepOpen} onRemote={setRemote} />
      </section>
      <div className="workspace-side">
        <Alarms view={view} />
        <JourneyPanel desk={desk} view={view} media={media} remote={remote} />
        <StatusPanel view={view} />
        <LivenessPanel view={view} />
        <CloseVisit desk={desk} view={view} />
      </div>
    </main>
  );
}

type StageProps = Props & {
  stepOpen: boolean;
  onRemote: (element: HTMLVideoElement | null) => void;
};

function Stage({ desk, view, media, stepOpen, onRemote }: StageProps) {
  const { t } = useTranslation();
  const status = mediaStatusKey(media, view.media.peer_connected);
  return (
    <div className="stage">
      <VideoView
        className="stage-remote"
        onElement={onRemote}
        stream={media.session?.remote ?? null}
        testid="remote-video"
        label={t("media.remoteVideo")}
      />
      <div className="stage-top">
        <RecordingBadge phase={view.recording.state} />
      </div>
      <VideoView
        className="stage-own"
        own
        stream={media.stream}
        testid="local-video"
        label={t("media.localVideo")}
      />
      <p
        className={`call-status${status === null ? " is-quiet" : ""}`}
        data-testid="media-status"
        data-status={media.session?.status ?? "idle"}
        data-peer={view.media.peer_connected}
        role="status"
      >
        {status === null ? t("media.connected") : t(status)}
        {media.session?.status === "failed" && (
          <button type="button" className="link-button" onClick={() => desk.media.retry()}>
            {t(retryKey(media.session.problem))}
          </button>
        )}
      </p>
      <div className="call-controls" role="group">
        <MuteControls media={desk.media} state={media} stepOpen={stepOpen} />
      </div>
    </div>
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
