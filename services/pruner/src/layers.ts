import { EsparseError } from '@esparse/errors';
import { linearsOf, tapsOf, type LinearSpec, type PrunableModel, type TapSpec } from '@esparse/model';
import { formatPattern, parsePattern, requireDivisible, type Pattern } from '@esparse/sparsity';
import { Minimatch } from 'minimatch';

/** A rule for the linears that a glob names: another pattern, or dense. */
export interface LayerRule {
  /** Of names `blocks.<k>.<linear>`, such as `blocks.0.*` or `*.down_proj`: a `*` stands for dots, too. */
  readonly glob: string;
  readonly pattern: Pattern | 'dense';
}

/** A linear, and what it is pruned to. */
export interface PatternedLinear extends LinearSpec {
  readonly pattern: Pattern;
}

/** Which linears of a model are pruned, and to which pattern. */
export interface Layers {
  /** Linears of a block that are pruned, in the model's order. */
  pruned(block: number): readonly PatternedLinear[];
  /** Those that are committed as they are. */
  dense(block: number): readonly LinearSpec[];
  /** Inputs of the block's pruned linears: nothing need be known of the others. */
  taps(block: number): readonly TapSpec[];
  /**
   * Linears that differ from what they would be without rules, by name: `dense`, or their pattern. Rules with the same
   * effect have the same exceptions.
   */
  readonly exceptions: Readonly<Record<string, string>>;
}

/**
 * Reads a rule written glob=pattern, or glob=dense.
 *
 * @example parseLayerRule('blocks.{0..3}.*=dense')
 * @throws EsparseError 'usage' for anything else
 */
export function parseLayerRule(text: string): LayerRule {
  const [, glob, value] = /^([^=\s]+)=([^=\s]+)$/.exec(text.trim()) ?? [];
  if (glob === undefined || value === undefined) {
    throw new EsparseError('usage', `"${text}" is no layer rule`, {
      hint: "write names=pattern, such as '*.down_proj=4:8', or names=dense, such as 'blocks.0.*=dense'",
    });
  }
  return { glob, pattern: value === 'dense' ? value : parsePattern(value) };
}

/** The options of a run that decide on linears. */
export interface LayerOptions {
  /** Of linears that no rule names. */
  readonly pattern: Pattern;
  /** Of several that name a linear, the last holds. */
  readonly layers?: readonly LayerRule[] | undefined;
  /** Leaves linears dense that their pattern does not fit, instead of refusing them. */
  readonly skipIndivisible: boolean;
}

/**
 * Resolves pattern and rules for every linear.
 *
 * @throws EsparseError 'usage' for a rule that names no linear, 'unsupported' for a pattern that does not divide a
 * linear's inputs
 */
export function resolveLayers(
  description: PrunableModel,
  { pattern, layers: rules = [], skipIndivisible }: LayerOptions,
): Layers {
  const { blocks, linears } = description;
  const matchers = rules.map(({ glob, pattern: value }) => ({
    glob,
    value,
    matches: matcherOf(glob),
    met: false,
  }));
  const exceptions: Record<string, string> = {};

  const patternOf = (name: string, { cols, inner = cols }: LinearSpec): Pattern | 'dense' => {
    const fits = (value: Pattern) => inner % value.group === 0;
    const usual = fits(pattern) ? pattern : skipIndivisible ? 'dense' : undefined;
    let chosen: Pattern | 'dense' = pattern;
    for (const matcher of matchers) {
      if (!matcher.matches(name)) continue;
      matcher.met = true;
      chosen = matcher.value;
    }
    if (chosen !== 'dense' && !fits(chosen)) {
      if (!skipIndivisible) requireDivisible(name, inner, chosen);
      chosen = 'dense';
    }
    if (usual === undefined || nameOf(chosen) !== nameOf(usual)) exceptions[name] = nameOf(chosen);
    return chosen;
  };

  const resolved = Array.from({ length: blocks }, (_, block) => {
    const pruned: PatternedLinear[] = [];
    const dense: LinearSpec[] = [];
    for (const linear of linearsOf(description, block)) {
      const value = patternOf(`blocks.${block}.${linear.name}`, linear);
      if (value === 'dense') dense.push(linear);
      else pruned.push({ ...linear, pattern: value });
    }
    const read = new Set(pruned.map(({ tap }) => tap));
    return { pruned, dense, taps: tapsOf(description, block).filter(({ name }) => read.has(name)) };
  });
  for (const { glob, met } of matchers) if (!met) throw namesNothing(glob, blocks, linears);

  return {
    pruned: (block) => resolved[block]!.pruned,
    dense: (block) => resolved[block]!.dense,
    taps: (block) => resolved[block]!.taps,
    exceptions,
  };
}

/** The linears of all blocks that are pruned. */
export function prunedLinears(layers: Pick<Layers, 'pruned'>, blocks: number): readonly PatternedLinear[] {
  return Array.from({ length: blocks }, (_, block) => layers.pruned(block)).flat();
}

/** What a run prunes linears to for which no rule says otherwise, in words: `dense` where all of them are left dense. */
export function patternInWords({ blocks }: PrunableModel, layers: Layers, pattern: Pattern): string {
  return nameOf(prunedLinears(layers, blocks).length > 0 ? pattern : 'dense');
}

/** Names have no slashes, so that a `*` crosses their dots; `#` and `!` are letters like others. */
function matcherOf(glob: string): (name: string) => boolean {
  const matcher = new Minimatch(glob, { dot: true, nocomment: true, nonegate: true });
  return (name) => matcher.match(name);
}

function nameOf(pattern: Pattern | 'dense'): string {
  return pattern === 'dense' ? pattern : formatPattern(pattern);
}

function namesNothing(glob: string, blocks: number, linears: readonly LinearSpec[]): EsparseError {
  const range = blocks === 1 ? '0' : `{0..${blocks - 1}}`;
  return new EsparseError('usage', `--layer ${glob}: no linear has such a name`, {
    hint: `the linears are blocks.${range}.{${linears.map(({ name }) => name).join(',')}}`,
  });
}
