import { Button, Empty } from "antd";

import type { QueueEntry } from "@vbranch/sdk";

import { useText, useTranslation } from "../i18n";
import { LivenessTag } from "../staff/QueueList";
import { ProblemNotice } from "../ui/ProblemNotice";
import { useAction } from "../ui/useAction";
import type { SupervisorDesk } from "./SupervisorDesk";

/** Every running call. Attending begins silently: speaking up is a step of its own. */
export function CallList({ desk, calls }: { desk: SupervisorDesk; calls: QueueEntry[] | null }) {
  const { t } = useTranslation();
  const text = useText();
  const { busy, problem, run } = useAction();
  if (calls === null) return <p role="status">{t("loading")}</p>;
  if (calls.length === 0) {
    return (
      <section className="card">
        <Empty
          data-testid="calls-empty"
          image={Empty.PRESENTED_IMAGE_SIMPLE}
          description={
            <>
              <strong>{t("supervisor.empty")}</strong>
              <br />
              {t("supervisor.emptyText")}
            </>
          }
        />
      </section>
    );
  }
  return (
    <>
      <ProblemNotice problem={problem} />
      <ul className="queue" data-testid="calls" aria-label={t("supervisor.calls")}>
        {calls.map((entry) => (
          <li
            key={entry.visit}
            className="queue-row card call-row"
            data-testid="call-row"
            data-visit={entry.visit}
            data-number={entry.number}
          >
            <div className="queue-row-who">
              <strong>{entry.number}</strong>
              <span>{text(entry.product.name)}</span>
            </div>
            <dl className="queue-row-facts">
              <div>
                <dt>{t("supervisor.servedBy")}</dt>
                <dd>{entry.staff?.display_name ?? "–"}</dd>
              </div>
              <div>
                <dt>{t("staff.queue.liveness")}</dt>
                <dd>
                  <LivenessTag status={entry.liveness} />
                </dd>
              </div>
            </dl>
            <Button
              type="primary"
              disabled={busy || entry.mine}
              data-testid="attend"
              onClick={() => void run(() => desk.attend(entry.visit, "silent"))}
            >
              {t(entry.mine ? "supervisor.own" : "supervisor.attend")}
            </Button>
          </li>
        ))}
      </ul>
    </>
  );
}
