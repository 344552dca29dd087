/** One run of a grid: what is pruned how, with which draw of the calibration windows. */
export interface Cell {
  /** What its row of the table is called; runs that differ in the seed alone have one name. */
  readonly name: string;
  /** As `--pipeline` takes it. */
  readonly pipeline: string;
  /** Options of the pipeline, as `--set` takes them. */
  readonly set: Readonly<Record<string, string | number | boolean>>;
  /** keep:group */
  readonly pattern: string;
  /** Calibration windows. */
  readonly samples: number;
  /** Seed of the windows' offsets. */
  readonly seed: number;
}

/** The arguments of `esparse prune` that make a cell. */
export function cellArguments({ pipeline, set, pattern, samples, seed }: Cell): string[] {
  const options = Object.entries(set).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  return [
    ['--pipeline', pipeline],
    ['--pattern', pattern],
    ['--samples', String(samples)],
    ['--seed', String(seed)],
    options,
  ].flat();
}

/** What two cells have in common that are the same run, under whatever names. */
export function cellKey(cell: Cell): string {
  return cellArguments({ ...cell, set: Object.fromEntries(Object.entries(cell.set).sort()) }).join(' ');
}
