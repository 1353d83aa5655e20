import { Button, Form, Input } from "antd";
import { useEffect, useState, type ReactNode } from "react";

import { Problem, PublicApi, asProblem, type Role, type User } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import { ProblemNotice } from "../ui/ProblemNotice";
import { useAction } from "../ui/useAction";
import { Console } from "./Console";

type Kind = "staff" | "supervisor" | "audit";
type Props = {
  kind: Kind;
  roles: Role[];
  children: (user: User, signOut: () => void) => ReactNode;
};

const api = new PublicApi();

/** Shows its children to those who are signed in with a fitting role, the sign-in to all others. */
export function SignInGate({ kind, roles, children }: Props) {
  const { t } = useTranslation();
  const [user, setUser] = useState<User | null | "asking">("asking");

  useEffect(() => {
    api.currentUser().then(setUser, () => setUser(null));
  }, []);

  const signOut = () => {
    setUser(null);
    // The session may be over already, and then there is nothing left to sign out of.
    void api.signOut().catch(asProblem);
  };
  if (user === "asking") {
    return (
      <p className="page-loading" role="status">
        {t("loading")}
      </p>
    );
  }
  if (user !== null && roles.includes(user.role)) return children(user, signOut);
  return <SignIn kind={kind} wrongRole={user !== null} onUser={setUser} />;
}

type SignInProps = { kind: Kind; wrongRole: boolean; onUser: (user: User) => void };
type Fields = { username: string; password: string };

function SignIn({ kind, wrongRole, onUser }: SignInProps) {
  const { t } = useTranslation();
  const { busy, problem, run } = useAction();
  const submit = ({ username, password }: Fields) =>
    run(async () => onUser(await api.signIn(username.trim(), password)));
  const shown = problem ?? (wrongRole ? new Problem("forbidden", 403, "role") : null);
  return (
    <Console title={t(`signIn.${kind}`)}>
      <main className="page-main narrow">
        <section className="card sign-in">
          <h1>{t(`signIn.${kind}`)}</h1>
          <p className="muted">{t(`signIn.${kind}Text`)}</p>
          <Form<Fields> layout="vertical" requiredMark={false} onFinish={(f) => void submit(f)}>
            <Form.Item name="username" label={t("signIn.username")} rules={[{ required: true }]}>
              <Input autoComplete="username" data-testid="signin-username" />
            </Form.Item>
            <Form.Item name="password" label={t("signIn.password")} rules={[{ required: true }]}>
              <Input
                type="password"
                autoComplete="current-password"
                data-testid="signin-password"
              />
            </Form.Item>
            <ProblemNotice problem={shown} />
            <Button
              block
              type="primary"
              htmlType="submit"
              loading={busy}
              data-testid="signin-submit"
            >
              {t("signIn.submit")}
            </Button>
          </Form>
        </section>
      </main>
    </Console>
  );
}
