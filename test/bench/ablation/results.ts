import { readFile, rename, writeFile } from 'node:fs/promises';
import { cellKey, type Cell } from './cell.ts';

/** What was measured of a model. */
export interface Figures {
  readonly perplexity: number;
  /** Of the perplexity, by how much the windows differ. */
  readonly standardError: number;
  readonly windows: number;
  /** Share of the questions that are answered rightly, by length-normalised likelihood; absent where none were asked. */
  readonly accuracy?: number;
  readonly evalSeconds: number;
}

/** What was measured of one cell. */
export interface Result extends Figures {
  readonly keptScoreGain: number;
  /** Seconds of pruning. */
  readonly seconds: number;
}

/** What all results of a file have in common. */
export interface Setting {
  readonly model: string;
  readonly calibration: string;
  readonly text: string;
  readonly seqlen: number;
  /** The first windows of the text. @default all */
  readonly windows?: number | undefined;
  /** Multiple-choice questions. @default none */
  readonly tasks?: string | undefined;
  /** What prunes, and what evaluates. @default the processor */
  readonly device?: string | undefined;
  readonly evalDevice?: string | undefined;
}

/** With what it is a result of. */
type Entry = Omit<Cell, 'name'> & Result;

interface Contents extends Setting {
  dense?: Figures;
  readonly cells: Record<string, Entry>;
}

const SETTING = [
  'model',
  'calibration',
  'text',
  'seqlen',
  'windows',
  'tasks',
  'device',
  'evalDevice',
] as const;

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
      const { model, calibration, text, seqlen, windows, tasks, device, evalDevice } = setting;
      const of = { model, calibration, text, seqlen, windows, tasks, device, evalDevice };
      return new Results(file, { ...of, cells: {} });
    }
    const contents = JSON.parse(found) as Contents;
    for (const key of SETTING) {
      if (contents[key] === setting[key]) continue;
      throw new Error(`${file} is of ${key} ${contents[key]}, not ${setting[key]}: name another with --out`);
    }
    return new Results(file, contents);
  }

  /** Of the checkpoint itself. */
  get dense(): Figures | undefined {
    return this.contents.dense;
  }

  of(cell: Cell): Result | undefined {
    return this.contents.cells[cellKey(cell)];
  }

  addDense(figures: Figures): Promise<void> {
    this.contents.dense = figures;
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
