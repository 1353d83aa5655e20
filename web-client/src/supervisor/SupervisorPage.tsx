import { useEffect, useState } from "react";

import type { User } from "@vbranch/sdk";

import { ConsoleTheme } from "../console/Console";
import { DeskFrame } from "../console/DeskFrame";
import { SignInGate } from "../console/SignInGate";
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
    <DeskFrame
      title={t("supervisor.title")}
      user={user}
      onSignOut={signOut}
      desk={desk}
      link={link}
      media={media}
      problem={problem}
    >
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
    </DeskFrame>
  );
}
