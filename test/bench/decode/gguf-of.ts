import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import path from 'node:path';
import { exportRun, FORMATS } from '@esparse/export';
import { openStore } from '@esparse/store';

/** The GGUF file of a store, beside it: made once. */
export async function ggufOf(store: string): Promise<string> {
  const file = path.join(path.dirname(store), `${path.basename(store)}.gguf`);
  if (existsSync(file)) return file;
  const unfinished = `${file}.part`;
  const run = await (await openStore(store)).openRun();
  const format = FORMATS.find(({ name }) => name === 'gguf')!;
  await exportRun({ run, format, out: unfinished });
  await rename(unfinished, file);
  return file;
}
