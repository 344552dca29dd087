import { execFile } from 'node:child_process';
import path from 'node:path';

/** llama.cpp writes some 10 kB for every time that it opens a file. */
const MAX_LOG_BYTES = 16 << 20;

/** What llama.cpp makes of a text. */
export interface LlamaCppAnswer {
  /** Without BOS. */
  readonly tokens: readonly number[];
  /** How many tokens the prompt has, with the BOS token where its metadata ask for one. */
  readonly evaluated: number;
  /** Of the likeliest tokens behind the text, the largest first. */
  readonly probabilities: readonly number[];
  /** How the text goes on with the likeliest tokens, whole characters of UTF-8. */
  readonly greedy: string;
}

/** Whether llama.cpp is installed: its package is of Linux on x64 alone, and an optional one. */
export function hasLlamaCpp(): boolean {
  try {
    require.resolve('@fugood/node-llama-linux-x64');
    return true;
  } catch {
    process.stderr.write(
      'WARNING: GGUF files are not read by llama.cpp: @fugood/node-llama-linux-x64 is not installed\n',
    );
    return false;
  }
}

/**
 * Reads a GGUF file by llama.cpp, in a process of its own.
 *
 * @throws Error with the end of its log where it cannot
 */
export async function llamaCpp(file: string, texts: readonly string[]): Promise<LlamaCppAnswer[]> {
  const script = path.join(import.meta.dirname, 'llama-cpp.mjs');
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [script, file, ...texts],
      { maxBuffer: MAX_LOG_BYTES },
      (error, stdout, stderr) => {
        if (error === null) resolve(JSON.parse(stdout.trim().split('\n').at(-1)!) as LlamaCppAnswer[]);
        else reject(new Error(`llama.cpp: ${error.code ?? error.signal}: ${stderr.slice(-2000)}`));
      },
    );
  });
}
