import type { KycSignal } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import { CheckIcon, CrossIcon } from "../ui/icons";
import { barOf } from "./series";
import { useSignalWords } from "./words";

/** Every signal of a verdict against its threshold. The numbers are its table alternative. */
export function SignalBars({ signals }: { signals: readonly KycSignal[] }) {
  const { t } = useTranslation();
  if (signals.length === 0) return <p className="muted small">{t("kyc.signal.none")}</p>;
  return (
    <ul className="signals" data-testid="kyc-signals" aria-label={t("kyc.signals")}>
      {signals.map((signal) => (
        <Signal key={signal.name} signal={signal} />
      ))}
    </ul>
  );
}

function Signal({ signal }: { signal: KycSignal }) {
  const { t } = useTranslation();
  const words = useSignalWords();
  const { name, score, threshold, passed } = signal;
  const bar = barOf(signal);
  const said = words(name);
  return (
    <li
      className={`signal ${passed ? "is-passed" : "is-failed"}`}
      data-testid="kyc-signal"
      data-name={name}
      data-passed={passed}
    >
      <span className="signal-mark">
        {passed ? <CheckIcon /> : <CrossIcon />}
        <span className="visually-hidden">
          {t(passed ? "kyc.signal.passed" : "kyc.signal.failed")}
        </span>
      </span>
      <span className="signal-name" title={name}>
        {said ?? <code>{name}</code>}
      </span>
      <span className="signal-figures figures">
        {figure(score)}{" "}
        <span className="muted">
          {bar.sense} {figure(threshold)}
        </span>
      </span>
      <svg
        className="signal-bar"
        viewBox="0 0 100 10"
        preserveAspectRatio="none"
        aria-hidden="true"
      >
        <rect className="signal-track" width="100" height="10" />
        <rect className="signal-score" x={bar.left} y="2" width={bar.width} height="6" />
        <path className="signal-threshold" d={`M${bar.threshold} 0V10`} />
      </svg>
    </li>
  );
}

/** Shares and distances need two places, degrees and counts less. */
function figure(value: number | null): string {
  if (value === null || !Number.isFinite(value)) return "–";
  if (Number.isInteger(value)) return String(value);
  if (Math.abs(value) >= 10) return value.toFixed(1);
  return Math.abs(value) >= 0.1 ? value.toFixed(2) : String(Number(value.toPrecision(2)));
}
