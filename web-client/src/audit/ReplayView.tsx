import { Button } from "antd";
import { useEffect, useState } from "react";

import type { AuditApi, Replay } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import { useStore } from "../store";
import { ProblemNotice } from "../ui/ProblemNotice";
import { ReplayControls } from "./ReplayControls";
import { ReplayPlayer } from "./ReplayPlayer";
import { ReplayScreens } from "./ReplayScreens";
import { Timeline } from "./Timeline";

type Props = { api: AuditApi; replay: Replay; number: string | null; onBack: () => void };

export function ReplayView({ api, replay, number, onBack }: Props) {
  const { t } = useTranslation();
  const [player] = useState(
    () => new ReplayPlayer(replay, (track) => api.playlist(replay.replay, track)),
  );
  const state = useStore(player.state);

  useEffect(() => {
    player.start();
    return () => player.stop();
  }, [player]);

  return (
    <section className="replay" data-testid="replay" data-stalled={state.stalled}>
      <div className="title-row">
        <h1>{t("audit.replay.title", { number: number ?? t("audit.list.unknownNumber") })}</h1>
        <Button data-testid="replay-back" onClick={onBack}>
          {t("audit.replay.back")}
        </Button>
      </div>
      <ProblemNotice problem={state.problem} />
      <div className="replay-grid">
        <div className="replay-main">
          <ReplayScreens player={player} state={state} number={number} />
          <ReplayControls player={player} state={state} />
        </div>
        <Timeline player={player} positionMs={state.positionMs} />
      </div>
    </section>
  );
}
