import { checkPlugin } from '@esparse/statistics';
import { resolveOptions, type JsonObject, type OptionsOf, type OptionsSchema } from './plugin-options.ts';

/** What metrics, shuffles and stages say of themselves; `define…` fills it in. */
export interface Plugin {
  /** Lower-case words joined by dashes. */
  readonly name: string;
  /** Raised when the same options give other results: part of a run's fingerprint. @default 1 */
  readonly version?: number;
  /** The options that it was made with, defaults among them. @default none */
  readonly options?: JsonObject;
}

/** What every definition of a plug-in has. */
export interface PluginDefinition<Schema extends OptionsSchema> {
  /** Lower-case words joined by dashes. */
  readonly name: string;
  /** Raised when the same options give other results. @default 1 */
  readonly version?: number;
  /** The options, as an object of zod, each with its default and a description. @default none */
  readonly options?: Schema;
}

/** What a plug-in's work has at hand besides its input. */
export interface PluginContext<Options> {
  /** The options, checked, defaults filled in. */
  readonly options: Options;
  /** Aborts when the run is cancelled. */
  readonly signal?: AbortSignal | undefined;
}

/** Makes a plug-in with its options: those left out have their defaults. */
export type PluginFactory<Schema extends OptionsSchema, Made> = (
  options?: OptionsOf<Schema>['given'],
) => Made;

/** The factory of a definition: checks name and version now, the options whenever one is made. */
export function factoryOf<Schema extends OptionsSchema, Made extends Plugin>(
  kind: string,
  { name, version = 1, options: schema }: PluginDefinition<Schema>,
  make: (options: OptionsOf<Schema>['resolved']) => Omit<Made, keyof Plugin>,
): PluginFactory<Schema, Omit<Made, keyof Plugin> & Required<Plugin>> {
  checkPlugin(kind, name, version);
  return (given) => {
    const { values, json } = resolveOptions(`${kind} ${name}`, schema, given ?? {});
    return { ...make(values), name, version, options: json };
  };
}
