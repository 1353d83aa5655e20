import { Button } from "antd-mobile";

import { cameraTraits, type CustomerView, type Liveness, type Problem } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import { VideoView } from "../media/VideoView";
import { useStore } from "../store";
import { ProblemNotice } from "../ui/ProblemNotice";
import { useAction } from "../ui/useAction";
import { AdviceFigure } from "./AdviceFigure";
import { ChallengeFigure } from "./ChallengeFigure";
import type { CustomerVisit } from "./CustomerVisit";
import { FlashOverlay } from "./FlashOverlay";
import { LivenessNotice } from "./LivenessNotice";
import type { CheckProgress } from "./progress";
import "./liveness.css";

type Props = { visit: CustomerVisit; view: CustomerView; progress: CheckProgress | null };

/** The server looks at the media; this page only shows what it asks for and what it sees. */
export function LivenessCheck({ visit, view, progress }: Props) {
  const { t } = useTranslation();
  const { stream } = useStore(visit.media.state);
  const { busy, problem, run } = useAction();
  const { liveness } = view;
  const running = liveness?.status === "running";
  const ready = view.media.connected;
  const offered = canStart(liveness) && !isOver(problem);

  const start = () =>
    run(() => {
      const camera = cameraTraits(stream?.getVideoTracks()[0]);
      return visit.command(() => visit.api.startLiveness(camera));
    });
  const skip = () => run(() => visit.command(() => visit.api.skipLiveness()));

  return (
    <section className="card stack liveness" data-testid="liveness" data-status={liveness?.status}>
      <h1>{t("customer.liveness.title")}</h1>
      <div className="preview oval" data-advice={liveness?.advice ?? ""}>
        <VideoView stream={stream} own testid="preview-video" label={t("customer.check.preview")} />
        <Oval good={liveness?.advice === "good"} />
        {running && <Advice liveness={liveness} />}
      </div>
      {running ? (
        <Challenge liveness={liveness} progress={progress} />
      ) : (
        <Status liveness={liveness} />
      )}
      {offered && <LivenessNotice again={liveness?.status === "failed"} />}
      <ProblemNotice problem={problem} />
      {offered && (
        <Button
          block
          color="primary"
          size="large"
          loading={busy || !ready}
          loadingText={t("media.joining")}
          disabled={busy || !ready}
          data-testid="liveness-start"
          onClick={() => void start()}
        >
          {t(liveness?.status === "failed" ? "customer.liveness.again" : "customer.liveness.start")}
        </Button>
      )}
      {liveness?.status !== "passed" && (
        <Button
          block
          fill={isOver(problem) ? "solid" : "none"}
          color="primary"
          disabled={busy}
          data-testid="liveness-skip"
          onClick={() => void skip()}
        >
          {t(isOver(problem) ? "customer.liveness.toStaff" : "customer.liveness.skip")}
        </Button>
      )}
      <FlashOverlay screen={visit.flash} />
    </section>
  );
}

function canStart(liveness: Liveness | null): boolean {
  if (liveness === null) return false;
  if (liveness.status === "not_started") return true;
  return liveness.status === "failed" && liveness.attempts_left > 0;
}

/** No check can be made any more: only the way to staff is left. */
function isOver(problem: Problem | null): boolean {
  return problem?.code === "daily_limit" || problem?.code === "attempts_exhausted";
}

function Challenge({ liveness, progress }: { liveness: Liveness; progress: CheckProgress | null }) {
  const { t } = useTranslation();
  const { challenge } = liveness;
  const weighed = challenge === null && progress?.light === "done";
  return (
    <div
      className="challenge"
      data-testid="liveness-challenge"
      data-kind={challenge?.kind ?? "none"}
    >
      <ChallengeFigure kind={challenge?.kind ?? null} />
      <p className="challenge-words" aria-live="assertive">
        {challenge !== null
          ? t(`customer.liveness.challenge.${challenge.kind}`)
          : t(weighed ? "customer.liveness.weighed" : "customer.liveness.prepare")}
      </p>
      <Stages liveness={liveness} progress={progress} />
    </div>
  );
}

/** How far it has come: the gestures one by one, then the light of the screen. */
function Stages({ liveness, progress }: { liveness: Liveness; progress: CheckProgress | null }) {
  const { t } = useTranslation();
  const { challenge } = liveness;
  return (
    <ol className="stages small" aria-label={t("customer.liveness.stages.label")}>
      {(["gestures", "light"] as const).map((stage) => {
        const state = progress?.[stage] ?? "ahead";
        return (
          <li
            key={stage}
            className="stage-chip"
            data-testid={`liveness-stage-${stage}`}
            data-state={state}
            aria-current={state === "now" ? "step" : undefined}
          >
            <span className="stage-mark" aria-hidden="true" />
            {t(`customer.liveness.stages.${stage}`)}
            {stage === "gestures" && state === "now" && challenge !== null && (
              <Dots index={challenge.index} of={challenge.of} />
            )}
            {state === "done" && (
              <span className="visually-hidden">{t("customer.liveness.stages.done")}</span>
            )}
          </li>
        );
      })}
    </ol>
  );
}

function Dots({ index, of }: { index: number; of: number }) {
  const { t } = useTranslation();
  return (
    <span className="dots">
      {Array.from({ length: of }, (_, at) => (
        <span
          key={at}
          aria-hidden="true"
          className={at < index ? "dot done" : at === index ? "dot now" : "dot"}
        />
      ))}
      <span className="visually-hidden">
        {t("customer.liveness.progress", { index: index + 1, of })}
      </span>
    </span>
  );
}

function Advice({ liveness }: { liveness: Liveness }) {
  const { t } = useTranslation();
  const advice = liveness.advice ?? "good";
  return (
    <p className="advice" data-testid="liveness-advice" data-advice={advice} role="status">
      <AdviceFigure advice={advice} />
      <span>{t(`customer.liveness.advice.${advice}`)}</span>
    </p>
  );
}

function Status({ liveness }: { liveness: Liveness | null }) {
  const { t } = useTranslation();
  const status = liveness?.status ?? "referred";
  const left = liveness?.attempts_left ?? 0;
  const words = {
    not_started: t("customer.liveness.intro"),
    running: "",
    passed: t("customer.liveness.passed"),
    failed: t(left > 0 ? "customer.liveness.failed" : "customer.liveness.exhausted"),
    referred: t("customer.liveness.referred"),
  }[status];
  return (
    <p role="status" data-testid="liveness-status" data-status={status}>
      {words}
      {status === "failed" && left > 0 && (
        <span className="muted"> {t("customer.liveness.attempts", { count: left })}</span>
      )}
    </p>
  );
}

/** Darkens all but an oval, as a guide for distance and place. */
function Oval({ good }: { good: boolean }) {
  const { t } = useTranslation();
  return (
    <svg
      className={`oval-guide${good ? " good" : ""}`}
      viewBox="0 0 100 100"
      preserveAspectRatio="xMidYMid slice"
      role="img"
      aria-label={t("customer.liveness.guide")}
    >
      <path
        className="oval-shade"
        fillRule="evenodd"
        d="M-100-100h300v300h-300z M50 12a27 36 0 1 0 0.01 0z"
      />
      <ellipse className="oval-line" cx="50" cy="48" rx="27" ry="36" />
    </svg>
  );
}
