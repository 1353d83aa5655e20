import { Button, Input, Modal } from "antd";
import { useState } from "react";

import type { AuditApi, RecordingRow, Replay } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import { ProblemNotice } from "../ui/ProblemNotice";
import { useAction } from "../ui/useAction";

type Props = {
  api: AuditApi;
  recording: RecordingRow | null;
  onCancel: () => void;
  onReplay: (replay: Replay) => void;
};

export const SHORTEST_REASON = 5;
export const LONGEST_REASON = 500;

/** No replay without a reason; it is on the audit log before the first picture. */
export function ReasonDialog({ api, recording, onCancel, onReplay }: Props) {
  const { t } = useTranslation();
  const [reason, setReason] = useState("");
  const { busy, problem, run } = useAction();
  const enough = reason.trim().length >= SHORTEST_REASON;
  const submit = () =>
    void run(async () => {
      if (recording !== null) onReplay(await api.replay(recording.recording, reason.trim()));
    });
  return (
    <Modal
      title={t("audit.reason.title")}
      open={recording !== null}
      footer={null}
      onCancel={onCancel}
    >
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (enough) submit();
        }}
      >
        <p>{t("audit.reason.text")}</p>
        <label className="field">
          <span>{t("audit.reason.label")}</span>
          <Input.TextArea
            rows={3}
            maxLength={LONGEST_REASON}
            showCount
            value={reason}
            data-testid="replay-reason"
            onChange={(event) => setReason(event.target.value)}
          />
        </label>
        <ProblemNotice problem={problem} />
        <Button
          type="primary"
          htmlType="submit"
          loading={busy}
          disabled={!enough}
          data-testid="replay-submit"
        >
          {t("audit.reason.submit")}
        </Button>
      </form>
    </Modal>
  );
}
