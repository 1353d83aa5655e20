import type { ReactNode } from "react";

import { Brand } from "./Brand";
import { LangSwitch } from "./LangSwitch";

type Props = { title: string; text: string; testid: string; children?: ReactNode };

/** A page that says one thing: not found, link expired, something broke. */
export function MessagePage({ title, text, testid, children }: Props) {
  return (
    <div className="page">
      <header className="page-header">
        <Brand />
        <LangSwitch />
      </header>
      <main className="page-main narrow">
        <section className="card message-card" data-testid={testid} role="alert">
          <h1>{title}</h1>
          <p>{text}</p>
          {children}
        </section>
      </main>
    </div>
  );
}
