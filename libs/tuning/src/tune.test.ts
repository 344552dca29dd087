import { narrow, widenReference } from '@esparse/kernels';
import { describeModel, kindOf } from '@esparse/model';
import { roundLinear, survivorsOf, type BlockLinear, type TuneRequest } from '@esparse/sparsity';
import { tune } from './tune.ts';

const programOf = (more: object) => {
  const { program } = describeModel({
    ...{ model_type: 'llama', hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, vocab_size: 64 },
    ...{
      num_attention_heads: 2,
      rms_norm_eps: 1e-5,
      hidden_act: 'silu',
      max_position_embeddings: 64,
      ...more,
    },
  });
  return program.blocks[kindOf(program, 0)]!;
};

test('a mixture of experts is not tuned, which is known of its program; without steps there is nothing to refuse', () => {
  const mixture = programOf({ model_type: 'mixtral', num_local_experts: 4, num_experts_per_tok: 2 });
  expect(tune().refuses!(mixture)).toBe('a mixture of experts');
  expect(tune({ steps: 0 }).refuses!(mixture)).toBeUndefined();
  expect(tune().refuses!(programOf({}))).toBeUndefined();
});

/** A linear of 2:4 whose survivors are the even channels. */
function linearOf(name: string, values: Float32Array): BlockLinear {
  const [rows, cols] = [values.length / COLS, COLS];
  return {
    ...{ name, tap: 'in', rows, cols, dtype: 'bf16', pattern: { keep: 2, group: 4 } },
    permutation: Int32Array.from({ length: cols }, (_, i) => i),
    weights: () => Promise.resolve(narrow('bf16', values)),
    kept: () => Promise.resolve(Uint8Array.from(values, (_, i) => 1 - (i % 2))),
  };
}

const COLS = 64;
const even = Float32Array.from({ length: 2 * COLS }, (_, i) => (i % 2 === 0 ? Math.sin(1 + i) : 0));

/** Runs the stage on two linears, of which one has weights that are nothing beside its largest. */
async function tuned(stopped: string, options: object) {
  // Small ones that are all rounded to 0 have more than a twentieth of the energy.
  const odd = even.map((_, i) => (i % 2 === 1 ? 0 : i % COLS === 8 ? 9 : 0.4));
  const linears = [linearOf('q', even), linearOf('odd', odd)];
  const [notes, asked]: [string[], TuneRequest[]] = [[], []];
  const twice = narrow(
    'bf16',
    even.map((value) => 2 * value),
  );
  const context = {
    note: (message: string) => notes.push(message),
    progress: () => undefined,
    tune: (request: TuneRequest) => {
      asked.push(request);
      return Promise.resolve({ weights: { q: twice, odd: twice }, tensors: {}, report: { stopped } });
    },
  };
  const result = await tune({ steps: 3, ...options }).run({ linears } as never, context);
  return { result, notes, asked };
}

test('what survives becomes integers of what was tuned, but for linears that they do not fit, which are said', async () => {
  const { result, notes, asked } = await tuned('done', { values: 'int4', group: 32 });
  expect(asked[0]!.rounding).toEqual({ bits: 4, group: 32, linears: ['q'] });
  expect(notes).toEqual([
    expect.stringMatching(/^odd: rounding to int4 takes [\d.]+ % of its energy: it stays bf16$/),
  ]);
  expect(Object.keys(result.integers!)).toEqual(['q']);
  const survivors = survivorsOf(await linearOf('q', even).kept(), linearOf('q', even));
  const expected = (factor: number) =>
    roundLinear(
      {
        weights: widenReference(
          'bf16',
          narrow(
            'bf16',
            even.map((value) => factor * value),
          ),
        ),
        rows: 2,
        cols: COLS,
      },
      { bits: 4, group: 32 },
      survivors,
    );
  expect(result.integers!.q).toEqual(expected(2));
  // Where the loss did not fall it is those that it had.
  const kept = await tuned('diverged', { values: 'int4' });
  expect(kept.result.weights).toBeUndefined();
  expect(kept.result.integers!.q).toEqual(expected(1));
  expect((await tuned('done', {})).result.integers).toBeUndefined();
});
