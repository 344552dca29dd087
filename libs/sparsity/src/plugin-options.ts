import { EsparseError, faultInWords } from '@esparse/errors';
import { z } from 'zod';

/** The options that a plug-in declares: an object of zod. */
export type OptionsSchema = z.ZodObject;

/** Of a plug-in without options. */
export type NoOptions = z.ZodObject<Record<string, never>>;

/** Options as they are given, where those with a default may be left out, and as the plug-in gets them. */
export interface OptionsOf<Schema extends OptionsSchema> {
  readonly given: z.input<Schema>;
  readonly resolved: z.output<Schema>;
}

/** What JSON can say. */
export type Json = z.core.util.JSONType;
/** Options by name, as a fingerprint and a store hold them. */
export type JsonObject = Readonly<Record<string, Json>>;

/** One option, for lists and help texts. */
export interface OptionDescription {
  readonly name: string;
  /** In the words of JSON Schema, or the choices: 'number', 'channel | tap'. */
  readonly type: string;
  readonly default?: Json;
  /** Whether it must be given. @default false */
  readonly required?: boolean;
  readonly description?: string;
}

/**
 * Options with their defaults, checked against the schema: as the plug-in gets them, and as JSON, as the run's fingerprint
 * and its attributes have them.
 *
 * @param who whose they are, such as 'metric e-sparse'
 * @throws EsparseError 'usage' naming plug-in and option: one that is not declared, out of range, or no JSON
 */
export function resolveOptions<Schema extends OptionsSchema>(
  who: string,
  schema: Schema | undefined,
  given: unknown,
): { readonly values: OptionsOf<Schema>['resolved']; readonly json: JsonObject } {
  const parsed = (schema ?? z.object({})).strict().safeParse(given, { error: faultInWords });
  if (!parsed.success) throw refused(who, schema, given, parsed.error.issues[0]);
  // Options that may be left out, and are, do not exist.
  const present = Object.entries<unknown>(parsed.data).filter(([, value]) => value !== undefined);
  const json = z.record(z.string(), z.json()).safeParse(Object.fromEntries(present));
  if (!json.success) {
    const option = String(json.error.issues[0]?.path[0]);
    throw new EsparseError('usage', `${who}: the option ${option} is made into something that is no JSON`, {
      hint: 'declare options as JSON: numbers, texts, booleans, lists and objects of them',
    });
  }
  return { values: parsed.data as OptionsOf<Schema>['resolved'], json: json.data };
}

/** What a schema declares, option by option. */
export function describeOptions(schema: OptionsSchema | undefined): OptionDescription[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return Object.entries(properties).map(([name, property]) => {
    const { type, enum: choices, default: value, description } = typeof property === 'object' ? property : {};
    return {
      name,
      type: choices === undefined ? [type ?? 'any'].flat().join(' | ') : choices.map(String).join(' | '),
      ...(value === undefined ? {} : { default: value as Json }),
      ...(required.includes(name) ? { required: true } : {}),
      ...(description === undefined ? {} : { description }),
    };
  });
}

type Issue = z.core.$ZodIssue;

function refused(
  who: string,
  schema: OptionsSchema | undefined,
  given: unknown,
  issue: Issue | undefined,
): EsparseError {
  const known = Object.keys(schema?.shape ?? {});
  const hint = known.length === 0 ? 'it has no options' : `its options are ${known.join(', ')}`;
  if (issue?.code === 'unrecognized_keys')
    return new EsparseError('usage', `${who} has no option ${issue.keys.join(', ')}`, { hint });
  const path = issue?.path ?? [];
  if (path.length === 0) return new EsparseError('usage', `${who}: its options are no object`, { hint });
  const value = at(given, path);
  const found = value === undefined ? '' : ` is ${shown(value)}`;
  const message = `${who}: ${path.map(String).join('.')}${found}: ${issue?.message ?? ''}`;
  return new EsparseError('usage', message, { hint });
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[key] : undefined,
    value,
  );
}

/** A value in a message: numbers as they are (JSON has no NaN), all else as JSON. */
function shown(value: unknown): string {
  return typeof value === 'number' ? String(value) : JSON.stringify(value);
}
