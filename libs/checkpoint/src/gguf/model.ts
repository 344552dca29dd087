import { EsparseError } from '@esparse/errors';
import {
  ARCHITECTURES,
  EMBEDDING,
  FIELDS,
  HEAD,
  ROPE_FACTORS,
  tensorNames,
  type ConfigField,
  type NamedTensor,
} from './architectures.ts';
import type { GgufHeader } from './header.ts';
import { Metadata } from './metadata.ts';

/** A GGUF file as a Hugging Face checkpoint. */
export interface GgufModel {
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: readonly NamedTensor[];
  /** A tensor of factors that rotary frequencies are divided by, which belongs into config.json. */
  readonly ropeFactors?: string;
}

/** Blocks of a model, at most: names are made for each. */
const MAX_BLOCKS = 4096;

/**
 * Reads a file's architecture, as config.json and tensor names.
 * @throws EsparseError 'unsupported' for an architecture or a tensor that is not known, 'checkpoint' for metadata that is
 * missing
 */
export function ggufModel(header: GgufHeader, where: string): GgufModel {
  const metadata = new Metadata(header, where);
  const prefix = metadata.text('general.architecture');
  const known = ARCHITECTURES.get(prefix);
  if (known === undefined) {
    throw new EsparseError('unsupported', `${where}: the architecture '${prefix}' of GGUF is not known`, {
      hint: `known are ${[...ARCHITECTURES.keys()].join(', ')}; any family can be read from its safetensors checkpoint`,
    });
  }
  const numbers = numbersOf(metadata, prefix, [...FIELDS, ...(known.fields ?? [])]);
  const blocks = numbers.num_hidden_layers!;
  if (!Number.isInteger(blocks) || blocks < 1 || blocks > MAX_BLOCKS) {
    throw new EsparseError('checkpoint', `${where}: block_count of its metadata is ${blocks}`);
  }
  const config = {
    architectures: known.architectures,
    model_type: known.modelType,
    ...numbers,
    ...known.implied?.(numbers),
    vocab_size: header.tensors.get(EMBEDDING)?.shape[0] ?? metadata.number(`${prefix}.vocab_size`),
    ...ropeScaling(metadata, prefix),
    tie_word_embeddings: !header.tensors.has(HEAD),
    attention_bias: header.tensors.has('blk.0.attn_output.bias'),
    mlp_bias: header.tensors.has('blk.0.ffn_down.bias'),
    ...tokenIds(metadata),
  };
  const names = tensorNames(known, {
    blocks,
    heads: numbers.num_attention_heads!,
    kvHeads: numbers.num_key_value_heads!,
  });
  refuseOthers(header, new Set(names.map(({ source }) => source)), where);
  return {
    config,
    tensors: names.filter(({ source }) => header.tensors.has(source)),
    ...(header.tensors.has(ROPE_FACTORS) && { ropeFactors: ROPE_FACTORS }),
  };
}

/** LLaMA 3's scaling, already worked out: the same factors whatever the length. */
export function withRopeFactors(
  config: GgufModel['config'],
  factors: readonly number[],
): GgufModel['config'] {
  const rope_scaling = {
    rope_type: 'longrope',
    short_factor: factors,
    long_factor: factors,
    original_max_position_embeddings: config.max_position_embeddings,
    attention_factor: 1,
  };
  return { ...config, rope_scaling };
}

/** @throws EsparseError 'unsupported' naming a tensor that no part of the model is made of: whoever wrote it computed with it */
function refuseOthers({ tensors }: GgufHeader, known: ReadonlySet<string>, where: string): void {
  const other = [...tensors.keys()].find((name) => name !== ROPE_FACTORS && !known.has(name));
  if (other === undefined) return;
  throw new EsparseError(
    'unsupported',
    `${where} has a tensor ${JSON.stringify(other)}, which is not known`,
    {
      hint: 'it is of another architecture than it says, or of a newer version of it: read the safetensors checkpoint',
      context: { tensor: other },
    },
  );
}

/** The fields of config.json that are numbers. */
function numbersOf(
  metadata: Metadata,
  prefix: string,
  fields: readonly ConfigField[],
): Readonly<Record<string, number>> {
  const numbers: Record<string, number> = {};
  for (const { key, field, type, otherwise } of fields) {
    const name = `${prefix}.${key}`;
    const value = otherwise === undefined ? metadata.number(name) : metadata.optionalNumber(name);
    if (value !== undefined) numbers[field] = type === 'f32' ? singlePrecision(value) : value;
    else numbers[field] = typeof otherwise === 'function' ? otherwise(numbers) : otherwise!;
  }
  return numbers;
}

/** The shortest decimal number that is this f32: 1e-6 where the file has 9.999999974752427e-7. */
function singlePrecision(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return value;
}

function ropeScaling(metadata: Metadata, prefix: string): Readonly<Record<string, unknown>> {
  const type = metadata.optionalText(`${prefix}.rope.scaling.type`);
  if (type === undefined || type === 'none') return {};
  return {
    rope_scaling: {
      rope_type: type,
      factor: metadata.number(`${prefix}.rope.scaling.factor`),
      original_max_position_embeddings: metadata.optionalNumber(
        `${prefix}.rope.scaling.original_context_length`,
      ),
    },
  };
}

function tokenIds(metadata: Metadata): Readonly<Record<string, number>> {
  const id = (name: string) => metadata.optionalNumber(`tokenizer.ggml.${name}_token_id`);
  return Object.fromEntries(
    (['bos', 'eos'] as const).flatMap((name) => {
      const found = id(name);
      return found === undefined ? [] : [[`${name}_token_id`, found]];
    }),
  );
}
