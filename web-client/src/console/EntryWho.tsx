import type { QueueEntry } from "@vbranch/sdk";

import { useText } from "../i18n";

/** Whose line it is, and what about. */
export function EntryWho({ entry }: { entry: QueueEntry }) {
  const text = useText();
  return (
    <div className="queue-row-who">
      <strong>{entry.number}</strong>
      <span>{text(entry.product.name)}</span>
    </div>
  );
}
