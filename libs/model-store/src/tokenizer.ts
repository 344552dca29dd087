import type { TokenizerFile } from '@esparse/checkpoint';
import type { Run, RunWriter } from '@esparse/store';

/** The folder of a run that holds the files of its tokenizer, as they were in the checkpoint. */
const FOLDER = 'tokenizer';

export async function writeTokenizerFiles(writer: RunWriter, files: readonly TokenizerFile[]): Promise<void> {
  for (const { name, bytes } of files) await writer.putObject(`${FOLDER}/${name}`, bytes);
}

/** The files of a run's tokenizer, checked against the store's checksums. */
export async function readTokenizerFiles(run: Run): Promise<TokenizerFile[]> {
  const files: TokenizerFile[] = [];
  for (const path of await run.objects(FOLDER)) {
    files.push({ name: path.slice(path.lastIndexOf('/') + 1), bytes: await run.object(path) });
  }
  return files;
}
