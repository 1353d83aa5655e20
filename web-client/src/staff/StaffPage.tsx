import { useEffect, useState } from "react";

import type { User } from "@vbranch/sdk";

import { Console, ConsoleTheme } from "../console/Console";
import { ConsoleAlert } from "../console/ConsoleAlert";
import { SignInGate } from "../console/SignInGate";
import { UserMenu } from "../console/UserMenu";
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
    <Console title={t("staff.title")} actions={<UserMenu user={user} onSignOut={signOut} />}>
      {link === "waiting" && (
        <p className="link-lost" role="status" data-testid="link-lost">
          {t("reconnecting")}
        </p>
      )}
      {media.problem && (
        <ConsoleAlert
          code={media.problem.code}
          onRetry={() => desk.media.retry()}
          testid="media-error"
        />
      )}
      {problem && (
        <ConsoleAlert code={problem.code} onRetry={() => void desk.load()} testid="desk-problem" />
      )}
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
    </Console>
  );
}
