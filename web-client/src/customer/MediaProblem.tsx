import { Button } from "antd-mobile";

import type { Problem } from "@vbranch/sdk";

import { useProblemWords, useTranslation } from "../i18n";
import { retryKey } from "../media/words";

/** Camera, microphone or codec trouble: what it is and what the person can do about it. */
export function MediaProblem({ problem, onRetry }: { problem: Problem; onRetry: () => void }) {
  const { t, i18n } = useTranslation();
  const words = useProblemWords();
  const help = `error.help.${problem.code}`;
  return (
    <section
      className="card stack media-problem"
      data-testid="media-error"
      data-code={problem.code}
      role="alert"
    >
      <h1>{words(problem.code)}</h1>
      {i18n.exists(help) && <p>{t(help)}</p>}
      <Button block color="primary" size="large" data-testid="media-retry" onClick={onRetry}>
        {t(retryKey(problem))}
      </Button>
    </section>
  );
}
