/** Runs as a Markdown table, a chart, and a page of documentation. */

const HEAD = [
  "network of one party",
  "who",
  "fps",
  "frozen",
  "longest still",
  "audio concealed",
  "kbit/s",
  "buffer video / audio",
  "back after",
  "targets",
];

const PEOPLE = { near: "gets through it", far: "gets from behind it" };

export function table(runs) {
  const rows = runs.flatMap((run) => {
    const verdict = run.targets.length === 0 ? "" : run.missed.length === 0 ? "met" : "**missed**";
    if (Object.keys(run.people).length === 0) {
      return [[run.title, run.missed.join("; "), "", "", "", "", "", "", "", "**failed**"]];
    }
    return Object.entries(run.people).map(([who, f], index) => [
      index === 0 ? run.title : "",
      PEOPLE[who],
      f.fps.toFixed(1),
      percent(f.frozen),
      `${f.longestStill.toFixed(1)} s`,
      percent(f.concealed),
      f.videoKbps.toFixed(0),
      `${f.videoBufferMs.toFixed(0)} / ${f.audioBufferMs.toFixed(0)} ms`,
      f.back === undefined ? "" : f.back === null ? "never" : `${f.back.toFixed(1)} s`,
      index === 0 ? verdict : "",
    ]);
  });
  const widths = HEAD.map((_, i) => Math.max(...[HEAD, ...rows].map((row) => row[i].length)));
  const line = (cells) => `| ${cells.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`;
  const rule = `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`;
  return [line(HEAD), rule, ...rows.map(line)].join("\n");
}

const percent = (share) => `${(share * 100).toFixed(1)} %`;

const [LEFT, WIDE, TALL, GAP, TOP] = [230, 560, 60, 24, 44];
const COLOURS = { near: "#2f6fb2", far: "#b23a2f" };

/** Frames per second of every run, one strip each. */
export function chart(runs) {
  const height = TOP + runs.length * (TALL + GAP) + 20;
  const most = 32;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${LEFT + WIDE + 30} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    `<text x="10" y="20" font-size="14" font-weight="bold">Frames decoded per second; the trouble begins at the dashed line</text>`,
    ...Object.entries(PEOPLE).map(
      ([who, words], i) =>
        `<text x="${LEFT + 170 * i}" y="38" fill="${COLOURS[who]}">${words}</text>`,
    ),
  ];
  runs.forEach((run, index) => {
    const y = TOP + index * (TALL + GAP);
    const seconds = Math.max(1, ...Object.values(run.course).map((c) => c.length));
    const x = (second) => LEFT + (WIDE * second) / seconds;
    parts.push(
      `<text x="10" y="${y + TALL / 2}">${run.title}</text>`,
      `<path d="M${LEFT} ${y}V${y + TALL}H${LEFT + WIDE}" fill="none" stroke="#888"/>`,
      `<text x="${LEFT - 4}" y="${y + 10}" text-anchor="end">${most}</text>`,
      `<text x="${LEFT + WIDE}" y="${y + TALL + 14}" text-anchor="end">${seconds} s</text>`,
      `<line x1="${x(6)}" x2="${x(6)}" y1="${y}" y2="${y + TALL}" stroke="#888" stroke-dasharray="3 3"/>`,
    );
    for (const [who, points] of Object.entries(run.course)) {
      const path = points
        .map(
          (p) =>
            `${x(p.second).toFixed(1)},${(y + TALL * (1 - Math.min(p.fps, most) / most)).toFixed(1)}`,
        )
        .join(" ");
      parts.push(
        `<polyline points="${path}" fill="none" stroke="${COLOURS[who]}" stroke-width="1.5"/>`,
      );
    }
  });
  return `${parts.join("\n")}\n</svg>\n`;
}

export function document(runs, command, { codec, note }) {
  const misses = runs.flatMap((run) => run.missed.map((what) => `- ${run.title}: ${what}`));
  return `# Calls on bad networks

Two Chromiums call each other through the media plane (${codec}, Opus), each with a fresh profile; one of
them is behind a relay that loses, delays and reorders in both directions, seeded. Everything else is
loopback. Trouble begins 6 s after both see and hear each other; figures are those of the time after it,
read ten times a second from \`getStats\`. *Frozen* and *concealed* are shares as the browser counts them
(W3C webrtc-stats: \`totalFreezesDuration\`, \`concealedSamples\`); *back after* counts from the end of the
blackout, or from the change, until frames and unconcealed sound flow again.

${table(runs)}

![Frames decoded per second](bad-network.svg)

${misses.length === 0 ? "All targets are met." : `Missed:\n\n${misses.join("\n")}`}

Made with \`${command}\`; all figures are in [bad-network.json](bad-network.json).${note && `\n\n${note}`}
`;
}
