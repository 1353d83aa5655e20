import { Button, Tag } from "antd";

import type { QueueEntry } from "@vbranch/sdk";

import { EmptyCard } from "../console/EmptyCard";
import { EntryWho } from "../console/EntryWho";
import { LivenessTag } from "../console/LivenessTag";
import { clockTime } from "../format";
import { useTranslation } from "../i18n";
import { ProblemNotice } from "../ui/ProblemNotice";
import { useAction } from "../ui/useAction";
import { useNow } from "../ui/useNow";
import type { StaffDesk } from "./StaffDesk";

type Props = { desk: StaffDesk; queue: QueueEntry[] | null };

export function QueueList({ desk, queue }: Props) {
  const { t } = useTranslation();
  const { busy, problem, run } = useAction();
  const now = useNow(1000);
  if (queue === null) return <p role="status">{t("loading")}</p>;
  const waiting = queue.filter((entry) => entry.state === "waiting").length;
  return (
    <>
      <p className="visually-hidden" role="status" aria-live="polite">
        {t("staff.queue.changed", { count: waiting })}
      </p>
      <ProblemNotice problem={problem} />
      {queue.length === 0 ? (
        <EmptyCard
          title={t("staff.queue.empty")}
          text={t("staff.queue.emptyText")}
          testid="queue-empty"
        />
      ) : (
        <ul className="queue" data-testid="queue" aria-label={t("staff.queue.title")}>
          {queue.map((entry) => (
            <Row
              key={entry.visit}
              entry={entry}
              now={now}
              busy={busy}
              onAccept={() => void run(() => desk.accept(entry.visit))}
              onResume={() => desk.enter(entry.visit)}
            />
          ))}
        </ul>
      )}
    </>
  );
}

type RowProps = {
  entry: QueueEntry;
  now: number;
  busy: boolean;
  onAccept: () => void;
  onResume: () => void;
};

function Row({ entry, now, busy, onAccept, onResume }: RowProps) {
  const { t } = useTranslation();
  const resumable = entry.mine && entry.state === "in_call";
  return (
    <li
      className="queue-row card"
      data-testid="queue-row"
      data-visit={entry.visit}
      data-number={entry.number}
      data-state={entry.state}
    >
      <span className="queue-row-position" aria-label={t("staff.queue.position")}>
        {entry.position ?? "–"}
      </span>
      <EntryWho entry={entry} />
      <dl className="queue-row-facts">
        <div>
          <dt>{t("staff.queue.waiting")}</dt>
          <dd className="figures">{clockTime(now - entry.waiting_since)}</dd>
        </div>
        <div>
          <dt>{t("staff.queue.liveness")}</dt>
          <dd>
            <LivenessTag status={entry.liveness} />
          </dd>
        </div>
      </dl>
      {resumable ? (
        <Button type="primary" data-testid="queue-resume" onClick={onResume}>
          {t("staff.queue.resume")}
        </Button>
      ) : entry.state === "waiting" ? (
        <Button type="primary" disabled={busy} data-testid="queue-accept" onClick={onAccept}>
          {t("staff.queue.accept")}
        </Button>
      ) : (
        <Tag>{t(`staff.queue.state.${entry.state}`)}</Tag>
      )}
    </li>
  );
}
