import { EsparseError } from '@esparse/errors';
import type { Backend } from './backend.ts';

const backends = new Map<string, () => Promise<Backend>>();

/**
 * Makes a backend known by a name.
 *
 * @param load gives the backend: called when a model is opened on it, so that the libraries of a device are loaded only
 * where it is used
 * @throws EsparseError 'usage' where the name is taken
 */
export function registerBackend(name: string, load: () => Promise<Backend>): void {
  if (backends.has(name)) throw new EsparseError('usage', `there is a backend named '${name}' already`);
  backends.set(name, load);
}

/** @throws EsparseError 'usage' for a name that is not registered */
export async function loadBackend(name: string): Promise<Backend> {
  const load = backends.get(name);
  if (load !== undefined) return load();
  throw new EsparseError('usage', `there is no backend named '${name}'`, {
    hint: `use one of ${[...backends.keys()].join(', ')}`,
  });
}

registerBackend('cpu', async () => (await import('./cpu/cpu-backend.ts')).cpuBackend);
registerBackend('cuda', async () => (await import('./cuda/cuda-backend.ts')).cudaBackend);
