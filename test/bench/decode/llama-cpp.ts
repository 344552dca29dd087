import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';

/** Characters of what llama.cpp logged that an error tells. */
const LAST_WORDS = 2000;

/** llama.cpp with a GGUF file, in a process of its own. */
export interface LlamaCppDecoder {
  /** Which build it is. */
  readonly system: string;
  /** Seconds a token, of so many that are decoded one after the other. */
  decode(tokens: number): Promise<number>;
  close(): void;
}

/**
 * @param folder where `node-llama-cpp` is installed. @default the binding of the tests, which knows no AVX
 * @param positions tokens before those that are timed, for a build for CUDA on a GPU. @default on the processor, behind one token
 * @throws Error where the package is not installed, or cannot read the file
 */
export async function openLlamaCpp(
  file: string,
  threads: number,
  folder?: string,
  positions?: number,
): Promise<LlamaCppDecoder> {
  const script = path.join(import.meta.dirname, 'llama-cpp-decode.js');
  const child = spawn(
    process.execPath,
    [script, file, ...[threads, folder, positions].filter((given) => given !== undefined).map(String)],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  );
  // It logs a lot; what it said last may be why it ended.
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-LAST_WORDS)));
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => {
    for (;;) {
      const line = await answers.next();
      if (line.done === true) throw new Error(`llama.cpp ended before it answered: ${file}\n${said}`);
      // It logs between its answers.
      const text: string = line.value;
      if (text.startsWith('answer ')) return JSON.parse(text.slice('answer '.length));
    }
  };
  const system = String(await next());
  return {
    system,
    async decode(tokens) {
      child.stdin.write(`${tokens}\n`);
      return Number(await next()) / 1000;
    },
    close: () => child.stdin.end(),
  };
}
