import { Button, Empty, Tag } from "antd";

import type { QueueEntry } from "@vbranch/sdk";

import { clockTime } from "../format";
import { useText, useTranslation } from "../i18n";
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
        <section className="card">
          <Empty
            data-testid="queue-empty"
            image={Empty.PRESENTED_IMAGE_SIMPLE}
            description={
              <>
                <strong>{t("staff.queue.empty")}</strong>
                <br />
                {t("staff.queue.emptyText")}
              </>
            }
          />
        </section>
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
  const text = useText();
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
      <div className="queue-row-who">
        <strong>{entry.number}</strong>
        <span>{text(entry.product.name)}</span>
      </div>
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

const COLOURS: Record<QueueEntry["liveness"], string> = {
  not_started: "default",
  running: "processing",
  passed: "success",
  failed: "error",
  referred: "warning",
  declined: "default",
};

export function LivenessTag({ status }: { status: QueueEntry["liveness"] }) {
  const { t } = useTranslation();
  return (
    <Tag color={COLOURS[status]} data-testid="liveness-status" data-status={status}>
      {t(`staff.liveness.${status}`)}
    </Tag>
  );
}
