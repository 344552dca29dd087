import type { TokenizerFile } from '@esparse/checkpoint';
import type { Run, RunWriter } from '@esparse/store';

/** The folder of a run that holds the files of its tokenizer, as they were in the checkpoint. */
const FOLDER = 'tokenizer';

/**
 * Makes a run have these files of its tokenizer and no others, also where it is finished.
 *
 * @returns the names of the files that were added, changed or removed
 */
export function writeTokenizerFiles(writer: RunWriter, files: readonly TokenizerFile[]): Promise<string[]> {
  return writer.putObjects(FOLDER, new Map(files.map(({ name, bytes }) => [name, bytes])));
}

/** A text that is another one when the files of a run's tokenizer are others, without reading them. */
export function tokenizerVersion(run: Run): Promise<string> {
  return run.version(FOLDER);
}

/** The files of a run's tokenizer, checked against the store's checksums. */
export async function readTokenizerFiles(run: Run): Promise<TokenizerFile[]> {
  const files: TokenizerFile[] = [];
  for (const path of await run.objects(FOLDER)) {
    files.push({ name: path.slice(path.lastIndexOf('/') + 1), bytes: await run.object(path) });
  }
  return files;
}
