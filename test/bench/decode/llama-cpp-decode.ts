/**
 * node llama-cpp-decode.js FILE THREADS [FOLDER [POSITIONS]]: decodes with a GGUF file by llama.cpp. For each line of the standard
 * input, a number of tokens, it writes one with the milliseconds that a token took; first one that says which llama.cpp it is.
 * FOLDER is where `node-llama-cpp` is installed, which has builds for every kind of processor; without it the binding of the
 * tests is taken, which is compiled for none in particular. With POSITIONS, a build for CUDA, all of it on the GPU, behind a
 * prompt of so many tokens.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

/** Milliseconds a token, of so many that follow each other. */
type Decode = (tokens: number) => Promise<number>;

/** What is used of the binding of the tests. */
interface PlainContext {
  completion(
    options: object,
    onToken: () => void,
  ): Promise<{ readonly timings: { readonly predicted_per_token_ms: number } }>;
}

/** What is used of node-llama-cpp. */
interface NodeLlamaCpp {
  getLlama(options: object): Promise<{
    loadModel(options: object): Promise<{
      tokenize(text: string): number[];
      createContext(options: object): Promise<{
        getSequence(): {
          evaluate(tokens: readonly number[], options: object): AsyncIterableIterator<number>;
          clearHistory(): Promise<void>;
        };
      }>;
    }>;
    readonly systemInfo: string;
  }>;
}

const [model, threads, folder, positions] = process.argv.slice(2);
const CONTEXT = 256 + Number(positions ?? 0);
const say = (value: string | number) => process.stdout.write(`answer ${JSON.stringify(value)}\n`);

function plain(): { name: string; decode: Decode } {
  const { LlamaContext } = createRequire(import.meta.url)('@fugood/node-llama-linux-x64') as {
    LlamaContext: new (options: object) => PlainContext;
  };
  const context = new LlamaContext({
    ...{ model, n_ctx: CONTEXT, n_batch: 64, n_threads: Number(threads), n_gpu_layers: 0, use_mmap: true },
  });
  return {
    name: 'a build for no processor in particular: no AVX',
    async decode(tokens) {
      const options = { prompt: 'a', ignore_eos: true, n_predict: tokens, top_k: 1 };
      return (await context.completion(options, () => undefined)).timings.predicted_per_token_ms;
    },
  };
}

async function installed(where: string): Promise<{ name: string; decode: Decode }> {
  const entry = path.join(where, 'node_modules/node-llama-cpp/dist/index.js');
  const { getLlama } = (await import(pathToFileURL(entry).href)) as NodeLlamaCpp;
  const llama = await getLlama({
    gpu: positions === undefined ? false : 'cuda',
    build: 'never',
    maxThreads: Number(threads),
    logLevel: 'error',
  });
  const loaded = await llama.loadModel({
    modelPath: model,
    gpuLayers: positions === undefined ? 0 : 'max',
    useMmap: true,
  });
  const context = await loaded.createContext({
    ...{ contextSize: CONTEXT, batchSize: positions === undefined ? 64 : 512, threads: Number(threads) },
  });
  const sequence = context.getSequence();
  const letter = loaded.tokenize('a');
  const prompt = positions === undefined ? letter : Array<number>(Number(positions)).fill(letter.at(-1)!);
  return {
    name: llama.systemInfo,
    async decode(tokens) {
      await sequence.clearHistory();
      let began = 0;
      let done = -1;
      for await (const token of sequence.evaluate(prompt, {
        temperature: 0,
        yieldEogToken: true,
      })) {
        // The prompt is in the first one.
        if (done < 0) began = performance.now();
        if (++done === tokens || token < 0) break;
      }
      return (performance.now() - began) / done;
    },
  };
}

const { name, decode } = folder === undefined ? plain() : await installed(folder);
say(name);
for await (const line of createInterface({ input: process.stdin })) say(await decode(Number(line)));
// The binding of the tests crashes now and then where a context ends.
process.kill(process.pid, 'SIGKILL');
