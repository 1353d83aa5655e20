import { Button } from "antd";

import type { User } from "@vbranch/sdk";

import { useTranslation } from "../i18n";

export function UserMenu({ user, onSignOut }: { user: User; onSignOut: () => void }) {
  const { t } = useTranslation();
  return (
    <>
      <span className="console-user" data-testid="user-name">
        {user.display_name}
      </span>
      <Button data-testid="sign-out" onClick={onSignOut}>
        {t("signOut")}
      </Button>
    </>
  );
}
