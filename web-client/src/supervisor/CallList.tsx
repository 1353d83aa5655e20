import { Button } from "antd";

import type { QueueEntry } from "@vbranch/sdk";

import { EmptyCard } from "../console/EmptyCard";
import { EntryWho } from "../console/EntryWho";
import { LivenessTag } from "../console/LivenessTag";
import { useTranslation } from "../i18n";
import { ProblemNotice } from "../ui/ProblemNotice";
import { useAction } from "../ui/useAction";
import type { SupervisorDesk } from "./SupervisorDesk";

/** Every running call. Attending begins silently: speaking up is a step of its own. */
export function CallList({ desk, calls }: { desk: SupervisorDesk; calls: QueueEntry[] | null }) {
  const { t } = useTranslation();
  const { busy, problem, run } = useAction();
  if (calls === null) return <p role="status">{t("loading")}</p>;
  if (calls.length === 0) {
    return (
      <EmptyCard
        title={t("supervisor.empty")}
        text={t("supervisor.emptyText")}
        testid="calls-empty"
      />
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
            <EntryWho entry={entry} />
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
