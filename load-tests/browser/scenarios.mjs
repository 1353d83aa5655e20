/**
 * What is done to the network of one party, and what must hold then. Times are seconds since both
 * parties saw and heard each other; a network stands for both directions.
 */

const both = (conditions) => ({ up: conditions, down: conditions });

/** Loss in bursts of five packets on average, so that a fifth of all are lost. */
const BURSTY = { bursts: { enter: 0.05, leave: 0.2, good: 0, bad: 1 } };

/** When the trouble begins: bitrates have risen by then. */
export const TROUBLE_S = 6;

export const SCENARIOS = [
  { name: "clean", title: "clean", network: {}, measure: [6, 26] },
  {
    name: "loss-10",
    title: "10 % loss, 100 ms round trip",
    network: both({ loss: { uniform: 0.1 }, delay_ms: 50 }),
    measure: [8, 33],
    targets: [
      { what: "frozen", most: 0.02 },
      { what: "fps", least: 20 },
    ],
  },
  {
    name: "loss-30",
    title: "30 % loss",
    network: both({ loss: { uniform: 0.3 } }),
    measure: [8, 33],
    targets: [
      { what: "concealed", most: 0.1 },
      { what: "fps", least: 10 },
    ],
  },
  {
    name: "cap-300",
    title: "300 kbit/s cap",
    network: both({ rate_bps: 300_000, queue_ms: 250 }),
    measure: [16, 38],
    targets: [{ what: "longestStill", most: 1 }],
  },
  {
    name: "blackout",
    title: "blackout of 5 s",
    network: {},
    blackoutS: 5,
    measure: [6, 26],
    targets: [{ what: "back", most: 2 }],
  },
  {
    name: "address",
    title: "change of address",
    network: {},
    changeAddress: true,
    measure: [6, 26],
    targets: [{ what: "back", most: 2 }],
  },
  {
    name: "jitter",
    title: "50 ms jitter, 5 % reordered",
    network: both({ delay_ms: 20, jitter_ms: 50, reorder: 0.05, reorder_by_ms: 20 }),
    measure: [8, 28],
  },
  {
    name: "bursty-20",
    title: "20 % loss in bursts of 5",
    network: both({ loss: BURSTY, delay_ms: 20 }),
    measure: [8, 33],
  },
];
