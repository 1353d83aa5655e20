/** The bank's name and the products, asked for once per page. */
import { useEffect } from "react";

import { PublicApi, asProblem, type Info, type Problem } from "@vbranch/sdk";

import { createStore, useStore } from "./store";

type Known = { info: Info | null; problem: Problem | null };

const known = createStore<Known>({ info: null, problem: null });
let asked = false;

export function loadInfo(): void {
  asked = true;
  new PublicApi().info().then(
    (info) => known.set({ info, problem: null }),
    (thrown: unknown) => known.set({ info: null, problem: asProblem(thrown) }),
  );
}

export function useInfo(): Known {
  useEffect(() => {
    if (!asked) loadInfo();
  }, []);
  return useStore(known);
}
