/** A config.json with every field that the reference reads. */
export interface TinyConfig extends Record<string, unknown> {
  architectures: string[];
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  head_dim: number;
  vocab_size: number;
  max_position_embeddings: number;
  rms_norm_eps: number;
  rope_theta: number;
  attention_bias: boolean;
  mlp_bias: boolean;
  tie_word_embeddings: boolean;
}

export interface TinyTensor {
  readonly shape: readonly number[];
  readonly dtype: 'F32';
  readonly data: Float32Array;
}

export interface TinyLlama {
  readonly config: TinyConfig;
  readonly tensors: Map<string, TinyTensor>;
  readonly weights: MemoryWeights;
}

/** Tensors in memory, read as those of a checkpoint are. */
export interface MemoryWeights {
  has(name: string): boolean;
  shape(name: string): readonly number[];
  read(name: string): Promise<Float32Array>;
  readRows(name: string, rows: Uint32Array): Promise<Float32Array>;
  readRowRange(name: string, begin: number, end: number): Promise<Float32Array>;
}

/** A random LLaMA, the same for the same config: 2 blocks of 32 channels, 4 heads on 2 key heads. */
export function tinyLlama(overrides: Partial<TinyConfig> = {}): TinyLlama {
  const config: TinyConfig = {
    architectures: ['LlamaForCausalLM'],
    hidden_size: 32,
    intermediate_size: 48,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 8,
    vocab_size: 50,
    max_position_embeddings: 256,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    attention_bias: false,
    mlp_bias: false,
    tie_word_embeddings: true,
    ...overrides,
  };
  const random = gaussian(1);
  const tensors = new Map<string, TinyTensor>();
  const add = (name: string, shape: number[], mean: number, deviation: number) => {
    const length = shape.reduce((product, size) => product * size, 1);
    const data = Float32Array.from({ length }, () => mean + deviation * random());
    tensors.set(name, { shape, dtype: 'F32', data });
  };
  const linear = (name: string, rows: number, cols: number, bias: boolean) => {
    add(`${name}.weight`, [rows, cols], 0, 1.5 / Math.sqrt(cols));
    if (bias) add(`${name}.bias`, [rows], 0, 0.5);
  };
  const { hidden_size: hidden, intermediate_size: inner, head_dim: dim } = config;
  add('model.embed_tokens.weight', [config.vocab_size, hidden], 0, 1);
  for (let block = 0; block < config.num_hidden_layers; block++) {
    const at = `model.layers.${block}`;
    const queries = config.num_attention_heads * dim;
    const keys = config.num_key_value_heads * dim;
    add(`${at}.input_layernorm.weight`, [hidden], 1, 0.2);
    linear(`${at}.self_attn.q_proj`, queries, hidden, config.attention_bias);
    linear(`${at}.self_attn.k_proj`, keys, hidden, config.attention_bias);
    linear(`${at}.self_attn.v_proj`, keys, hidden, config.attention_bias);
    linear(`${at}.self_attn.o_proj`, hidden, queries, config.attention_bias);
    add(`${at}.post_attention_layernorm.weight`, [hidden], 1, 0.2);
    linear(`${at}.mlp.gate_proj`, inner, hidden, config.mlp_bias);
    linear(`${at}.mlp.up_proj`, inner, hidden, config.mlp_bias);
    linear(`${at}.mlp.down_proj`, hidden, inner, config.mlp_bias);
  }
  add('model.norm.weight', [hidden], 1, 0.2);
  if (!config.tie_word_embeddings) add('lm_head.weight', [config.vocab_size, hidden], 0, 0.3);
  return { config, tensors, weights: memoryWeights(tensors) };
}

/** Tensors in memory as a source of weights. */
export function memoryWeights(tensors: ReadonlyMap<string, TinyTensor>): MemoryWeights {
  const of = (name: string): TinyTensor => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new Error(`no tensor ${name}`);
    return tensor;
  };
  const row = (name: string, begin: number, end: number) => {
    const { shape, data } = of(name);
    return data.slice(begin * shape[1]!, end * shape[1]!);
  };
  return {
    has: (name) => tensors.has(name),
    shape: (name) => of(name).shape,
    read: (name) => Promise.resolve(of(name).data.slice()),
    readRowRange: (name, begin, end) => Promise.resolve(row(name, begin, end)),
    readRows: (name, rows) =>
      Promise.resolve(Float32Array.from([...rows].flatMap((r) => [...row(name, r, r + 1)]))),
  };
}

/** Tokens that look random and repeat nothing early. */
export function someTokens(count: number, vocab: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => (i * 31 + 7 * ((i * i) % 11)) % vocab);
}

/** Standard normal numbers (Box-Muller) from a small seeded generator (mulberry32). */
function gaussian(seed: number): () => number {
  let state = seed;
  const uniform = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}
