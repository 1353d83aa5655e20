import { Button, Input } from "antd";
import { type ReactNode, useState } from "react";

import { useTranslation } from "../i18n";
import { ProblemNotice } from "../ui/ProblemNotice";
import { useAction } from "../ui/useAction";

type Props = {
  /** Begins the test ids of its parts. */
  name: string;
  /** What the button says. */
  submit: string;
  /** What comes of it; a problem is shown in the form. */
  onSubmit: (reason: string) => Promise<void>;
  /** Above the reason. */
  children: ReactNode;
};

const SHORTEST_REASON = 5;
const LONGEST_REASON = 500;

/** Asks why; nothing is done without an answer. */
export function ReasonForm({ name, submit, onSubmit, children }: Props) {
  const { t } = useTranslation();
  const [reason, setReason] = useState("");
  const { busy, problem, run } = useAction();
  const enough = reason.trim().length >= SHORTEST_REASON;
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (enough) void run(() => onSubmit(reason.trim()));
      }}
    >
      {children}
      <label className="field">
        <span>{t("audit.reason.label")}</span>
        <Input.TextArea
          rows={3}
          maxLength={LONGEST_REASON}
          showCount
          value={reason}
          data-testid={`${name}-reason`}
          onChange={(event) => setReason(event.target.value)}
        />
      </label>
      <ProblemNotice problem={problem} />
      <Button
        type="primary"
        htmlType="submit"
        loading={busy}
        disabled={!enough}
        data-testid={`${name}-submit`}
      >
        {submit}
      </Button>
    </form>
  );
}
