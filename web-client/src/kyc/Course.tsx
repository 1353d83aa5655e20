import type { KycColour, KycTrace } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import { Chart, type Line, type Shade } from "./Chart";
import { CourseTable } from "./CourseTable";
import { boxOf, coloursOn, rangeOf, type Range } from "./series";

/** What the face did over time, against what was asked; what its skin did, against the screen. */
export function Course({ trace }: { trace: KycTrace }) {
  const { t } = useTranslation();
  return (
    <>
      <section className="kyc-section" aria-labelledby="kyc-movement" data-testid="kyc-movement">
        <h3 id="kyc-movement">{t("kyc.course.movement")}</h3>
        <Movement trace={trace} />
      </section>
      {trace.flash.length > 0 && (
        <section className="kyc-section" aria-labelledby="kyc-light" data-testid="kyc-light">
          <h3 id="kyc-light">{t("kyc.course.light")}</h3>
          <p className="muted small">{t("kyc.course.lightText")}</p>
          <Light trace={trace} />
        </section>
      )}
    </>
  );
}

const MEASURES = ["blink", "mouth", "smile", "yaw", "pitch"] as const;
/** The least that a scale spans: without it, a still face would look restless. */
const SCALES = {
  blink: { span: [0, 1], unit: "", places: 2 },
  mouth: { span: [0, 1], unit: "", places: 2 },
  smile: { span: [0, 1], unit: "", places: 2 },
  yaw: { span: [-20, 20], unit: "°", places: 1 },
  pitch: { span: [-20, 20], unit: "°", places: 1 },
} as const;

function Movement({ trace }: { trace: KycTrace }) {
  const { t } = useTranslation();
  const summary = useSummary();
  const { looks, challenges } = trace;
  const x: Range = [0, Math.max(1, trace.duration_ms)];
  const shades: Shade[] = challenges.map(({ from, to, done }) => ({
    from,
    to,
    className: done ? "chart-asked" : "chart-missed",
  }));
  return (
    <>
      <Asked challenges={challenges} x={x} />
      {MEASURES.map((measure, at) => {
        const { span, unit } = SCALES[measure];
        const values = looks.map((look) => look[measure]);
        const name = t(`kyc.course.${measure}`);
        return (
          <Chart
            key={measure}
            testid={`kyc-chart-${measure}`}
            title={name}
            summary={summary(values, unit)}
            x={x}
            y={rangeOf(values, span)}
            unit={unit}
            lines={[
              {
                name,
                tone: "tone-main",
                points: looks.map((look) => ({ t: look.t, v: look[measure] })),
              },
            ]}
            shades={shades}
            axis={at === MEASURES.length - 1}
          />
        );
      })}
      <CourseTable
        testid="kyc-table-movement"
        caption={t("kyc.course.movement")}
        columns={MEASURES.map((each) => ({
          name: t(`kyc.course.${each}`),
          places: SCALES[each].places,
        }))}
        rows={looks.map((look) => ({ t: look.t, values: MEASURES.map((each) => look[each]) }))}
      />
    </>
  );
}

/** What was asked when: the numbers stand above the charts that they shade. */
function Asked({ challenges, x }: { challenges: KycTrace["challenges"]; x: Range }) {
  const { t, i18n } = useTranslation();
  const name = (kind: string) =>
    i18n.exists(`kyc.challenge.${kind}`) ? t(`kyc.challenge.${kind}`) : kind;
  if (challenges.length === 0) return null;
  return (
    <div className="asked">
      <ol className="asked-list small">
        {challenges.map(({ kind, index, done, from }) => (
          <li key={from} data-testid="kyc-asked" data-kind={kind} data-done={done}>
            <span className={done ? "asked-number" : "asked-number is-missed"} aria-hidden="true">
              {index + 1}
            </span>
            {name(kind)}
            <span className={done ? "visually-hidden" : "asked-missed"}>
              {t(done ? "kyc.course.done" : "kyc.course.missed")}
            </span>
          </li>
        ))}
      </ol>
      <div className="asked-track" aria-hidden="true">
        {challenges.map(({ from, to, index, done }) => {
          const { left, width } = boxOf({ from, to }, x);
          return (
            <span
              key={from}
              className={done ? "asked-span" : "asked-span is-missed"}
              style={{ left: `${left}%`, width: `${width}%` }}
            >
              {index + 1}
            </span>
          );
        })}
      </div>
    </div>
  );
}

/** Some time before the first colour and after the last, to see what skin is like without. */
const MARGIN_MS = 600;
const CHANNELS = ["r", "g", "b"] as const;

function Light({ trace }: { trace: KycTrace }) {
  const { t } = useTranslation();
  const summary = useSummary();
  const colours = coloursOn(trace.flash, trace.duration_ms);
  const began = (colours[0]?.from ?? 0) - MARGIN_MS;
  const ended = (colours.at(-1)?.to ?? trace.duration_ms) + MARGIN_MS;
  const x: Range = [Math.max(0, began), Math.min(trace.duration_ms, ended)];
  const within = (rows: KycColour[]) => rows.filter((row) => row.t >= x[0] && row.t <= x[1]);
  const shades: Shade[] = colours
    .filter(({ index }) => index % 2 === 1)
    .map(({ from, to }) => ({ from, to, className: "chart-asked" }));
  const charts = (["skin", "background"] as const).map((where) => ({
    where,
    rows: within(trace[where]),
  }));
  const valuesOf = (rows: KycColour[]) => rows.flatMap(({ r, g, b }) => [r, g, b]);
  // One scale for both: how much less the background answers is what is to be seen.
  const all = charts.flatMap(({ rows }) => valuesOf(rows));
  const first = all.find(Number.isFinite) ?? 0;
  const y = rangeOf(all, [first, first]);
  return (
    <>
      {charts.map(({ where, rows }, at) => {
        return (
          <Chart
            key={where}
            testid={`kyc-chart-${where}`}
            title={t(`kyc.course.${where}`)}
            summary={summary(valuesOf(rows), "")}
            x={x}
            y={y}
            lines={CHANNELS.map((channel): Line => ({
              name: t(`kyc.course.${channel}`),
              tone: `tone-${channel}`,
              points: rows.map((row) => ({ t: row.t, v: row[channel] })),
            }))}
            shades={shades}
            foot={<Colours colours={colours} x={x} />}
            axis={at === charts.length - 1}
          />
        );
      })}
      <CourseTable
        testid="kyc-table-light"
        caption={t("kyc.course.light")}
        columns={[
          { name: t("kyc.course.screen"), places: 0 },
          ...CHANNELS.map((each) => ({ name: t(`kyc.course.${each}`), places: 2 })),
        ]}
        rows={within(trace.skin).map(({ t: at, r, g, b }) => ({
          t: at,
          values: [
            colours.find(({ from, to }) => at >= from && at < to)?.colour ?? t("kyc.course.page"),
            ...[r, g, b],
          ],
        }))}
      />
    </>
  );
}

/** What the screen showed, in its own colours; their names are in the table. */
function Colours({ colours, x }: { colours: ReturnType<typeof coloursOn>; x: Range }) {
  return (
    <div className="screen-colours" aria-hidden="true" data-testid="kyc-colours">
      {colours.map(({ from, to, colour }) => {
        const { left, width } = boxOf({ from, to }, x);
        return (
          <span
            key={from}
            style={{ left: `${left}%`, width: `${width}%`, backgroundColor: colour }}
          />
        );
      })}
    </div>
  );
}

/** What a line does, for those who do not see it. */
function useSummary(): (values: readonly number[], unit: string) => string {
  const { t } = useTranslation();
  return (values, unit) => {
    const known = values.filter(Number.isFinite);
    if (known.length === 0) return t("kyc.course.nothing");
    const low = known.reduce((a, b) => Math.min(a, b));
    const high = known.reduce((a, b) => Math.max(a, b));
    const words = (value: number) => `${Number(value.toPrecision(3))}${unit}`;
    return t("kyc.course.summary", { low: words(low), high: words(high) });
  };
}
