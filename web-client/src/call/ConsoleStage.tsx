import type { ReactNode } from "react";

import type { CallView, MediaState, RecordingPhase, Watched } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import { WatchBadge, watchedOf } from "../kyc/WatchBadge";
import type { CallMedia, CallMediaState } from "../media/CallMedia";
import { VideoView } from "../media/VideoView";
import { mediaStatusKey, retryKey } from "../media/words";
import { PersonIcon } from "../ui/icons";
import { RecordingBadge } from "../ui/RecordingBadge";
import { QualityBars } from "./QualityBars";
import { SharedScreen } from "./SharedScreen";
import { Tile } from "./Tile";
import { arrange } from "./people";

type Props = {
  media: CallMedia;
  state: CallMediaState;
  call: CallView;
  connections: MediaState;
  recording: RecordingPhase;
  /** Whose faces are watched, and what is wrong with them. */
  watch: Watched[];
  controls: ReactNode;
  /** Hands out the customer's picture, for taking stills. */
  onCustomer?: (element: HTMLVideoElement | null) => void;
};

/** The call on a desk: the customer or a shared screen large, everybody else beside. */
export function ConsoleStage(props: Props) {
  const { media, state, call, connections, recording, watch, controls, onCustomer } = props;
  const { t } = useTranslation();
  const { main, others, screen } = arrange(call, state.session?.remotes ?? [], "customer");
  const status = mediaStatusKey(state, connections.peer_connected);
  const name = (seat: string) => t(`call.seat.${seat}`);
  return (
    <div className={`stage${screen === null ? "" : " has-screen"}`}>
      <div
        className={`stage-main${main?.speaking ? " is-speaking" : ""}`}
        data-testid="main"
        data-speaking={main?.speaking ?? false}
      >
        <VideoView
          {...(onCustomer === undefined ? {} : { onElement: onCustomer })}
          stream={main?.remote?.stream ?? null}
          testid="remote-video"
          label={t("call.pictureOf", { name: name("customer") })}
          figure={<PersonIcon />}
        />
        {main !== null && (
          <p className="stage-name">
            {name(main.seat)} <QualityBars quality={main.quality} />
          </p>
        )}
        {main !== null && (
          <WatchBadge alarms={watchedOf(watch, main.participant)} seat={main.seat} />
        )}
      </div>
      {screen !== null && <SharedScreen stream={screen.stream} name={name(screen.by.seat)} />}
      <div className="stage-top">
        <RecordingBadge phase={recording} />
        {state.session?.screen != null && (
          <span className="sharing-badge" role="status" data-testid="sharing">
            {t("call.youShare")}
          </span>
        )}
      </div>
      <div className="stage-beside">
        {state.stream !== null && state.stream.getVideoTracks().length > 0 && (
          <div className="stage-own">
            <VideoView
              own
              stream={state.stream}
              testid="local-video"
              label={t("media.localVideo")}
            />
            <WatchBadge alarms={watchedOf(watch, call.me)} seat="me" />
          </div>
        )}
        {others.map((person) => (
          <Tile key={person.participant} person={person} name={name(person.seat)} quality>
            <WatchBadge alarms={watchedOf(watch, person.participant)} seat={person.seat} />
          </Tile>
        ))}
      </div>
      <p
        className={`call-status${status === null ? " is-quiet" : ""}`}
        data-testid="media-status"
        data-status={state.session?.status ?? "idle"}
        data-peer={connections.peer_connected}
        role="status"
      >
        {status === null ? t("media.connected") : t(status)}
        {state.session?.status === "failed" && (
          <button type="button" className="link-button" onClick={() => media.retry()}>
            {t(retryKey(state.session.problem))}
          </button>
        )}
      </p>
      <div className="call-controls" role="group" aria-label={t("call.controls")}>
        {controls}
      </div>
    </div>
  );
}
