import { describeModel } from '@esparse/model';
import { parseLayerRule, patternInWords, resolveLayers } from './layers.ts';

/** Two blocks: q, k, v, o, gate and up read 64 inputs, down reads 100. */
const model = describeModel({
  architectures: ['LlamaForCausalLM'],
  hidden_size: 64,
  intermediate_size: 100,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  vocab_size: 8,
  rms_norm_eps: 1e-5,
  max_position_embeddings: 16,
});

const resolve = (rules: readonly string[], pattern = '2:4', skipIndivisible = false) => {
  const [keep, group] = pattern.split(':').map(Number) as [number, number];
  const layers = rules.map(parseLayerRule);
  return resolveLayers(model, { pattern: { keep, group }, layers, skipIndivisible });
};

const patterns = (layers: ReturnType<typeof resolve>, block: number) =>
  Object.fromEntries(
    layers.pruned(block).map(({ name, pattern }) => [name, `${pattern.keep}:${pattern.group}`]),
  );

test('without rules every linear has the pattern of the run, and nothing is an exception', () => {
  const layers = resolve([]);
  expect(layers.pruned(1)).toHaveLength(7);
  expect(layers.dense(1)).toEqual([]);
  expect(layers.taps(1)).toEqual(model.taps);
  expect(layers.exceptions).toEqual({});
});

test('a star crosses dots, braces name blocks, and of two rules for a linear the later holds', () => {
  const layers = resolve(['blocks.{0..0}.*=dense', '*.{q,k}_proj=1:4', 'blocks.1.k*=4:8']);
  expect(patterns(layers, 0)).toEqual({ q_proj: '1:4', k_proj: '1:4' });
  expect(patterns(layers, 1)).toMatchObject({
    q_proj: '1:4',
    k_proj: '4:8',
    v_proj: '2:4',
    down_proj: '2:4',
  });
  expect(layers.dense(0).map(({ name }) => name)).toEqual([
    'v_proj',
    'o_proj',
    'gate_proj',
    'up_proj',
    'down_proj',
  ]);
});

test('nothing is gathered of an input that only dense linears read', () => {
  expect(
    resolve(['blocks.0.*=dense', '*.o_proj=dense'])
      .taps(1)
      .map(({ name }) => name),
  ).toEqual(['attn_in', 'mlp_in', 'mlp_out']);
  expect(resolve(['blocks.0.*=dense']).taps(0)).toEqual([]);
});

test('rules that come to the same give the same exceptions, and those that change nothing give none', () => {
  expect(resolve(['*=2:4']).exceptions).toEqual({});
  expect(resolve(['*.o_proj=dense']).exceptions).toEqual({
    'blocks.0.o_proj': 'dense',
    'blocks.1.o_proj': 'dense',
  });
  expect(resolve(['*=1:4', '*=2:4', 'blocks.?.o_proj=dense']).exceptions).toEqual(
    resolve(['*.o_proj=dense']).exceptions,
  );
});

test('a rule that names no linear is refused with the names that there are', () => {
  expect(() => resolve(['blocks.2.*=dense'])).toThrow(
    expect.objectContaining({
      kind: 'usage',
      message: expect.stringContaining('blocks.2.*'),
      hint: 'the linears are blocks.{0..1}.{q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj}',
    }),
  );
});

test('inputs that a pattern does not divide are refused by the name of the linear, skipped, or given another pattern', () => {
  expect(() => resolve(['blocks.1.down_proj=4:8'])).toThrow(/^blocks\.1\.down_proj has 100 inputs/);
  expect(() => resolve([], '4:8')).toThrow(/down_proj has 100 inputs/);
  const skipped = resolve(['blocks.1.down_proj=4:8'], '2:4', true);
  expect(skipped.exceptions).toEqual({ 'blocks.1.down_proj': 'dense' });
  expect(resolve([], '4:8', true).exceptions).toEqual({});
  const spared = resolve(['*.down_proj=2:4'], '4:8');
  expect(patterns(spared, 0)).toMatchObject({ up_proj: '4:8', down_proj: '2:4' });
});

test('where every linear is left dense, the run says so instead of a pattern that none has', () => {
  const said = (...rules: string[]) =>
    patternInWords(model, resolve(rules, '2:4', true), { keep: 2, group: 4 });
  expect(said()).toBe('2:4');
  expect(said('*=dense')).toBe('dense');
  expect(said('*=dense', 'blocks.1.q_proj=1:4')).toBe('2:4');
});

test('a rule is names, an equals sign, and a pattern or dense', () => {
  expect(parseLayerRule(' *.o_proj=4:8 ')).toEqual({ glob: '*.o_proj', pattern: { keep: 4, group: 8 } });
  for (const text of ['*.o_proj', '=2:4', '*.o_proj=', '*=2:4=dense', '*=4:4', '*=sparse', '* *=dense']) {
    expect(() => parseLayerRule(text)).toThrow(expect.objectContaining({ kind: 'usage' }));
  }
});
