import { Button } from "antd-mobile";

import type { CustomerView, Liveness } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import { VideoView } from "../media/VideoView";
import { useStore } from "../store";
import { ProblemNotice } from "../ui/ProblemNotice";
import { useAction } from "../ui/useAction";
import { ChallengeFigure } from "./ChallengeFigure";
import type { CustomerVisit } from "./CustomerVisit";

/** The server looks at the media; this page only shows what it asks for and what it sees. */
export function LivenessCheck({ visit, view }: { visit: CustomerVisit; view: CustomerView }) {
  const { t } = useTranslation();
  const { stream } = useStore(visit.media.state);
  const { busy, problem, run } = useAction();
  const { liveness } = view;
  const running = liveness?.status === "running";
  const ready = view.media.connected;

  const start = () => run(() => visit.command(() => visit.api.startLiveness()));
  const skip = () => run(() => visit.command(() => visit.api.skipLiveness()));

  return (
    <section className="card stack liveness" data-testid="liveness" data-status={liveness?.status}>
      <h1>{t("customer.liveness.title")}</h1>
      <div className="preview oval" data-advice={liveness?.advice ?? ""}>
        <VideoView stream={stream} own testid="preview-video" label={t("customer.check.preview")} />
        <Oval good={liveness?.advice === "good"} />
        {running && <Advice liveness={liveness} />}
      </div>
      {running ? <Challenge liveness={liveness} /> : <Status liveness={liveness} />}
      <ProblemNotice problem={problem} />
      {canStart(liveness) && (
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
          fill="none"
          color="primary"
          disabled={busy}
          data-testid="liveness-skip"
          onClick={() => void skip()}
        >
          {t("customer.liveness.skip")}
        </Button>
      )}
    </section>
  );
}

function canStart(liveness: Liveness | null): boolean {
  if (liveness === null) return false;
  if (liveness.status === "not_started") return true;
  return liveness.status === "failed" && liveness.attempts_left > 0;
}

function Challenge({ liveness }: { liveness: Liveness }) {
  const { t } = useTranslation();
  const { challenge } = liveness;
  return (
    <div
      className="challenge"
      data-testid="liveness-challenge"
      data-kind={challenge?.kind ?? "none"}
      aria-live="assertive"
    >
      <ChallengeFigure kind={challenge?.kind ?? null} />
      <div>
        <p className="challenge-words">
          {challenge === null
            ? t("customer.liveness.prepare")
            : t(`customer.liveness.challenge.${challenge.kind}`)}
        </p>
        {challenge !== null && <Progress index={challenge.index} of={challenge.of} />}
      </div>
    </div>
  );
}

function Progress({ index, of }: { index: number; of: number }) {
  const { t } = useTranslation();
  return (
    <p className="muted small challenge-progress">
      <span className="dots" aria-hidden="true">
        {Array.from({ length: of }, (_, at) => (
          <span key={at} className={at < index ? "dot done" : at === index ? "dot now" : "dot"} />
        ))}
      </span>
      {t("customer.liveness.progress", { index: index + 1, of })}
    </p>
  );
}

function Advice({ liveness }: { liveness: Liveness }) {
  const { t } = useTranslation();
  const advice = liveness.advice ?? "good";
  return (
    <p className="advice" data-testid="liveness-advice" data-advice={advice} role="status">
      {t(`customer.liveness.advice.${advice}`)}
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
