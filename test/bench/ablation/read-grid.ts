import { readFile } from 'node:fs/promises';
import { z } from '@esparse/api';
import type { Cell } from './cell.ts';

const cells = z
  .array(
    z.strictObject({
      name: z.string().min(1),
      pipeline: z.string().min(1),
      set: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
      pattern: z.string().default('2:4'),
      samples: z.int().min(1).default(128),
      seed: z.int().min(0).default(0),
    }),
  )
  .min(1);

/**
 * A grid of one's own: a JSON list of cells, of which name and pipeline are needed.
 *
 * @throws Error where the file cannot be read or is no such list, naming the cell and the field
 */
export async function readGrid(file: string): Promise<Cell[]> {
  const parsed = cells.safeParse(JSON.parse(await readFile(file, 'utf8')));
  if (parsed.success) return parsed.data;
  throw new Error(z.prettifyError(parsed.error));
}
