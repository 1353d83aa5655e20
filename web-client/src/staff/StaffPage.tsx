import { useEffect, useState } from "react";

import type { User } from "@vbranch/sdk";

import { ConsoleTheme } from "../console/Console";
import { DeskFrame } from "../console/DeskFrame";
import { SignInGate } from "../console/SignInGate";
import { useTranslation } from "../i18n";
import { useStore } from "../store";
import { CallWorkspace } from "./CallWorkspace";
import { NewLink } from "./NewLink";
import { QueueList } from "./QueueList";
import { StaffDesk } from "./StaffDesk";
import "./staff.css";
import "../call/tiles.css";
import "../call/stage.css";

export default function StaffPage() {
  return (
    <ConsoleTheme>
      <SignInGate kind="staff" roles={["staff", "supervisor", "admin"]}>
        {(user, signOut) => <Desk user={user} signOut={signOut} />}
      </SignInGate>
    </ConsoleTheme>
  );
}

function Desk({ user, signOut }: { user: User; signOut: () => void }) {
  const { t } = useTranslation();
  const [desk] = useState(() => new StaffDesk(signOut));
  const { visit, entering, queue, link, problem } = useStore(desk.state);
  const media = useStore(desk.media.state);

  useEffect(() => {
    desk.start();
    return () => desk.stop();
  }, [desk]);

  return (
    <DeskFrame
      title={t("staff.title")}
      user={user}
      onSignOut={signOut}
      desk={desk}
      link={link}
      media={media}
      problem={problem}
    >
      {visit ? (
        <CallWorkspace desk={desk} view={visit} media={media} />
      ) : entering ? (
        <p className="page-loading" role="status">
          {t("loading")}
        </p>
      ) : (
        <main className="page-main wide">
          <div className="title-row">
            <h1>{t("staff.queue.title")}</h1>
            <NewLink api={desk.api} />
          </div>
          <QueueList desk={desk} queue={queue} />
        </main>
      )}
    </DeskFrame>
  );
}
