import { Component, type ReactNode } from "react";

import { useTranslation } from "../i18n";
import { MessagePage } from "./MessagePage";

type State = { broken: boolean };

/** Never a blank page: whatever breaks while rendering ends here. */
export class ErrorBoundary extends Component<{ children: ReactNode }, State> {
  override state: State = { broken: false };

  static getDerivedStateFromError(): State {
    return { broken: true };
  }

  override render(): ReactNode {
    return this.state.broken ? <Broken /> : this.props.children;
  }
}

function Broken() {
  const { t } = useTranslation();
  return (
    <MessagePage title={t("crash.title")} text={t("crash.text")} testid="page-crashed">
      <button type="button" className="plain-button" onClick={() => location.reload()}>
        {t("crash.again")}
      </button>
    </MessagePage>
  );
}
