import { describeModel } from '@esparse/model';
import { parseLayerRule, resolveLayers } from '../layers.ts';
import { patternGroups } from './pattern-groups.ts';

/** Six blocks; `down_proj` reads 100 inputs, the others 64. */
const model = describeModel({
  architectures: ['LlamaForCausalLM'],
  hidden_size: 64,
  intermediate_size: 100,
  num_hidden_layers: 6,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  vocab_size: 8,
  rms_norm_eps: 1e-5,
  max_position_embeddings: 16,
});

const resolve = (rules: readonly string[]) =>
  resolveLayers(model, {
    pattern: { keep: 2, group: 4 },
    layers: rules.map(parseLayerRule),
    skipIndivisible: false,
  });
const groups = (rules: readonly string[]) => patternGroups(model, resolve(rules));

test('without rules there is one group of all linears', () => {
  expect(groups([])).toEqual([{ pattern: '2:4', linears: 42, names: ['*'] }]);
});

test('linears of one pattern are named by block and name, ranges as ranges', () => {
  expect(groups(['blocks.{0,1,2,5}.*=dense', '*.{q,k}_proj=1:4', 'blocks.3.q_proj=dense'])).toEqual([
    { pattern: '1:4', linears: 11, names: ['blocks.{{0..2},{4..5}}.{q_proj,k_proj}', 'blocks.3.k_proj'] },
    {
      pattern: 'dense',
      linears: 21,
      names: ['blocks.{{0..2},5}.{v_proj,o_proj,gate_proj,up_proj,down_proj}', 'blocks.3.q_proj'],
    },
    { pattern: '2:4', linears: 10, names: ['blocks.{3..4}.{v_proj,o_proj,gate_proj,up_proj,down_proj}'] },
  ]);
  expect(groups(['*.o_proj=dense']).at(-1)).toEqual({ pattern: 'dense', linears: 6, names: ['*.o_proj'] });
});

test.each([
  [[]],
  [['*=dense']],
  [['blocks.0.*=dense', 'blocks.{2,4}.up_proj=1:4']],
  [['*.o_proj=5:8', 'blocks.?.{gate,up}_proj=dense', 'blocks.{1..3}.*_proj=1:4', 'blocks.5.down_proj=dense']],
])('used as rules, the groups of %j have the same effect, and name every linear once', (rules) => {
  const found = groups(rules);
  expect(found.reduce((sum, { linears }) => sum + linears, 0)).toBe(42);
  const again = found.flatMap(({ pattern, names }) => names.map((glob) => `${glob}=${pattern}`));
  const [one, other] = [resolve(rules), resolve(again)];
  expect(other.exceptions).toEqual(one.exceptions);
  // In any order: no linear is named twice.
  expect(resolve(again.toReversed()).exceptions).toEqual(one.exceptions);
});
