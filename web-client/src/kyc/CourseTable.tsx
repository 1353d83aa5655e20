import { useState } from "react";

import { useTranslation } from "../i18n";
import { sampled } from "./series";

type Value = number | string;
type Props = {
  caption: string;
  columns: { name: string; places: number }[];
  /** `t` in ms. */
  rows: readonly { t: number; values: readonly Value[] }[];
  testid: string;
};

/** More rows are no easier to read; the sealed trace has all of them. */
const MOST_ROWS = 40;

/** The same as the charts, in figures. */
export function CourseTable({ caption, columns, rows, testid }: Props) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  return (
    <details
      className="course-table"
      data-testid={testid}
      onToggle={(event) => setOpen(event.currentTarget.open)}
    >
      <summary>{t("kyc.course.asTable")}</summary>
      {open && (
        // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- WCAG 2.1.1: scrolling by keys
        <div className="course-rows" role="region" aria-label={caption} tabIndex={0}>
          <table>
            <caption className="visually-hidden">{caption}</caption>
            <thead>
              <tr>
                <th scope="col">{t("kyc.course.time")}</th>
                {columns.map(({ name }) => (
                  <th key={name} scope="col">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {sampled(rows, MOST_ROWS).map((row) => (
                <tr key={row.t} className="figures">
                  <th scope="row">{(row.t / 1000).toFixed(1)}</th>
                  {row.values.map((value, at) => (
                    <td key={columns[at]?.name}>{written(value, columns[at]?.places ?? 2)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}

function written(value: Value | null, places: number): string {
  if (typeof value === "string") return value;
  return value === null || !Number.isFinite(value) ? "–" : value.toFixed(places);
}
