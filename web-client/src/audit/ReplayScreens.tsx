import { useCallback, type Ref } from "react";

import type { ReplayTrack } from "@vbranch/sdk";

import { dateTime } from "../format";
import { useLanguage, useTranslation } from "../i18n";
import { useNow } from "../ui/useNow";
import type { PlayerState, ReplayPlayer } from "./ReplayPlayer";
import type { Presence } from "./TrackPlayer";

type Props = {
  player: ReplayPlayer;
  state: PlayerState;
  /** Who is looking, at what. */
  mark: string;
  ref: Ref<HTMLDivElement>;
};

/** Cameras and shared screens side by side, each under a watermark that names who is looking, and when. */
export function ReplayScreens({ player, state, mark, ref }: Props) {
  const { t } = useTranslation();
  const { tracks } = player.replay.view;
  return (
    <div className="screens" ref={ref}>
      {tracks.map((track) => (
        <Screen
          key={track.name}
          player={player}
          track={track}
          presence={state.presence[track.name] ?? "waiting"}
          mark={mark}
        />
      ))}
      {state.stalled && (
        <p className="screens-loading" role="status">
          {t("audit.replay.loading")}
        </p>
      )}
    </div>
  );
}

const LABELS = {
  customer: "audit.replay.videoCustomer",
  staff: "audit.replay.videoStaff",
  third_party: "audit.replay.videoThirdParty",
  supervisor: "audit.replay.videoSupervisor",
  unknown: "audit.replay.videoUnknown",
} as const;

type ScreenProps = {
  player: ReplayPlayer;
  track: ReplayTrack;
  presence: Presence;
  mark: string;
};

function Screen({ player, track, presence, mark }: ScreenProps) {
  const { t } = useTranslation();
  const attach = useCallback(
    (video: HTMLVideoElement | null) => {
      if (video === null) return;
      player.attach(track, video);
      return () => player.detach(track.name);
    },
    [player, track],
  );
  const isScreen = track.source === "screen";
  const whose = t(`audit.replay.${track.role}`);
  const label = isScreen ? t("audit.replay.videoScreen", { whose }) : t(LABELS[track.role]);
  const note = isScreen && presence === "absent" ? "notShared" : presence;
  return (
    <figure className={`screen is-${presence}`}>
      {/* A recorded conversation has no captions; the step timeline beside it tells what happens. */}
      {/* eslint-disable-next-line jsx-a11y/media-has-caption */}
      <video
        ref={attach}
        playsInline
        // A window of its own would leave the watermark behind.
        disablePictureInPicture
        disableRemotePlayback
        preload="auto"
        aria-label={label}
        data-testid={`replay-video-${track.role}${isScreen ? "-screen" : ""}`}
        data-presence={presence}
      />
      {(presence === "absent" || presence === "missing") && (
        <p className="screen-note">{t(`audit.replay.${note}`)}</p>
      )}
      <Watermark mark={mark} />
      <figcaption>{isScreen ? t("audit.replay.screenOf", { whose }) : whose}</figcaption>
    </figure>
  );
}

/** Lines enough to cover a picture and more, as they move. */
const MARKS = 10;

function Watermark({ mark }: { mark: string }) {
  const [language] = useLanguage();
  const now = useNow(1_000);
  const words = `${mark} · ${dateTime(now, language)}`;
  return (
    <div className="watermark" data-testid="watermark" aria-hidden="true">
      <div className="watermark-lines">
        {Array.from({ length: MARKS }, (_, at) => (
          <span key={at}>{words}</span>
        ))}
      </div>
    </div>
  );
}
