import type { ReactNode } from "react";

type Props = { className: string; label: string; testid?: string; children: ReactNode };

/** A text that may be longer than its box. It takes the keyboard's focus, or it could not be read. */
export function ScrollText({ className, label, testid, children }: Props) {
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- WCAG 2.1.1: scrolling by keys
    <div className={className} role="region" aria-label={label} data-testid={testid} tabIndex={0}>
      {children}
    </div>
  );
}
