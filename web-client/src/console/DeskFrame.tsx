import type { ReactNode } from "react";

import type { Problem, SnapshotStatus, User } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import type { CallMediaState } from "../media/CallMedia";
import { Console } from "./Console";
import { ConsoleAlert } from "./ConsoleAlert";
import { UserMenu } from "./UserMenu";

type Props = {
  title: string;
  user: User;
  onSignOut: () => void;
  desk: { media: { retry: () => void }; load: () => Promise<void> };
  link: SnapshotStatus;
  media: CallMediaState;
  problem: Problem | null;
  children: ReactNode;
};

/** A console that is in touch with the server and in calls, and says so when it is not. */
export function DeskFrame(props: Props) {
  const { title, user, onSignOut, desk, link, media, problem, children } = props;
  const { t } = useTranslation();
  return (
    <Console title={title} actions={<UserMenu user={user} onSignOut={onSignOut} />}>
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
      {children}
    </Console>
  );
}
