import { Tabs } from "antd";
import { useState } from "react";

import { AuditApi, type RecordingRow, type Replay, type User } from "@vbranch/sdk";

import { Console, ConsoleTheme } from "../console/Console";
import { SignInGate } from "../console/SignInGate";
import { UserMenu } from "../console/UserMenu";
import { useTranslation } from "../i18n";
import { AuditLog } from "./AuditLog";
import { FilmDialog } from "./FilmDialog";
import { FilmList } from "./FilmList";
import { ReasonDialog } from "./ReasonDialog";
import { RecordingList } from "./RecordingList";
import { ReplayView } from "./ReplayView";
import "./audit.css";

const api = new AuditApi();

export default function AuditPage() {
  return (
    <ConsoleTheme>
      <SignInGate kind="audit" roles={["auditor", "supervisor", "admin"]}>
        {(user, signOut) => <Desk user={user} signOut={signOut} />}
      </SignInGate>
    </ConsoleTheme>
  );
}

type Opened = { recording: RecordingRow; replay: Replay };

function Desk({ user, signOut }: { user: User; signOut: () => void }) {
  const { t } = useTranslation();
  const [asking, setAsking] = useState<RecordingRow | null>(null);
  const [filming, setFilming] = useState<RecordingRow | null>(null);
  const [opened, setOpened] = useState<Opened | null>(null);
  // A supervisor comes here as the second person only.
  const audits = user.role === "auditor";
  const [tab, setTab] = useState(audits ? "recordings" : "films");
  const films = {
    key: "films",
    label: <span data-testid="tab-films">{t("audit.tabs.films")}</span>,
    children: <FilmList api={api} />,
  };
  return (
    <Console title={t("audit.title")} actions={<UserMenu user={user} onSignOut={signOut} />}>
      <main className="page-main wide">
        {opened ? (
          <ReplayView
            key={opened.replay.replay}
            api={api}
            replay={opened.replay}
            number={opened.recording.number}
            onBack={() => setOpened(null)}
          />
        ) : (
          <Tabs
            destroyOnHidden
            activeKey={tab}
            onChange={setTab}
            items={
              audits
                ? [
                    {
                      key: "recordings",
                      label: <span data-testid="tab-recordings">{t("audit.tabs.recordings")}</span>,
                      children: (
                        <RecordingList api={api} onReplay={setAsking} onFilm={setFilming} />
                      ),
                    },
                    films,
                    {
                      key: "log",
                      label: <span data-testid="tab-log">{t("audit.tabs.log")}</span>,
                      children: <AuditLog api={api} />,
                    },
                  ]
                : [films]
            }
          />
        )}
      </main>
      <ReasonDialog
        key={asking?.recording ?? "none"}
        api={api}
        recording={asking}
        onCancel={() => setAsking(null)}
        onReplay={(replay) => {
          if (asking !== null) setOpened({ recording: asking, replay });
          setAsking(null);
        }}
      />
      <FilmDialog
        key={`film-${filming?.recording ?? "none"}`}
        api={api}
        recording={filming}
        onCancel={() => setFilming(null)}
        onBegun={() => {
          setFilming(null);
          setTab("films");
        }}
      />
    </Console>
  );
}
