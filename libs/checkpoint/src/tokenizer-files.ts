import type { ByteFolder } from '@esparse/storage';
import { readWhole } from './checkpoint-file.ts';
import { openModelFolder } from './model-folder.ts';

/** Longest tokenizer file that is read, in bytes; the largest public tokenizer.json has 35 MB. */
export const MAX_TOKENIZER_FILE_BYTES = 128 * 1024 * 1024;

/** What a tokenizer consists of, and what a server needs beside it to chat. */
const NAMES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'generation_config.json',
  'chat_template.jinja',
  'chat_template.json',
  'vocab.json',
  'merges.txt',
  'tokenizer.model',
] as const;

/** One file, as it is. */
export interface TokenizerFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * Reads the files of a checkpoint that its tokenizer and its chats need, such as tokenizer.json, generation_config.json
 * and chat_template.jinja (all names: `NAMES`). Those that are not in its folder are left out.
 *
 * @throws EsparseError 'checkpoint' for a file of more than 128 MiB
 */
export async function tokenizerFiles(location: string, signal?: AbortSignal): Promise<TokenizerFile[]> {
  return tokenizerFilesIn(await openModelFolder(location), signal);
}

/** `tokenizerFiles` of a folder that is anywhere. */
export async function tokenizerFilesIn(folder: ByteFolder, signal?: AbortSignal): Promise<TokenizerFile[]> {
  const files: TokenizerFile[] = [];
  for (const name of NAMES) {
    const bytes = await readWhole(folder, name, MAX_TOKENIZER_FILE_BYTES, signal);
    if (bytes !== undefined) files.push({ name, bytes });
  }
  return files;
}
