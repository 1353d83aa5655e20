import { useEffect, useState } from "react";

import type { User } from "@vbranch/sdk";

import { Console, ConsoleTheme } from "../console/Console";
import { ConsoleAlert } from "../console/ConsoleAlert";
import { SignInGate } from "../console/SignInGate";
import { UserMenu } from "../console/UserMenu";
import { useTranslation } from "../i18n";
import { useStore } from "../store";
import { AttendedCall } from "./AttendedCall";
import { CallList } from "./CallList";
import { SupervisorDesk } from "./SupervisorDesk";
import "../staff/staff.css";
import "../call/tiles.css";
import "../call/stage.css";
import "./supervisor.css";

export default function SupervisorPage() {
  return (
    <ConsoleTheme>
      <SignInGate kind="supervisor" roles={["supervisor"]}>
        {(user, signOut) => <Desk user={user} signOut={signOut} />}
      </SignInGate>
    </ConsoleTheme>
  );
}

function Desk({ user, signOut }: { user: User; signOut: () => void }) {
  const { t } = useTranslation();
  const [desk] = useState(() => new SupervisorDesk(signOut));
  const { calls, attended, link, problem } = useStore(desk.state);
  const media = useStore(desk.media.state);

  useEffect(() => {
    desk.start();
    return () => desk.stop();
  }, [desk]);

  return (
    <Console title={t("supervisor.title")} actions={<UserMenu user={user} onSignOut={signOut} />}>
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
      {attended ? (
        <AttendedCall desk={desk} view={attended} media={media} />
      ) : (
        <main className="page-main wide">
          <div className="title-row">
            <h1>{t("supervisor.calls")}</h1>
          </div>
          <CallList desk={desk} calls={calls} />
        </main>
      )}
    </Console>
  );
}
