import { EsparseError, isEsparseError } from '@esparse/errors';
import { readRunAttributes, type RunAttributes } from '@esparse/model-store';
import type { RunSummary, Store } from '@esparse/store';
import { attributesFingerprint } from './prepare.ts';

/** The run that is asked for: its fingerprint, and what it is made of. */
export interface AskedRun {
  readonly run: string;
  readonly attributes: RunAttributes;
}

/** A run of the store, and how it differs from the one that is asked for: in at least one way. */
interface OtherRun {
  readonly summary: RunSummary;
  readonly differences: readonly string[];
}

/**
 * Refuses to begin a run that is not in the store yet.
 *
 * @throws EsparseError 'usage' naming how it differs from the most similar run
 */
export async function requireExistingRun(store: Store, asked: AskedRun): Promise<void> {
  const runs = await store.runs();
  if (runs.some(({ fingerprint }) => fingerprint === asked.run)) return;
  const nearest = nearestRun(runs, asked);
  const where = store.objects.describe();
  throw new EsparseError(
    'usage',
    nearest === undefined
      ? `${where} has no run to resume`
      : `this is not a run of ${where}: from the nearest, ${nearest.summary.fingerprint}, it differs in ` +
          nearest.differences.join('; '),
    { hint: 'give the options of that run, or leave --resume out to begin a new run beside it' },
  );
}

/** The unfinished run that comes nearest to one that is about to begin: perhaps its user meant to resume it. */
export async function nearestUnfinished(store: Store, asked: AskedRun): Promise<OtherRun | undefined> {
  const runs = await store.runs();
  if (runs.some(({ fingerprint }) => fingerprint === asked.run)) return undefined;
  return nearestRun(
    runs.filter(({ finished }) => !finished),
    asked,
  );
}

/** The run with the fewest differences. */
function nearestRun(runs: readonly RunSummary[], asked: AskedRun): OtherRun | undefined {
  return runs
    .map((summary) => ({ summary, differences: differencesOf(summary, asked) }))
    .sort((a, b) => a.differences.length - b.differences.length)[0];
}

/** How a run of the store differs from the one that is asked for, in words: `there` is the store's. */
function differencesOf({ fingerprint, attributes }: RunSummary, asked: AskedRun): string[] {
  const there = attributesIfKnown(attributes);
  if (there === undefined) return ['what this version cannot read: it was made by another, or is damaged'];
  const here = asked.attributes;
  const found: string[] = [];
  if (there.model !== here.model) found.push('the model (its config, tokenizer or weights)');
  if (there.tokens !== here.tokens) found.push('the calibration tokens');
  if (there.numerics !== here.numerics)
    found.push(`the numerics (${there.numerics} there, ${here.numerics} here)`);
  const { layers: layersThere = {}, ...optionsThere } = there.options;
  const { layers: layersHere = {}, ...optionsHere } = here.options;
  const before = leavesOf(optionsThere);
  const now = leavesOf(optionsHere);
  const names = [...new Set([...before.keys(), ...now.keys()])].filter(
    (name) => before.get(name) !== now.get(name),
  );
  const isPart = (name: string) => name.startsWith('pipeline.parts.');
  const explained = names.some((name) => name.startsWith('pipeline.') && !isPart(name));
  for (const name of names) {
    // Another option of the pipeline, or another pipeline, is why its parts differ.
    if (explained && isPart(name)) continue;
    found.push(
      `the option ${name} (${before.get(name) ?? 'absent'} there, ${now.get(name) ?? 'absent'} here)`,
    );
  }
  const layers = differingLayers(layersThere, layersHere);
  if (layers !== undefined) found.push(layers);
  // What a run is made of gives its name, by the algorithm of this version: another name, another algorithm.
  if (attributesFingerprint(there) !== fingerprint) found.push('the version of the algorithm');
  return found;
}

/** Linears whose patterns `--layer` sets otherwise: all have one cause, so they are one difference. */
function differingLayers(
  there: Readonly<Record<string, string>>,
  here: Readonly<Record<string, string>>,
): string | undefined {
  const names = Object.keys({ ...there, ...here }).filter((name) => there[name] !== here[name]);
  const [first] = names;
  if (first === undefined) return undefined;
  const of = (layers: Readonly<Record<string, string>>) => layers[first] ?? 'the pattern of the run';
  const more = names.length > 1 ? `, and ${names.length - 1} more linears` : '';
  return `the option layer (${first}: ${of(there)} there, ${of(here)} here${more})`;
}

function attributesIfKnown(attributes: RunSummary['attributes']): RunAttributes | undefined {
  try {
    return readRunAttributes(attributes);
  } catch (error) {
    if (isEsparseError(error)) return undefined;
    throw error;
  }
}

/** The values of nested options by their names, such as 'calibration.seqlen'. */
function leavesOf(value: unknown, name = ''): Map<string, string> {
  if (typeof value !== 'object' || value === null) return new Map([[name, String(value)]]);
  return new Map(
    Object.entries(value).flatMap(([key, item]) => [...leavesOf(item, name === '' ? key : `${name}.${key}`)]),
  );
}
