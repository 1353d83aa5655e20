import type { ReactNode } from "react";

import { boxOf, pathOf, place, secondsOn, type Point, type Range, type Span } from "./series";

export type Line = { name: string; tone: string; points: readonly Point[] };
export type Shade = Span & { className: string };

type Props = {
  title: string;
  /** What a screen reader says of it; the figures themselves are in a table beside. */
  summary: string;
  x: Range;
  y: Range;
  unit?: string;
  lines: readonly Line[];
  shades?: readonly Shade[];
  testid: string;
  /** Below the plot, on the same time axis. */
  foot?: ReactNode;
  /** Whether the axis of time is written under it. */
  axis?: boolean;
};

/** Lines over time: the drawing stretches with its box, words keep their size beside it. */
export function Chart(props: Props) {
  const { title, summary, x, y, unit = "", lines, shades = [], testid, foot, axis } = props;
  return (
    <figure className="chart" data-testid={testid}>
      <figcaption className="chart-title">
        {title}
        {lines.length > 1 && <Legend lines={lines} />}
      </figcaption>
      <div className="chart-scale figures" aria-hidden="true">
        <span>
          {y[1]}
          {unit}
        </span>
        <span>
          {y[0]}
          {unit}
        </span>
      </div>
      <svg
        className="chart-plot"
        viewBox="0 0 100 100"
        preserveAspectRatio="none"
        role="img"
        aria-label={`${title}. ${summary}`}
      >
        {shades.map(({ className, ...span }) => {
          const { left, width } = boxOf(span, x);
          return (
            <rect key={span.from} className={className} x={left} y="0" width={width} height="100" />
          );
        })}
        {y[0] < 0 && y[1] > 0 && <path className="chart-zero" d={`M0 ${100 - place(0, y)}H100`} />}
        {lines.map((line) => (
          <path
            key={line.name}
            className={`chart-line ${line.tone}`}
            d={pathOf(line.points, x, y)}
          />
        ))}
      </svg>
      {foot !== undefined && <div className="chart-foot">{foot}</div>}
      {axis && <TimeAxis x={x} />}
    </figure>
  );
}

function Legend({ lines }: { lines: readonly Line[] }) {
  return (
    <span className="chart-legend">
      {lines.map(({ name, tone }) => (
        <span key={name}>
          <svg viewBox="0 0 24 8" width="24" height="8" aria-hidden="true">
            <path className={`chart-line ${tone}`} d="M1 4H23" />
          </svg>
          {name}
        </span>
      ))}
    </span>
  );
}

function TimeAxis({ x }: { x: Range }) {
  return (
    <div className="chart-axis figures" aria-hidden="true">
      {secondsOn(x).map((ms) => (
        <span key={ms} style={{ left: `${place(ms, x)}%` }}>
          {ms / 1000}s
        </span>
      ))}
    </div>
  );
}
