import { openEngine, type Engine, type EngineOptions } from '@esparse/engine';

/**
 * Works with an engine that is closed afterwards. Damage of its run that is found meanwhile ends the work.
 *
 * @param work gets the engine, and the signal that ends it
 * @throws EsparseError 'store' naming the damage; whatever `openEngine` and the work throw
 */
export async function withEngine<T>(
  options: EngineOptions & { readonly signal: AbortSignal },
  work: (engine: Engine, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const engine = await openEngine(options);
  const damaged = new AbortController();
  engine.verified.catch((error: unknown) => {
    damaged.abort(error);
  });
  try {
    const result = await work(engine, AbortSignal.any([options.signal, damaged.signal]));
    await engine.verified;
    return result;
  } finally {
    await engine.close();
  }
}
