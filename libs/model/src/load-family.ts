/**
 * How a thread comes to know a family that does not come with esparse. Families are functions, which no message carries:
 * each thread that describes models loads them by itself.
 */
export interface FamilyLoader {
  /** URL of a module whose default export registers the family of that name. */
  readonly module: string;
  /** The file or package of the family. */
  readonly named: string;
}

/** Registers the family in this thread. @throws EsparseError 'usage' where it cannot be loaded */
export async function loadFamily({ module, named }: FamilyLoader): Promise<void> {
  const { default: register } = (await import(module)) as {
    readonly default: (named: string) => Promise<unknown>;
  };
  await register(named);
}
