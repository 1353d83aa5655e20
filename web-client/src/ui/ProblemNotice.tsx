import type { Problem } from "@vbranch/sdk";

import { useProblemWords, useTranslation } from "../i18n";

type Props = { problem: Problem | null; onRetry?: () => void };

/** What went wrong, in the person's words, where it went wrong. */
export function ProblemNotice({ problem, onRetry }: Props) {
  const { t } = useTranslation();
  const words = useProblemWords();
  return (
    <div role="alert">
      {problem !== null && (
        <div className="problem-notice" data-testid="problem" data-code={problem.code}>
          <span>{words(problem.code)}</span>
          {onRetry && (
            <button type="button" className="link-button" data-testid="retry" onClick={onRetry}>
              {t("retry")}
            </button>
          )}
        </div>
      )}
    </div>
  );
}
