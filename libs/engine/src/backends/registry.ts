import { EsparseError } from '@esparse/errors';
import type { Backend } from './backend.ts';

const backends = new Map<string, () => Promise<Backend>>();

/**
 * Makes a backend known by a name.
 *
 * @param load gives it: called when a model is first opened on it, so that nobody loads the libraries of a device that
 * nobody uses
 * @throws EsparseError 'usage' where the name is taken
 */
export function registerBackend(name: string, load: () => Promise<Backend>): void {
  if (backends.has(name)) throw new EsparseError('usage', `there is a backend named '${name}' already`);
  backends.set(name, load);
}

/** @throws EsparseError 'usage' for a name that nobody registered */
export async function loadBackend(name: string): Promise<Backend> {
  const load = backends.get(name);
  if (load !== undefined) return load();
  throw new EsparseError('usage', `there is no backend named '${name}'`, {
    hint: `use one of ${[...backends.keys()].join(', ')}`,
  });
}

registerBackend('cpu', async () => (await import('./cpu/cpu-backend.ts')).cpuBackend);
