import { ConfigProvider, type ThemeConfig } from "antd";
import enUS from "antd/locale/en_US";
import zhCN from "antd/locale/zh_CN";
import type { ReactNode } from "react";

import { useLanguage } from "../i18n";
import { Brand } from "../ui/Brand";
import { LangSwitch } from "../ui/LangSwitch";
import "./console.css";

/** The colours of ui/tokens.css, for antd; controls are as tall as a touch target. */
const theme: ThemeConfig = {
  token: {
    colorPrimary: "#14609f",
    colorInfo: "#14609f",
    colorSuccess: "#1a7a4c",
    colorSuccessBg: "#e5f4ec",
    colorSuccessBorder: "#a9d9c0",
    colorWarning: "#95590a",
    colorWarningBg: "#fdf3e2",
    colorWarningBorder: "#ecd3a6",
    colorError: "#b3261e",
    colorErrorBg: "#fbeae9",
    colorErrorBorder: "#eab8b4",
    colorTextBase: "#14263a",
    borderRadius: 10,
    controlHeight: 44,
    fontSize: 15,
    fontFamily: "var(--font)",
  },
};

type Props = { title: string; actions?: ReactNode; children: ReactNode };

/** The frame of the consoles of staff and auditors. */
export function Console({ title, actions, children }: Props) {
  return (
    <div className="page console">
      <header className="page-header">
        <Brand sub={title} />
        <div className="console-actions">
          {actions}
          <LangSwitch />
        </div>
      </header>
      {children}
    </div>
  );
}

export function ConsoleTheme({ children }: { children: ReactNode }) {
  const [language] = useLanguage();
  return (
    <ConfigProvider
      theme={theme}
      button={{ autoInsertSpace: false }}
      locale={language === "en" ? enUS : zhCN}
    >
      {children}
    </ConfigProvider>
  );
}
