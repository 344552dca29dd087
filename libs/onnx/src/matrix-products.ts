import { availableParallelism } from 'node:os';
import { GraphBuilder } from './graph/builder.ts';
import { loadRuntime } from './device/load-runtime.ts';
import { instructionSet } from './device/instruction-set.ts';
import { createSession, type Session } from './device/session.ts';
import { threadsAlike } from './device/thread-cuts.ts';

/**
 * Matrix products by ONNX Runtime, which reaches what the processor can do. Bits do not depend on threads. Not for several calls
 * at a time.
 */
export interface MatrixProducts {
  /** out = Aᵀ B: from a (inner x rows) and b (inner x cols) to (rows x cols). */
  cross(
    a: Float32Array,
    b: Float32Array,
    sizes: { readonly rows: number; readonly inner: number; readonly cols: number },
    out: Float32Array,
  ): Promise<void>;
  /** out = A B: from a (rows x inner) and b (inner x cols) to (rows x cols). */
  product(
    a: Float32Array,
    b: Float32Array,
    sizes: { readonly rows: number; readonly inner: number; readonly cols: number },
    out: Float32Array,
  ): Promise<void>;
  release(): Promise<void>;
}

/**
 * Prepares matrix products of any sizes. All matrices are row-major f32.
 * @param options.threads of a product. @default the number of cores
 */
export async function createMatrixProducts({
  threads = availableParallelism(),
}: { readonly threads?: number | undefined } = {}): Promise<MatrixProducts> {
  // Of a transposed matrix the runtime sums the same inputs at once, whatever its threads.
  const cross = await createSession(crossGraph(), { threads });
  const products = new Map<number, Session>();
  const productOf = async (count: number): Promise<Session> => {
    const session = products.get(count) ?? (await createSession(productGraph(), { threads: count }));
    products.set(count, session);
    return session;
  };
  await productOf(threads);
  return {
    cross: (a, b, { rows, inner, cols }, out) =>
      cross.run(
        new Map([
          ['a', { data: a, shape: [inner, rows] }],
          ['b', { data: b, shape: [inner, cols] }],
        ]),
        new Map([['out', { data: out, shape: [rows, cols] }]]),
      ),
    async product(a, b, { rows, inner, cols }, out) {
      const session = await productOf(Math.min(threads, threadsAlike({ rows, inner, cols })));
      await session.run(
        new Map([
          ['a', { data: a, shape: [rows, inner] }],
          ['b', { data: b, shape: [inner, cols] }],
        ]),
        new Map([['out', { data: out, shape: [rows, cols] }]]),
      );
    },
    async release() {
      await Promise.all([cross, ...products.values()].map((session) => session.release()));
    },
  };
}

/** Names the arithmetic of the products: equal ids give equal bits. */
export async function productsId(): Promise<string> {
  const { env } = await loadRuntime();
  return `onnxruntime-${env.versions.node ?? env.versions.common}/cpu/${instructionSet()}/products-3`;
}

function crossGraph(): Uint8Array {
  const graph = new GraphBuilder('cross');
  graph.input('a', ['inner', 'rows']);
  graph.input('b', ['inner', 'cols']);
  graph.node('Gemm', ['a', 'b'], { transA: 1 }, ['out']);
  graph.output('out', ['rows', 'cols']);
  return graph.toBytes();
}

function productGraph(): Uint8Array {
  const graph = new GraphBuilder('product');
  graph.input('a', ['rows', 'inner']);
  graph.input('b', ['inner', 'cols']);
  graph.node('MatMul', ['a', 'b'], {}, ['out']);
  graph.output('out', ['rows', 'cols']);
  return graph.toBytes();
}
