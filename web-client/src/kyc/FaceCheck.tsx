import { Spin } from "antd";

import type { KycVerdict, StaffView } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import { ProblemNotice } from "../ui/ProblemNotice";
import { Course } from "./Course";
import { Evidence } from "./Evidence";
import { FacePicture } from "./FacePicture";
import { SignalBars } from "./SignalBars";
import { useFaceCheck, type KycSource } from "./useFaceCheck";
import { useReasonWords } from "./words";

type Props = { source: KycSource; view: StaffView };

/** All that is kept of a visit's last face check, loaded when it is looked at. */
export function FaceCheck({ source, view }: Props) {
  const { t } = useTranslation();
  const { status, verdict: told } = view.liveness;
  const check = useFaceCheck(source, view.visit, `${status} ${told?.reason ?? ""}`);
  const { state, evidence } = check;
  if (state === "loading") {
    return (
      <div className="face-check-loading" role="status" data-testid="face-check" data-state={state}>
        <Spin /> {t("loading")}
      </div>
    );
  }
  // What the snapshot says outlives what the server keeps in memory.
  const verdict = evidence?.verdict ?? told;
  const trace = evidence?.trace ?? null;
  const running = status === "running";
  return (
    <div
      className="face-check"
      data-testid="face-check"
      data-state={running ? "running" : state}
      data-outcome={verdict?.outcome}
    >
      {state === "failed" && <ProblemNotice problem={check.problem} onRetry={check.reload} />}
      {running && <Note text={t("kyc.state.running")} />}
      {state === "shown" && verdict === null && !running && <Note text={t("kyc.state.cutShort")} />}
      {state === "gone" && (
        <Note text={t(verdict === null ? "kyc.state.none" : "kyc.state.gone")} />
      )}
      {verdict !== null && <Verdict verdict={verdict} attempt={evidence?.attempt ?? null} />}
      {verdict !== null && (
        <div className={check.picture === null ? "" : "face-check-head"}>
          {check.picture !== null && (
            <FacePicture url={check.picture} landmarks={trace?.landmarks ?? null} />
          )}
          <section className="kyc-section" aria-labelledby="kyc-signals">
            <h3 id="kyc-signals">{t("kyc.signals")}</h3>
            <SignalBars signals={verdict.signals} />
          </section>
        </div>
      )}
      {evidence !== null && evidence.verdict !== null && check.picture === null && (
        <p className="muted small" data-testid="kyc-no-picture">
          {t("kyc.picture.none")}
        </p>
      )}
      {trace !== null && <Course trace={trace} />}
      {verdict !== null && <Evidence verdict={verdict} />}
    </div>
  );
}

function Note({ text }: { text: string }) {
  return (
    <p className="face-check-note" role="status" data-testid="face-check-note">
      {text}
    </p>
  );
}

function Verdict({ verdict, attempt }: { verdict: KycVerdict; attempt: number | null }) {
  const { t } = useTranslation();
  const words = useReasonWords();
  const { outcome, reason, frames } = verdict;
  return (
    <div
      className={`face-verdict is-${outcome}`}
      data-testid="liveness-verdict"
      data-outcome={outcome}
      data-reason={reason}
    >
      <strong>{t(`kyc.outcome.${outcome}`)}</strong>
      <span>{words(reason) ?? ""}</span>
      <span className="small muted">
        <code>{reason}</code>
        {attempt !== null && ` · ${t("kyc.attempt", { number: attempt })}`}
        {` · ${t("kyc.frames", { count: frames })}`}
      </span>
    </div>
  );
}
