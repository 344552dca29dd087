import { GGUF_ARCHITECTURES } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import {
  kindOf,
  ropeFrequencies,
  type BlockOp,
  type ModelDescription,
  type OpNamed,
  type RopeSpec,
} from '@esparse/model';

/** A model as GGUF's metadata can say it. */
export interface GgufConfig {
  /** ggml's name. */
  readonly architecture: string;
  /** config.json with the fields that metadata is made of. */
  readonly config: Readonly<Record<string, unknown>>;
  /** What rotary frequencies are divided by, one for each pair. */
  readonly ropeFactors?: readonly number[];
}

type Json = Readonly<Record<string, unknown>>;

/** Families that are another one to llama.cpp. */
const ARCHITECTURE_OF: ReadonlyMap<string, string> = new Map([['mistral', 'llama']]);

/**
 * Says a model in GGUF's fields, from its description, so that it does not matter in which of its forms config.json was.
 *
 * @param config its config.json, for what a description does not keep: token ids
 * @throws EsparseError 'unsupported' for a family that llama.cpp has no architecture for
 */
export function ggufConfig(description: ModelDescription, config: Json): GgufConfig {
  const { family } = description;
  const architecture = ARCHITECTURE_OF.get(family) ?? family;
  const known = GGUF_ARCHITECTURES.get(architecture);
  if (known === undefined) {
    const families = [...GGUF_ARCHITECTURES.keys(), ...ARCHITECTURE_OF.keys()].join(', ');
    throw new EsparseError('unsupported', `a model of the family '${family}' cannot be written as GGUF`, {
      hint: `those of ${families} can; export it as safetensors`,
    });
  }
  const attention = named(blockOf(description, 0), 'attention');
  const [rope, localRope] = ropesIn(description);
  const windows = windowsIn(description);
  // Where llama.cpp knows of no window, positions end where the shortest one would hide some.
  const reach = known.fields?.some(({ field }) => field === 'sliding_window') ? [] : windows;
  return {
    architecture,
    config: {
      ...idsIn(config),
      num_hidden_layers: description.blocks,
      max_position_embeddings: Math.min(trainedPositions(description, rope, config), ...reach),
      hidden_size: description.hidden,
      intermediate_size: description.linears.find(({ name }) => name === 'gate_proj')!.rows,
      num_attention_heads: attention.heads,
      num_key_value_heads: attention.kvHeads,
      head_dim: attention.headDim,
      rms_norm_eps: named(description.program.head, 'rmsNorm').epsilon,
      vocab_size: description.vocab,
      rope_theta: rope.theta,
      ...(rope.type === 'linear' || rope.type === 'yarn' ? { rope_scaling: scalingOf(rope) } : {}),
      // Gemma 3
      sliding_window: windows[0] ?? description.maxPositions,
      rope_local_base_freq: localRope.theta,
      // Granite
      embedding_multiplier: factorIn(description.program.embed),
      attention_multiplier: attention.scale,
      residual_multiplier: factorIn(blockOf(description, 0)),
      logits_scaling: 1 / factorIn(description.program.head),
    },
    ...(known.ropeFactors === true && factorsOf(rope)),
  };
}

/** Those of config.json, which a tokenizer's own files may not name. */
function idsIn(config: Json): Json {
  const ids = Object.entries(config).filter(([name]) => /^(bos|eos|unk|pad)_token_id$/.test(name));
  return Object.fromEntries(ids);
}

function blockOf({ program }: ModelDescription, block: number): readonly BlockOp[] {
  return program.blocks[kindOf(program, block)]!;
}

function named<Name extends 'attention' | 'rmsNorm'>(
  ops: readonly { readonly op: string }[],
  name: Name,
): OpNamed<Name> {
  return ops.find(({ op }) => op === name) as unknown as OpNamed<Name>;
}

/** The rotary embeddings of layers without a window, and of those with one: the same in most families. */
function ropesIn({ program }: ModelDescription): [RopeSpec, RopeSpec] {
  const ropes = program.blocks.flatMap((ops) => {
    const rope = ops.find((op) => op.op === 'rope');
    return rope === undefined ? [] : [{ spec: rope.spec, window: named(ops, 'attention').window }];
  });
  const open = ropes.find(({ window }) => window === undefined) ?? ropes[0]!;
  const local = ropes.find(({ spec }) => spec !== open.spec) ?? open;
  return [open.spec, local.spec];
}

/** The windows of attention that there are, the shortest first. */
function windowsIn({ program }: ModelDescription): number[] {
  const windows = program.blocks.map((ops) => named(ops, 'attention').window);
  return windows.filter((window) => window !== undefined).sort((a, b) => a - b);
}

/** As config.json counts them: linear scaling stretches them afterwards. */
function trainedPositions({ maxPositions }: ModelDescription, rope: RopeSpec, config: Json): number {
  const given = config.max_position_embeddings;
  return rope.type === 'linear' && typeof given === 'number' ? given : maxPositions;
}

/** The factor of the first 'scale' among operations; 1 where there is none. */
function factorIn(ops: readonly { readonly op: string }[]): number {
  const scale = ops.find(({ op }) => op === 'scale') as OpNamed<'scale'> | undefined;
  return scale?.factor ?? 1;
}

function scalingOf(rope: RopeSpec & { readonly type: 'linear' | 'yarn' }): Json {
  return {
    rope_type: rope.type,
    factor: rope.factor,
    ...(rope.type === 'yarn' && { original_max_position_embeddings: rope.original }),
  };
}

/** LLaMA 3's scaling worked out: what each frequency of the plain ones is divided by. */
function factorsOf(rope: RopeSpec): { readonly ropeFactors?: readonly number[] } {
  if (rope.type !== 'llama3' && rope.type !== 'longrope') return {};
  const scaled = ropeFrequencies(rope, 1);
  const plain = ropeFrequencies({ type: 'default', channels: rope.channels, theta: rope.theta }, 1);
  return { ropeFactors: [...plain].map((frequency, j) => frequency / scaled[j]!) };
}
