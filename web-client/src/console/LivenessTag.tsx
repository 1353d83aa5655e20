import { Tag } from "antd";

import type { QueueEntry } from "@vbranch/sdk";

import { useTranslation } from "../i18n";

const COLOURS: Record<QueueEntry["liveness"], string> = {
  not_started: "default",
  running: "processing",
  passed: "success",
  failed: "error",
  referred: "warning",
  declined: "default",
};

/** How the liveness check went, in a word. */
export function LivenessTag({ status }: { status: QueueEntry["liveness"] }) {
  const { t } = useTranslation();
  return (
    <Tag color={COLOURS[status]} data-testid="liveness-status" data-status={status}>
      {t(`staff.liveness.${status}`)}
    </Tag>
  );
}
