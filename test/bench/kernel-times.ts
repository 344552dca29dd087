import type { CudaArithmetic, Product } from '@esparse/cuda';

/** Times that a kernel or product is done in a row: beside it the wait for all of them is little. */
const ROUNDS = 20;

export interface KernelTimes {
  /** A GPU that does all that it is asked for many times over, and is waited for: results are of no use. */
  readonly gpu: CudaArithmetic;
  /** What has been asked for, by name: how often, and milliseconds of all of it together. */
  readonly times: ReadonlyMap<string, { readonly calls: number; readonly ms: number }>;
}

/** Times each kernel and product by itself. What a graph spares, and what runs beside each other, is not in it. */
export function kernelTimes(gpu: CudaArithmetic): KernelTimes {
  const times = new Map<string, { calls: number; ms: number }>();
  const timed = (name: string, work: () => void) => {
    work();
    gpu.wait();
    const started = performance.now();
    for (let round = 0; round < ROUNDS; round++) work();
    gpu.wait();
    const known = times.get(name) ?? { calls: 0, ms: 0 };
    times.set(name, { calls: known.calls + 1, ms: known.ms + (performance.now() - started) / ROUNDS });
  };
  const instead: Partial<CudaArithmetic> = {
    launch: (kernel, how, args) => {
      timed(kernel, () => {
        gpu.launch(kernel, how, args);
      });
    },
    multiply: (product) => {
      timed(nameOf(product), () => {
        gpu.multiply(product);
      });
    },
    // Without a graph each step asks for all of it.
    record: (work) => ({ replay: work, release: () => undefined }),
  };
  const timing = new Proxy(gpu, {
    get(target, property) {
      const own = Reflect.get(instead, property) as unknown;
      if (own !== undefined) return own;
      const value = Reflect.get(target, property, target) as unknown;
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { gpu: timing, times };
}

function nameOf({ m, n, k, batch = 1, outputs, transposeLeft, transposeRight }: Product): string {
  const ways = `${transposeLeft === true ? 'T' : 'N'}${transposeRight === true ? 'T' : 'N'}`;
  return `product ${m} x ${n} x ${k}${batch === 1 ? '' : ` of ${batch}`}, ${ways}, ${outputs}`;
}
