/**
 * LLaMA in f64, one loop a formula: written from the papers and Hugging Face's documentation, sharing no code with the
 * library, to be compared with.
 */
import type { TinyConfig, TinyTensor } from './tiny-llama.ts';

type Vector = number[];
type Matrix = Vector[];

export interface ReferenceBlock {
  readonly taps: Readonly<Record<'attn_in' | 'attn_out' | 'mlp_in' | 'mlp_out', Matrix>>;
  readonly output: Matrix;
}

export class ReferenceLlama {
  readonly #config: TinyConfig;
  readonly #tensors: ReadonlyMap<string, TinyTensor>;

  constructor(config: TinyConfig, tensors: ReadonlyMap<string, TinyTensor>) {
    this.#config = config;
    this.#tensors = tensors;
  }

  embed(tokens: Uint32Array): Matrix {
    const table = this.#matrix('model.embed_tokens.weight');
    return [...tokens].map((token) => table[token]!);
  }

  block(index: number, hidden: Matrix): ReferenceBlock {
    const at = `model.layers.${index}`;
    const attnIn = hidden.map((x) => this.#norm(x, `${at}.input_layernorm.weight`));
    const attnOut = this.#attention(at, attnIn);
    const middle = plus(hidden, this.#linear(`${at}.self_attn.o_proj`, attnOut));
    const mlpIn = middle.map((x) => this.#norm(x, `${at}.post_attention_layernorm.weight`));
    const gate = this.#linear(`${at}.mlp.gate_proj`, mlpIn);
    const up = this.#linear(`${at}.mlp.up_proj`, mlpIn);
    const mlpOut = gate.map((row, t) => row.map((g, j) => (g / (1 + Math.exp(-g))) * up[t]![j]!));
    const output = plus(middle, this.#linear(`${at}.mlp.down_proj`, mlpOut));
    return { taps: { attn_in: attnIn, attn_out: attnOut, mlp_in: mlpIn, mlp_out: mlpOut }, output };
  }

  /** Of each token but the first, from the output of the last block. */
  nll(hidden: Matrix, tokens: Uint32Array): number[] {
    const head = this.#matrix(
      this.#config.tie_word_embeddings ? 'model.embed_tokens.weight' : 'lm_head.weight',
    );
    return [...tokens.slice(1)].map((target, t) => {
      const normal = this.#norm(hidden[t]!, 'model.norm.weight');
      const logits = head.map((row) => dot(row, normal));
      const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
      return Math.log(total) - logits[target]!;
    });
  }

  #attention(at: string, input: Matrix): Matrix {
    const { num_attention_heads: heads, num_key_value_heads: kvHeads, head_dim: dim } = this.#config;
    const turn = (x: Matrix) => x.map((row, t) => this.#rotate(row, t, input.length));
    const q = turn(this.#linear(`${at}.self_attn.q_proj`, input));
    const k = turn(this.#linear(`${at}.self_attn.k_proj`, input));
    const v = this.#linear(`${at}.self_attn.v_proj`, input);
    return input.map((_, t) =>
      Array.from({ length: heads }, (_, h) => {
        const from = Math.floor(h / (heads / kvHeads)) * dim;
        const query = q[t]!.slice(h * dim, (h + 1) * dim);
        const scores = k
          .slice(0, t + 1)
          .map((key) => dot(query, key.slice(from, from + dim)) / Math.sqrt(dim));
        const weights = scores.map((score) => Math.exp(score - Math.max(...scores)));
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        return Array.from({ length: dim }, (_, d) =>
          weights.reduce((sum, weight, s) => sum + (weight / total) * v[s]![from + d]!, 0),
        );
      }).flat(),
    );
  }

  /** x cos + rotate_half(x) sin, in every head. */
  #rotate(row: Vector, position: number, length: number): Vector {
    const dim = this.#config.head_dim;
    const { inverse, scale } = referenceRope(this.#config, length);
    return row.map((x, i) => {
      const j = i % dim;
      const angle = position * inverse[j % (dim / 2)]!;
      const other = j < dim / 2 ? -row[i + dim / 2]! : row[i - dim / 2]!;
      return scale * (x * Math.cos(angle) + other * Math.sin(angle));
    });
  }

  #norm(x: Vector, weight: string): Vector {
    const scale = this.#vector(weight);
    const mean = x.reduce((sum, value) => sum + value * value, 0) / x.length;
    return x.map((value, j) => (value / Math.sqrt(mean + this.#config.rms_norm_eps)) * scale[j]!);
  }

  #linear(name: string, x: Matrix): Matrix {
    const weight = this.#matrix(`${name}.weight`);
    const bias = this.#tensors.has(`${name}.bias`) ? this.#vector(`${name}.bias`) : undefined;
    return x.map((row) => weight.map((out, i) => dot(out, row) + (bias?.[i] ?? 0)));
  }

  #vector(name: string): Vector {
    return [...this.#tensors.get(name)!.data];
  }

  #matrix(name: string): Matrix {
    const { shape, data } = this.#tensors.get(name)!;
    return Array.from({ length: shape[0]! }, (_, r) => [
      ...data.subarray(r * shape[1]!, (r + 1) * shape[1]!),
    ]);
  }
}

function dot(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function plus(a: Matrix, b: Matrix): Matrix {
  return a.map((row, t) => row.map((value, j) => value + b[t]![j]!));
}

/** The parameters of a rotary embedding as config.json has them. */
interface RopeFields {
  rope_type?: string;
  type?: string;
  rope_theta?: number;
  factor?: number;
  original_max_position_embeddings?: number;
  low_freq_factor?: number;
  high_freq_factor?: number;
  attention_factor?: number;
  beta_fast?: number;
  beta_slow?: number;
}

/** Inverse frequencies, in the wavelength form of Hugging Face's documentation. */
export function referenceRope(config: TinyConfig, length: number): { inverse: number[]; scale: number } {
  const fields = (config.rope_parameters ?? config.rope_scaling ?? {}) as RopeFields;
  const dim = config.head_dim;
  const theta = fields.rope_theta ?? config.rope_theta;
  const factor = fields.factor ?? 1;
  const original = fields.original_max_position_embeddings ?? config.max_position_embeddings;
  const inverseOf = (base: number) => Array.from({ length: dim / 2 }, (_, j) => 1 / base ** ((2 * j) / dim));
  const inverse = inverseOf(theta);
  switch (fields.rope_type ?? fields.type ?? 'default') {
    case 'linear':
      return { inverse: inverse.map((f) => f / factor), scale: 1 };
    case 'dynamic': {
      const ratio = Math.max(length, original) / original;
      return { inverse: inverseOf(theta * (factor * ratio - (factor - 1)) ** (dim / (dim - 2))), scale: 1 };
    }
    case 'llama3': {
      const low = fields.low_freq_factor!;
      const high = fields.high_freq_factor!;
      const scaled = inverse.map((f) => {
        const wavelength = (2 * Math.PI) / f;
        if (wavelength > original / low) return f / factor;
        if (wavelength < original / high) return f;
        const smooth = (original / wavelength - low) / (high - low);
        return ((1 - smooth) * f) / factor + smooth * f;
      });
      return { inverse: scaled, scale: 1 };
    }
    case 'yarn': {
      const correction = (turns: number) =>
        (dim * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
      const low = Math.max(Math.floor(correction(fields.beta_fast ?? 32)), 0);
      const high = Math.min(Math.ceil(correction(fields.beta_slow ?? 1)), dim - 1);
      const scaled = inverse.map((f, j) => {
        const ramp = Math.min(1, Math.max(0, (j - low) / (high === low ? 0.001 : high - low)));
        const extrapolation = 1 - ramp;
        return (1 / (factor * (1 / f))) * (1 - extrapolation) + f * extrapolation;
      });
      return { inverse: scaled, scale: fields.attention_factor ?? 0.1 * Math.log(factor) + 1 };
    }
    default:
      return { inverse, scale: 1 };
  }
}
