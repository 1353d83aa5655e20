import { Button } from "antd-mobile";
import { useCallback, useEffect, useState } from "react";

import { useTranslation } from "../i18n";
import { LevelBar } from "../media/LevelBar";
import { VideoView } from "../media/VideoView";
import { useStore } from "../store";
import { ProblemNotice } from "../ui/ProblemNotice";
import type { CustomerVisit } from "./CustomerVisit";
import { MediaProblem } from "./MediaProblem";

export function MediaCheck({ visit }: { visit: CustomerVisit }) {
  const { t } = useTranslation();
  const { capture, stream, problem, session } = useStore(visit.media.state);
  const [heard, setHeard] = useState(false);
  const onHeard = useCallback(() => setHeard(true), []);

  useEffect(() => {
    void visit.media.open();
  }, [visit]);

  const trouble = problem ?? (session?.status === "failed" ? session.problem : null);
  if (trouble !== null) {
    return <MediaProblem problem={trouble} onRetry={() => visit.media.retry()} />;
  }
  const joining = session !== null;
  return (
    <section className="card stack" data-testid="media-check" data-state={capture}>
      <h1>{t("customer.check.title")}</h1>
      <p className="muted">{t("customer.check.text")}</p>
      <div className="preview">
        {stream ? (
          <VideoView
            stream={stream}
            own
            testid="preview-video"
            label={t("customer.check.preview")}
          />
        ) : (
          <p role="status">{t("customer.check.opening")}</p>
        )}
      </div>
      {stream && (
        <div className="level-row">
          <LevelBar stream={stream} onHeard={onHeard} />
          <span className={heard ? "good-word" : "muted"} role="status">
            {t(heard ? "customer.check.hear" : "customer.check.speak")}
          </span>
        </div>
      )}
      <ProblemNotice problem={session?.problem ?? null} />
      <Button
        block
        color="primary"
        size="large"
        loading={joining}
        loadingText={t("customer.check.joining")}
        disabled={stream === null || joining}
        data-testid="media-continue"
        onClick={() => visit.join()}
      >
        {t("customer.check.continue")}
      </Button>
    </section>
  );
}
