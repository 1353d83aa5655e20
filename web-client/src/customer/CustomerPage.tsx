import { ConfigProvider } from "antd-mobile";
import enUS from "antd-mobile/es/locales/en-US";
import zhCN from "antd-mobile/es/locales/zh-CN";
import { useEffect, useState } from "react";

import type { CustomerView } from "@vbranch/sdk";

import { useLanguage, useProblemWords, useTranslation } from "../i18n";
import { useWakeLock } from "../media/wakeLock";
import { useStore } from "../store";
import { MessagePage } from "../ui/MessagePage";
import { CallScreen } from "./call/CallScreen";
import { Closed } from "./Closed";
import { Consents } from "./Consents";
import { CustomerShell } from "./CustomerShell";
import { CustomerVisit } from "./CustomerVisit";
import { LivenessCheck } from "./LivenessCheck";
import { MediaCheck } from "./MediaCheck";
import { MediaProblem } from "./MediaProblem";
import { Waiting } from "./Waiting";
import { Welcome } from "./Welcome";
import "../call/tiles.css";
import "./customer.css";
import "./call/call.css";

export default function CustomerPage({ token }: { token: string }) {
  const [language] = useLanguage();
  const [visit] = useState(() => new CustomerVisit(token));
  useEffect(() => {
    visit.start();
    return () => visit.stop();
  }, [visit]);
  return (
    <ConfigProvider locale={language === "en" ? enUS : zhCN}>
      <Visit visit={visit} />
    </ConfigProvider>
  );
}

function Visit({ visit }: { visit: CustomerVisit }) {
  const { t } = useTranslation();
  const words = useProblemWords();
  const { view, problem, link } = useStore(visit.state);
  useWakeLock(view !== null && visit.usesMedia(view));
  if (view === null && problem !== null) {
    return (
      <MessagePage title={t("error.title")} text={words(problem.code)} testid="visit-problem">
        {problem.transient ? (
          <button type="button" className="plain-button" onClick={() => location.reload()}>
            {t("retry")}
          </button>
        ) : (
          <a className="plain-button" href="/">
            {t("brand.home")}
          </a>
        )}
      </MessagePage>
    );
  }
  if (view === null) {
    return (
      <p className="page-loading" role="status">
        {t("loading")}
      </p>
    );
  }
  const lost = link === "waiting" && view.state !== "closed";
  if (view.state === "in_call") return <CallOrProblem visit={visit} view={view} lost={lost} />;
  return (
    <CustomerShell view={view} lost={lost}>
      <Screen visit={visit} view={view} />
    </CustomerShell>
  );
}

function CallOrProblem(props: { visit: CustomerVisit; view: CustomerView; lost: boolean }) {
  const { visit, view, lost } = props;
  const media = useStore(visit.media.state);
  if (media.problem === null) return <CallScreen visit={visit} view={view} lost={lost} />;
  return (
    <CustomerShell view={view} lost={lost}>
      <MediaProblem problem={media.problem} onRetry={() => visit.media.retry()} />
    </CustomerShell>
  );
}

function Screen({ visit, view }: { visit: CustomerVisit; view: CustomerView }) {
  const media = useStore(visit.media.state);
  const { progress } = useStore(visit.state);
  const [welcomed, setWelcomed] = useState(false);
  const devicesNeeded = view.state === "checking" || view.state === "waiting";
  if (devicesNeeded && media.problem !== null) {
    return <MediaProblem problem={media.problem} onRetry={() => visit.media.retry()} />;
  }
  switch (view.state) {
    case "invited":
      if (!welcomed) return <Welcome view={view} onStart={() => setWelcomed(true)} />;
      return <Consents visit={visit} view={view} />;
    case "preparing":
      return <MediaCheck visit={visit} />;
    case "checking":
      return <LivenessCheck visit={visit} view={view} progress={progress} />;
    case "waiting":
    case "in_call":
      return <Waiting visit={visit} view={view} />;
    case "closed":
      return <Closed view={view} />;
  }
}
