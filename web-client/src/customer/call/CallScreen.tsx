import { useEffect, useRef } from "react";

import type { CustomerView } from "@vbranch/sdk";

import { OwnQuality } from "../../call/OwnQuality";
import { ShareScreenButton } from "../../call/ShareScreenButton";
import { SharedScreen } from "../../call/SharedScreen";
import { Tile } from "../../call/Tile";
import { arrange } from "../../call/people";
import { useTranslation } from "../../i18n";
import { MuteControls } from "../../media/MuteControls";
import { VideoView } from "../../media/VideoView";
import { mediaStatusKey, retryKey } from "../../media/words";
import { useStore } from "../../store";
import { PersonIcon } from "../../ui/icons";
import { LangSwitch } from "../../ui/LangSwitch";
import { RecordingBadge } from "../../ui/RecordingBadge";
import type { CustomerVisit } from "../CustomerVisit";
import { FaceConsent } from "./FaceConsent";
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
  const { main: staff, others, screen } = arrange(view.call, media.session?.remotes ?? [], "staff");
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
      <div className={`call-stage${screen === null ? "" : " has-screen"}`}>
        <div className={`call-remote${staff?.speaking ? " is-speaking" : ""}`} data-testid="main">
          <VideoView
            stream={staff?.remote?.stream ?? null}
            testid="remote-video"
            label={t("media.remoteVideo")}
            figure={<PersonIcon />}
          />
        </div>
        {screen !== null && (
          <SharedScreen stream={screen.stream} name={t(`call.seat.${screen.by.seat}`)} />
        )}
        {open?.kind === "document" && <DocumentFrame />}
        <div className="call-top">
          <div className="call-badges">
            <RecordingBadge phase={view.recording} />
            {view.consents.face === true && view.liveness !== null && <FaceConsent visit={visit} />}
            <LangSwitch />
          </div>
          {view.staff && <StaffCard staff={view.staff} prominent={open?.kind === "identity"} />}
          {others.length > 0 && (
            <div className="call-others">
              {others.map((person) => (
                <Tile
                  key={person.participant}
                  person={person}
                  name={t(`call.seat.${person.seat}`)}
                />
              ))}
            </div>
          )}
          <OwnQuality call={view.call} />
          {media.session?.screen != null && (
            <span className="sharing-badge" role="status" data-testid="sharing">
              {t("call.youShare")}
            </span>
          )}
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
        <div className="call-controls" role="group" aria-label={t("call.controls")}>
          <MuteControls media={visit.media} state={media} stepOpen={open !== undefined} />
          <ShareScreenButton media={visit.media} state={media} />
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
