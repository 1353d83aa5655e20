import { Button } from "antd";
import { useEffect, useRef, useState } from "react";

import type { AuditApi, Replay } from "@vbranch/sdk";

import { clockTime, dateTime } from "../format";
import { useLanguage, useTranslation } from "../i18n";
import { useStore } from "../store";
import { ProblemNotice } from "../ui/ProblemNotice";
import { useAction } from "../ui/useAction";
import { ReplayControls } from "./ReplayControls";
import { ReplayPlayer } from "./ReplayPlayer";
import { ReplayScreens } from "./ReplayScreens";
import { Timeline } from "./Timeline";
import { drawSnapshot, fileName, hand, type Shot } from "./snapshot";

type Props = { api: AuditApi; replay: Replay; number: string | null; onBack: () => void };

export function ReplayView({ api, replay, number, onBack }: Props) {
  const { t } = useTranslation();
  const [language] = useLanguage();
  const [player] = useState(
    () => new ReplayPlayer(replay, (track) => api.playlist(replay.replay, track)),
  );
  const state = useStore(player.state);
  const screens = useRef<HTMLDivElement>(null);
  const { busy, problem, run } = useAction();
  const mark = [t("audit.replay.watermark", { viewer: replay.viewer }), number]
    .filter(Boolean)
    .join(" · ");

  useEffect(() => {
    player.start();
    return () => player.stop();
  }, [player]);

  const snapshot = () =>
    run(async () => {
      const { recording, started } = replay.view.summary;
      const at = player.state.get().positionMs;
      await api.snapshot(replay.replay, at);
      const shots = replay.view.tracks.map((track): Shot => {
        const whose = t(`audit.replay.${track.role}`);
        return {
          video: player.shown(track.name),
          label: track.source === "screen" ? t("audit.replay.screenOf", { whose }) : whose,
          words: t("audit.replay.nothingShown"),
        };
      });
      const clock = `${dateTime(started + at, language)} · ${clockTime(at)} · ${recording}`;
      const watermark = `${mark} · ${dateTime(Date.now(), language)}`;
      hand(await drawSnapshot(shots, { clock, watermark }), fileName(recording, at));
    });

  return (
    <section className="replay" data-testid="replay" data-stalled={state.stalled}>
      <div className="title-row">
        <h1>{t("audit.replay.title", { number: number ?? t("audit.list.unknownNumber") })}</h1>
        <Button data-testid="replay-back" onClick={onBack}>
          {t("audit.replay.back")}
        </Button>
      </div>
      <ProblemNotice problem={state.problem ?? problem} />
      <div className="replay-grid">
        <div className="replay-main">
          <ReplayScreens ref={screens} player={player} state={state} mark={mark} />
          <ReplayControls player={player} state={state}>
            <div className="replay-tools">
              <Button data-testid="replay-snapshot" loading={busy} onClick={() => void snapshot()}>
                {t("audit.replay.snapshot")}
              </Button>
              {document.fullscreenEnabled && (
                <Button
                  data-testid="replay-fullscreen"
                  onClick={() => void screens.current?.requestFullscreen()}
                >
                  {t("audit.replay.fullscreen")}
                </Button>
              )}
            </div>
          </ReplayControls>
        </div>
        <Timeline player={player} positionMs={state.positionMs} />
      </div>
    </section>
  );
}
