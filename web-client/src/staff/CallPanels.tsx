import { Alert, Collapse, Tag } from "antd";

import type { KycVerdict, StaffView } from "@vbranch/sdk";

import { LivenessTag } from "../console/LivenessTag";
import { clockTime, dateTime } from "../format";
import { useLanguage, useText, useTranslation } from "../i18n";
import { useNow } from "../ui/useNow";

/** Who is served, for how long, and whether both connections and both stores are well. */
export function StatusPanel({ view }: { view: StaffView }) {
  const { t } = useTranslation();
  const text = useText();
  const now = useNow(1000);
  const { stores, state } = view.recording;
  return (
    <section className="card panel">
      <h2>
        {view.number} · {text(view.product.name)}
      </h2>
      <dl className="status-facts">
        <div>
          <dt>{t("staff.call.elapsed")}</dt>
          <dd className="figures">{view.started === null ? "–" : clockTime(now - view.started)}</dd>
        </div>
        <Connection who={t("staff.call.me")} testid="connection-me" on={view.media.connected} />
        <Connection
          who={t("staff.call.customer")}
          testid="connection-customer"
          on={view.media.peer_connected}
        />
        <div data-testid="recording-panel" data-state={state}>
          <dt>{t("staff.call.recording")}</dt>
          <dd>
            <Tag color={RECORDING[state]}>{t(`recording.${state}`)}</Tag>
          </dd>
        </div>
        {(["a", "b"] as const).map((store) => (
          <div key={store} data-testid={`store-${store}`} data-state={stores[store]}>
            <dt>{t("staff.call.store", { name: store.toUpperCase() })}</dt>
            <dd>
              <Tag color={stores[store] === "ok" ? "success" : "error"}>
                {t(stores[store] === "ok" ? "staff.call.storeOk" : "staff.call.storeDegraded")}
              </Tag>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

const RECORDING = { off: "default", starting: "processing", on: "success", failed: "error" };

function Connection({ who, testid, on }: { who: string; testid: string; on: boolean }) {
  const { t } = useTranslation();
  return (
    <div data-testid={testid} data-connected={on}>
      <dt>{who}</dt>
      <dd>
        <Tag color={on ? "success" : "warning"}>
          {t(on ? "staff.call.connected" : "staff.call.disconnected")}
        </Tag>
      </dd>
    </div>
  );
}

/** Troubles staff must know of, newest first. */
export function Alarms({ view }: { view: StaffView }) {
  const { t, i18n } = useTranslation();
  const [language] = useLanguage();
  const words = (code: string) =>
    i18n.exists(`staff.alarm.${code}`)
      ? t(`staff.alarm.${code}`)
      : t("staff.alarm.unknown", { code });
  return (
    <div className="alarms" role="log" aria-label={t("staff.call.alarms")} data-testid="alarms">
      {view.alarms
        .toSorted((one, other) => other.at - one.at)
        .slice(0, SHOWN_ALARMS)
        .map((alarm) => (
          <Alert
            key={`${alarm.code}-${alarm.at}`}
            showIcon
            type="warning"
            title={words(alarm.code)}
            description={dateTime(alarm.at, language)}
          />
        ))}
    </div>
  );
}

/** More than a few at once is a wall nobody reads; all of them are on the recording's timeline. */
const SHOWN_ALARMS = 4;

export function LivenessPanel({ view }: { view: StaffView }) {
  const { t } = useTranslation();
  const { status, verdict } = view.liveness;
  return (
    <section className="card panel">
      <h2 className="panel-title">
        {t("staff.queue.liveness")} <LivenessTag status={status} />
      </h2>
      {status !== "passed" && <p className="muted small">{t("staff.liveness.byEye")}</p>}
      {verdict !== null && (
        <Collapse
          ghost
          size="small"
          items={[
            {
              key: "verdict",
              label: t("staff.liveness.verdict"),
              children: <Verdict verdict={verdict} />,
            },
          ]}
        />
      )}
    </section>
  );
}

function Verdict({ verdict }: { verdict: KycVerdict }) {
  const { t } = useTranslation();
  return (
    <div className="stack verdict" data-testid="liveness-verdict" data-outcome={verdict.outcome}>
      <p className="small">
        {t("staff.liveness.reason")}: <code>{verdict.reason}</code> · {t("staff.liveness.frames")}:{" "}
        {verdict.frames}
      </p>
      <table>
        <thead>
          <tr>
            <th scope="col">{t("staff.liveness.signal")}</th>
            <th scope="col">{t("staff.liveness.score")}</th>
            <th scope="col">{t("staff.liveness.threshold")}</th>
          </tr>
        </thead>
        <tbody>
          {verdict.signals.map((signal) => (
            <tr key={signal.name} className={signal.passed ? "" : "is-failed"}>
              <td>
                <code>{signal.name}</code>
              </td>
              <td className="figures">{signal.score.toFixed(2)}</td>
              <td className="figures">{signal.threshold.toFixed(2)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="small muted">
        {t("staff.liveness.models")}:{" "}
        {verdict.models.map((model) => `${model.name} ${model.sha256.slice(0, 8)}`).join(", ")}
      </p>
    </div>
  );
}
