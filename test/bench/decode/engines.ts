import { openEngine, type Engine } from '@esparse/engine';
import { openInferenceKernels, readBandwidth } from '@esparse/kernels';
import { decoder, medianPrefill, PROMPT, ROUNDS } from './decoder.ts';
import { mappedBandwidth } from './mapped-bandwidth.ts';
import { heading, median, print } from '../table.ts';

const GB = 1e9;
/** Sequences that decode together. */
const TOGETHER = 8;
/** The peer's figures on two cores of the project's machine, at the bandwidth at which they were read. */
const LLAMA_CPP = { tokens: 13, bandwidth: 28 * GB };

/** Decoding, several sequences together, and prefill, of the packed store and of the dense one. */
export async function benchEngines(sparseStore: string, denseStore: string, threads: number): Promise<void> {
  heading(`decoding, the whole engine, LLaMA 1.1B, bf16, ${threads} threads`);
  const sparse = await openEngine({ store: sparseStore, threads });
  const dense = await openEngine({ store: denseStore, threads });
  try {
    const alone = { sparse: await decoder(sparse, 1), dense: await decoder(dense, 1) };
    const eight = { sparse: await decoder(sparse, TOGETHER), dense: await decoder(dense, TOGETHER) };
    const seconds = {
      sparse: [] as number[],
      dense: [] as number[],
      eight: [] as number[],
      eightDense: [] as number[],
    };
    const bandwidths: number[] = [];
    const kernels = openInferenceKernels({ threads });
    const mapped = await mappedBandwidth(denseStore, kernels);
    const anonymous = readBandwidth(kernels);
    const ratios: number[] = [];
    await alone.sparse();
    await alone.dense();
    for (let round = 0; round < ROUNDS; round++) {
      bandwidths.push(mapped());
      const [s, d] = [await alone.sparse(), await alone.dense()];
      seconds.sparse.push(s);
      seconds.dense.push(d);
      ratios.push(d / s);
      if (round < 3) {
        seconds.eight.push(await eight.sparse());
        seconds.eightDense.push(await eight.dense());
      }
    }
    report({ sparse, dense, seconds, anonymous, bandwidth: median(bandwidths), ratio: median(ratios) });
    await reportPrefill(sparse, dense);
  } finally {
    await sparse.close();
    await dense.close();
  }
}

/** Bytes that a step must read: the linears and the head, once for all sequences. */
function bytesOf({ weightBytes }: Engine): number {
  return weightBytes.linears + weightBytes.permutations + weightBytes.head;
}

interface Figures {
  readonly sparse: Engine;
  readonly dense: Engine;
  readonly seconds: Readonly<Record<'sparse' | 'dense' | 'eight' | 'eightDense', readonly number[]>>;
  /** Bytes a second read from memory of the process, and from mapped files. */
  readonly anonymous: number;
  readonly bandwidth: number;
  readonly ratio: number;
}

function report({ sparse, dense, seconds, anonymous, bandwidth, ratio }: Figures): void {
  const [s, d] = [median(seconds.sparse), median(seconds.dense)];
  const [rateSparse, rateDense] = [bytesOf(sparse) / s, bytesOf(dense) / d];
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB a token`;
  const gigabytes = (rate: number) => `${(rate / GB).toFixed(1)} GB/s`;
  print({ name: 'read bandwidth of memory of its own, in huge pages', measured: gigabytes(anonymous) });
  print({
    name: 'read bandwidth of the mapped files, what follows is against it',
    measured: gigabytes(bandwidth),
  });
  print({
    name: 'dense bf16',
    measured: `${(1 / d).toFixed(2)} tokens/s`,
    target: megabytes(bytesOf(dense)),
  });
  print({
    name: '  bandwidth',
    measured: gigabytes(rateDense),
    target: '>= 95 % of read',
    met: rateDense >= 0.95 * bandwidth,
  });
  print({
    name: 'sparse 2:4',
    measured: `${(1 / s).toFixed(2)} tokens/s`,
    target: megabytes(bytesOf(sparse)),
  });
  print({
    name: '  bandwidth',
    measured: `${gigabytes(rateSparse)}, ${((100 * rateSparse) / bandwidth).toFixed(0)} %`,
    target: '>= 85 % of read',
    met: rateSparse >= 0.85 * bandwidth,
  });
  const ceiling = bytesOf(dense) / bytesOf(sparse);
  print({
    name: `sparse against dense, ceiling ${ceiling.toFixed(2)} x`,
    measured: `${ratio.toFixed(2)} x`,
    target: '>= 1.5 x',
    met: ratio >= 1.5,
  });
  const peer = (LLAMA_CPP.tokens * bandwidth) / LLAMA_CPP.bandwidth;
  print({
    name: `against llama.cpp bf16, scaled to this bandwidth: ${peer.toFixed(1)} tokens/s`,
    measured: `${(1 / s / peer).toFixed(2)} x`,
    target: '>= 1.5 x',
    met: 1 / s / peer >= 1.5,
  });
  const [e, de] = [median(seconds.eight), median(seconds.eightDense)];
  print({
    name: `${TOGETHER} sequences together, sparse: ${(TOGETHER / e).toFixed(1)} tokens/s, against one`,
    measured: `${((TOGETHER * s) / e).toFixed(2)} x`,
    target: '>= 3 x',
    met: (TOGETHER * s) / e >= 3,
  });
  print({
    name: `  the same, dense: ${(TOGETHER / de).toFixed(1)} tokens/s; sparse against dense`,
    measured: `${(de / e).toFixed(2)} x`,
  });
}

async function reportPrefill(sparse: Engine, dense: Engine): Promise<void> {
  const [s, d] = [await medianPrefill(sparse), await medianPrefill(dense)];
  print({
    name: `prefill of ${PROMPT} tokens, sparse`,
    measured: `${(PROMPT / s).toFixed(0)} tokens/s`,
    target: '>= 80 tokens/s',
    met: PROMPT / s >= 80,
  });
  print({
    name: `  the same, dense: ${(PROMPT / d).toFixed(0)} tokens/s; sparse against dense`,
    measured: `${(d / s).toFixed(2)} x`,
  });
}
