import type { CudaArithmetic } from '@esparse/cuda';

/** A GPU of which so many bytes are free. */
export function withRoom(gpu: CudaArithmetic, bytes: number): CudaArithmetic {
  return new Proxy(gpu, {
    get(all, name: keyof CudaArithmetic) {
      if (name === 'roomBytes') return () => bytes;
      const own: unknown = all[name];
      return typeof own === 'function' ? (own.bind(all) as unknown) : own;
    },
  });
}
