import { Alert, Button } from "antd";

import { useProblemWords, useTranslation } from "../i18n";

type Props = { code: string; onRetry: () => void; testid: string };

/** Trouble of a whole console: what it is, what helps, and trying again. */
export function ConsoleAlert({ code, onRetry, testid }: Props) {
  const { t, i18n } = useTranslation();
  const words = useProblemWords();
  const help = `error.help.${code}`;
  return (
    <div data-testid={testid} data-code={code}>
      <Alert
        banner
        type="error"
        title={words(code)}
        description={i18n.exists(help) ? t(help) : undefined}
        action={<Button onClick={onRetry}>{t("retry")}</Button>}
      />
    </div>
  );
}
