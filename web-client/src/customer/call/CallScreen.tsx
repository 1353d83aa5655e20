import { useEffect, useRef } from "react";

import type { CustomerView } from "@vbranch/sdk";

import { useTranslation } from "../../i18n";
import { MuteControls } from "../../media/MuteControls";
import { VideoView } from "../../media/VideoView";
import { mediaStatusKey, retryKey } from "../../media/words";
import { useStore } from "../../store";
import { LangSwitch } from "../../ui/LangSwitch";
import { RecordingBadge } from "../../ui/RecordingBadge";
import type { CustomerVisit } from "../CustomerVisit";
import { HangUp } from "./HangUp";
import { StaffCard } from "./StaffCard";
import { StepSheet } from "./StepSheet";

type Props = { visit: CustomerVisit; view: CustomerView; lost: boolean };

/** The call: the staff member large, oneself small, the current step within reach of a thumb. */
export function CallScreen({ visit, view, lost }: Props) {
  const { t } = useTranslation();
  const media = useStore(visit.media.state);
  const main = useRef<HTMLElement | null>(null);
  const open = view.steps.find((step) => step.state === "open");
  const status = lost ? "reconnecting" : mediaStatusKey(media, view.media.peer_connected);

  // Screen readers land in the call when it begins, not on the page that went away.
  useEffect(() => main.current?.focus(), []);

  return (
    <main
      className="call"
      ref={main}
      tabIndex={-1}
      aria-label={t("customer.call.title")}
      data-testid="call"
    >
      <div className="call-stage">
        <VideoView
          className="call-remote"
          stream={media.session?.remote ?? null}
          testid="remote-video"
          label={t("media.remoteVideo")}
        />
        {open?.kind === "document" && <DocumentFrame />}
        <div className="call-top">
          <div className="call-badges">
            <RecordingBadge phase={view.recording} />
            <LangSwitch />
          </div>
          {view.staff && <StaffCard staff={view.staff} prominent={open?.kind === "identity"} />}
        </div>
        <VideoView
          className={`call-own${open?.kind === "document" ? " is-large" : ""}`}
          own
          mirrored={open?.kind !== "document"}
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
            <button type="button" className="link-button" onClick={() => visit.media.retry()}>
              {t(retryKey(media.session.problem))}
            </button>
          )}
        </p>
        <div className="call-controls" role="group">
          <MuteControls media={visit.media} state={media} stepOpen={open !== undefined} />
          <HangUp visit={visit} />
        </div>
      </div>
      <StepSheet visit={visit} view={view} media={media} />
    </main>
  );
}

/** The customer holds a document into the frame of their own picture. */
function DocumentFrame() {
  const { t } = useTranslation();
  return (
    <div className="document-hint" data-testid="document-hint" role="status">
      <p>{t("customer.call.documentHint")}</p>
      <p className="small">{t("customer.call.documentBack")}</p>
    </div>
  );
}
