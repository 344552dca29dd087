import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';

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
      stdio: ['pipe', 'pipe', 'ignore'],
    },
  );
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => {
    for (;;) {
      const line = await answers.next();
      if (line.done === true) throw new Error(`llama.cpp ended before it answered: ${file}`);
      // It logs between its answers.
      const said: string = line.value;
      if (said.startsWith('answer ')) return JSON.parse(said.slice('answer '.length));
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
