import type { Advice } from "@vbranch/sdk";

/** What would help, as a drawing: the same face as in the challenges, within the camera's frame. */
export function AdviceFigure({ advice }: { advice: Advice }) {
  return (
    <svg
      className={`advice-figure ${advice}`}
      viewBox="0 0 96 96"
      width="48"
      height="48"
      aria-hidden="true"
    >
      {DRAWINGS[advice]}
    </svg>
  );
}

type FaceProps = { x?: number; y?: number; size?: number; className?: string };

function Face({ x = 48, y = 50, size = 1, className = "" }: FaceProps) {
  return (
    <g transform={`translate(${x} ${y}) scale(${size})`}>
      <g className={className}>
        <ellipse className="advice-face" rx="21" ry="27" />
        <circle className="advice-dot" cx="-8" cy="-5" r="3.2" />
        <circle className="advice-dot" cx="8" cy="-5" r="3.2" />
        <path className="advice-line" d="M-7 12q7 4 14 0" />
      </g>
    </g>
  );
}

const frame = <rect className="advice-frame" x="8" y="8" width="80" height="80" rx="12" />;
const sun = (
  <g>
    <circle className="advice-lamp" r="8" />
    <path
      className="advice-hint"
      d="M0-13v-6M0 13v6M-13 0h-6M13 0h6M-9-9l-4-4M9-9l4-4M-9 9l-4 4M9 9l4 4"
    />
  </g>
);

const DRAWINGS: Record<Advice, React.ReactNode> = {
  no_face: (
    <>
      {frame}
      <ellipse className="advice-line advice-missing" cx="48" cy="50" rx="21" ry="27" />
      <path className="advice-hint" d="M41 43q0-8 7-8t7 7q0 5-7 9v4M48 63v1" />
    </>
  ),
  several_faces: (
    <>
      {frame}
      <Face x={34} y={52} size={0.78} />
      <g transform="translate(68 44)">
        <ellipse className="advice-line" rx="12" ry="16" />
        <path className="advice-hint" d="M-13-17l26 34M13-17l-26 34" />
      </g>
    </>
  ),
  come_closer: (
    <>
      {frame}
      <Face size={0.62} className="advice-grow" />
      <path
        className="advice-hint"
        d="M30 32l-11-11m0 8v-8h8M66 32l11-11m0 8v-8h-8M30 68l-11 11m0-8v8h8M66 68l11 11m0-8v8h-8"
      />
    </>
  ),
  move_back: (
    <>
      {frame}
      <Face size={1.15} className="advice-shrink" />
      <path
        className="advice-hint"
        d="M8 8l14 14m0-8v8h-8M88 8l-14 14m0-8v8h8M8 88l14-14m0 8v-8h-8M88 88l-14-14m0 8v-8h8"
      />
    </>
  ),
  center_face: (
    <>
      {frame}
      <Face x={29} y={56} size={0.72} className="advice-to-centre" />
      <path className="advice-hint" d="M52 50h26m-8-8l8 8-8 8" />
    </>
  ),
  more_light: (
    <>
      <Face x={66} y={54} size={0.95} />
      <g transform="translate(24 24)">{sun}</g>
      <path className="advice-hint" d="M14 56h22m-7-6l7 6-7 6" />
    </>
  ),
  softer_light: (
    <>
      <g transform="translate(68 28)">{sun}</g>
      <Face x={38} y={56} size={0.95} />
      <path className="advice-hint" d="M48 8l40 40" />
    </>
  ),
  hold_still: (
    <>
      <rect className="advice-frame" x="26" y="10" width="44" height="76" rx="9" />
      <Face size={0.66} />
      <path className="advice-hint" d="M16 34v28M7 40v16M80 34v28M89 40v16" />
    </>
  ),
  uncover_face: (
    <>
      <Face y={54} />
      <path className="advice-cover" d="M29 56h38v12q-6 11-19 11t-19-11z" />
      <path className="advice-hint" d="M82 76v-44m-8 9l8-9 8 9" />
    </>
  ),
  look_straight: (
    <>
      {frame}
      <g className="advice-turn">
        <Face />
      </g>
      <path className="advice-hint" d="M48 14v8M48 78v8M14 50h8M74 50h8" />
    </>
  ),
  good: (
    <>
      <Face />
      <path className="advice-hint" d="M64 74l8 8 16-18" />
    </>
  ),
};
