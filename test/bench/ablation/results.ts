import { readFile, rename, writeFile } from 'node:fs/promises';
import { cellKey, type Cell } from './cell.ts';

/** What was measured of one cell. */
export interface Result {
  readonly perplexity: number;
  readonly keptScoreGain: number;
  /** Seconds of pruning, and of the evaluation. */
  readonly seconds: number;
  readonly evalSeconds: number;
}

/** What all results of a file have in common. */
export interface Setting {
  readonly model: string;
  readonly calibration: string;
  readonly text: string;
  readonly seqlen: number;
}

/** With what it is a result of. */
type Entry = Omit<Cell, 'name'> & Result;

interface Contents extends Setting {
  dense?: number;
  readonly cells: Record<string, Entry>;
}

const SETTING = ['model', 'calibration', 'text', 'seqlen'] as const;

/** The results so far, in a JSON file that is replaced as a whole with each one: a stopped grid goes on from there. */
export class Results {
  #writing: Promise<void> = Promise.resolve();

  private constructor(
    readonly file: string,
    private readonly contents: Contents,
  ) {}

  /** @throws Error where the file holds results of another setting */
  static async open(file: string, setting: Setting): Promise<Results> {
    const found = await readFile(file, 'utf8').catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    });
    if (found === undefined) {
      const { model, calibration, text, seqlen } = setting;
      return new Results(file, { model, calibration, text, seqlen, cells: {} });
    }
    const contents = JSON.parse(found) as Contents;
    for (const key of SETTING) {
      if (contents[key] === setting[key]) continue;
      throw new Error(`${file} is of ${key} ${contents[key]}, not ${setting[key]}: name another with --out`);
    }
    return new Results(file, contents);
  }

  /** Perplexity of the checkpoint itself. */
  get dense(): number | undefined {
    return this.contents.dense;
  }

  of(cell: Cell): Result | undefined {
    return this.contents.cells[cellKey(cell)];
  }

  addDense(perplexity: number): Promise<void> {
    this.contents.dense = perplexity;
    return this.#save();
  }

  add(cell: Cell, result: Result): Promise<void> {
    const { pipeline, set, pattern, samples, seed } = cell;
    this.contents.cells[cellKey(cell)] = { pipeline, set, pattern, samples, seed, ...result };
    return this.#save();
  }

  /** One after the other: cells that run at once finish at once. */
  #save(): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      await writeFile(`${this.file}.new`, `${JSON.stringify(this.contents, null, 2)}\n`);
      await rename(`${this.file}.new`, this.file);
    });
    return this.#writing;
  }
}
