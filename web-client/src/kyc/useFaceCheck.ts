import { useEffect, useState } from "react";

import { asProblem, type KycEvidence, type Problem } from "@vbranch/sdk";

/** Where the last check of a visit can be looked at. */
export type KycSource = {
  kyc: (visit: string) => Promise<KycEvidence>;
  kycPicture: (visit: string) => Promise<Blob>;
};

export type FaceCheckState = {
  state: "loading" | "shown" | "gone" | "failed";
  evidence: KycEvidence | null;
  /** Address of the picture in this page's memory. */
  picture: string | null;
  problem: Problem | null;
};

const LOADING: FaceCheckState = { state: "loading", evidence: null, picture: null, problem: null };

/**
 * Asks for the check of a visit, and again whenever `version` changes. Nothing is kept beyond the
 * panel that shows it: the picture's address is taken back with it.
 */
export function useFaceCheck(source: KycSource, visit: string, version: string) {
  const [shown, setShown] = useState<FaceCheckState>(LOADING);
  const [again, setAgain] = useState(0);
  useEffect(() => {
    let over = false;
    let picture: string | null = null;
    void load(source, visit, (blob) => {
      picture = blob === null || over ? null : URL.createObjectURL(blob);
      return picture;
    }).then((next) => {
      if (!over) setShown(next);
    });
    return () => {
      over = true;
      if (picture !== null) URL.revokeObjectURL(picture);
    };
  }, [source, visit, version, again]);
  const reload = () => {
    setShown(LOADING);
    setAgain((times) => times + 1);
  };
  return { ...shown, reload };
}

async function load(
  source: KycSource,
  visit: string,
  addressOf: (blob: Blob | null) => string | null,
): Promise<FaceCheckState> {
  try {
    const evidence = await source.kyc(visit);
    const blob = evidence.picture ? await pictureOf(source, visit) : null;
    return { state: "shown", evidence, picture: addressOf(blob), problem: null };
  } catch (thrown) {
    const problem = asProblem(thrown);
    const state = problem.code === "kyc_unknown" ? "gone" : "failed";
    return { ...LOADING, state, problem };
  }
}

/** The numbers are worth showing without the picture. */
async function pictureOf(source: KycSource, visit: string): Promise<Blob | null> {
  try {
    return await source.kycPicture(visit);
  } catch {
    return null;
  }
}
