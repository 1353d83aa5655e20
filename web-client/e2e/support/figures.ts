/** Figures worth watching from run to run; `make test` repeats them at its end. */
export function figure(what: string, value: string): void {
  console.log(`FIGURE: ${what}: ${value}`);
}

/** Something that this machine could not show. */
export function note(what: string): void {
  console.log(`NOTE: ${what}`);
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
