import type { ChallengeKind } from "@vbranch/sdk";

/**
 * A face that does what is asked. It is a mirror, like the preview: the customer's own left is on
 * the left of the screen, so for `turn_left` the face and the arrow go left.
 */
export function ChallengeFigure({ kind }: { kind: ChallengeKind | null }) {
  return (
    <svg
      className={`challenge-figure ${kind ?? "still"}`}
      viewBox="0 0 96 96"
      width="96"
      height="96"
      aria-hidden="true"
    >
      <ellipse className="figure-head" cx="48" cy="48" rx="26" ry="33" />
      <g className="figure-features">
        <ellipse className="figure-eye" cx="38" cy="42" rx="4" ry="4" />
        <ellipse className="figure-eye" cx="58" cy="42" rx="4" ry="4" />
        <path className="figure-line" d="M48 46v9" />
        <Mouth kind={kind} />
      </g>
      {kind === "turn_left" && <path className="figure-arrow" d="M16 48h-12m5-6l-6 6 6 6" />}
      {kind === "turn_right" && <path className="figure-arrow" d="M80 48h12m-5-6l6 6-6 6" />}
      {kind === "nod" && <path className="figure-arrow" d="M85 38v20m-6-5l6 6 6-6" />}
    </svg>
  );
}

function Mouth({ kind }: { kind: ChallengeKind | null }) {
  switch (kind) {
    case "open_mouth":
      return <ellipse className="figure-mouth" cx="48" cy="66" rx="7.5" ry="9" />;
    case "smile":
      return (
        <>
          <path className="figure-line figure-earnest" d="M41 66h14" />
          <path className="figure-line figure-smile" d="M35 61q13 15 26 0" />
        </>
      );
    default:
      return <path className="figure-line" d="M40 65q8 5 16 0" />;
  }
}
