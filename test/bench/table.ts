/** One line of a benchmark: what was measured, its target, and whether that is met. */
export interface Line {
  readonly name: string;
  readonly measured: string;
  /** The target in words, and whether the figure meets it; absent for figures that only inform. */
  readonly target?: string;
  readonly met?: boolean;
}

export function heading(text: string): void {
  process.stdout.write(`\n${text}\n${'-'.repeat(text.length)}\n`);
}

export function print({ name, measured, target, met }: Line): void {
  const verdict = met === undefined ? '' : met ? 'met' : 'MISSED';
  process.stdout.write(
    `${name.padEnd(57)} ${measured.padStart(16)}   ${(target ?? '').padEnd(20)}${verdict}\n`,
  );
}

/** Seconds of some work. */
export async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
