import { useCallback, useEffect, useState } from "react";

import { asProblem, type Problem } from "@vbranch/sdk";

type Loaded<T> = { value: T | null; problem: Problem | null; reload: () => void };

/** Loads once and again on request. `load` must be the same function on every render. */
export function useLoaded<T>(load: () => Promise<T>): Loaded<T> {
  const [value, setValue] = useState<T | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const reload = useCallback(() => {
    load().then(
      (loaded) => {
        setValue(loaded);
        setProblem(null);
      },
      (thrown: unknown) => setProblem(asProblem(thrown)),
    );
  }, [load]);
  useEffect(reload, [reload]);
  return { value, problem, reload };
}
