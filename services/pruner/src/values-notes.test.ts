import { describeModel } from '@esparse/model';
import { pipelineNamed } from '@esparse/pipelines';
import { configurePipeline, parsePattern } from '@esparse/sparsity';
import { parseLayerRule, resolveLayers } from './layers.ts';
import { valuesNotes } from './values-notes.ts';

const model = describeModel({
  architectures: ['LlamaForCausalLM'],
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  vocab_size: 8,
  rms_norm_eps: 1e-5,
  max_position_embeddings: 16,
});

function notesOf(settings: Record<string, unknown>, rules: readonly string[], denseValues?: 'int8') {
  const pipeline = configurePipeline(pipelineNamed('magnitude'), settings);
  const pattern = parsePattern('2:4');
  const layers = resolveLayers(model, { pattern, layers: rules.map(parseLayerRule), skipIndivisible: false });
  return valuesNotes({ pipeline, pattern, denseValues }, model, layers);
}

test('integers for survivors are told to be of no use where nothing is pruned, and only there', () => {
  expect(notesOf({ values: 'int4' }, ['*=dense'])).toEqual([expect.stringContaining('--dense-values')]);
  expect(notesOf({ values: 'int4' }, ['*=dense'], 'int8')).toEqual([]);
  expect(notesOf({ values: 'int4' }, ['*.q_proj=dense'])).toEqual([]);
  expect(notesOf({}, ['*=dense'])).toEqual([]);
});
