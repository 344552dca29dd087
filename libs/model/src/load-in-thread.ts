/**
 * How a thread comes to know a family, or an encoding, that does not come with esparse. These are functions, which no message
 * carries: each thread that describes models, or reads stores, loads them by itself.
 */
export interface PluginLoader {
  /** URL of a module whose default export registers what has that name. */
  readonly module: string;
  /** Its file or package. */
  readonly named: string;
}

/** Registers them in this thread. @throws EsparseError 'usage' where one cannot be loaded */
export async function loadInThread(...loaders: readonly (PluginLoader | undefined)[]): Promise<void> {
  for (const loader of loaders) {
    if (loader === undefined) continue;
    const { default: register } = (await import(loader.module)) as {
      readonly default: (named: string) => Promise<unknown>;
    };
    await register(loader.named);
  }
}
