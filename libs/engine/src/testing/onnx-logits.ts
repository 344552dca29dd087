import type { WeightSource } from '@esparse/checkpoint';
import type { ModelDescription } from '@esparse/model';
import { createBlockRunner, createHead, embedTokens } from '@esparse/onnx';

/** What the ONNX path says of sequences of one length. */
export interface OnnxModel {
  /** The logits of each position, (tokens x vocab): hidden states of ONNX Runtime, final norm and head in f64. */
  logits(tokens: Uint32Array): Promise<Float64Array[]>;
  /** Of each token but the first: everything by ONNX Runtime. */
  nll(tokens: Uint32Array): Promise<Float64Array>;
  release(): Promise<void>;
}

export async function onnxModel(
  description: ModelDescription,
  weights: WeightSource,
  seqlen: number,
): Promise<OnnxModel> {
  const { hidden: width, blocks, vocab, program } = description;
  const [norm, head] = program.head;
  if (norm?.op !== 'rmsNorm' && norm?.op !== 'layerNorm') throw new Error('a head of another form');
  if (head?.op !== 'logits') throw new Error('a head of another form');
  const runner = await createBlockRunner(description, { seqlen });
  const nll = await createHead(description, weights, { seqlen });
  const scale = await weights.read(norm.weight);
  const shift = norm.op === 'layerNorm' ? await weights.read(norm.bias) : undefined;
  const rows = await weights.read(head.weight);
  const states = async (tokens: Uint32Array): Promise<Float32Array> => {
    let hidden = await embedTokens(description, weights, tokens, tokens.length);
    for (let block = 0; block < blocks; block++) {
      hidden = await (await runner.load(block, weights)).advance(hidden);
    }
    return hidden;
  };
  return {
    async logits(tokens) {
      const hidden = await states(tokens);
      return Array.from({ length: seqlen }, (_, t) => {
        const x = hidden.subarray(t * width, (t + 1) * width);
        const mean = shift === undefined ? 0 : x.reduce((sum, value) => sum + value, 0) / width;
        const square = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / width;
        const root = Math.sqrt(square + norm.epsilon);
        const normal = Float64Array.from(
          x,
          (value, j) => ((value - mean) / root) * scale[j]! + (shift?.[j] ?? 0),
        );
        const logits = new Float64Array(vocab);
        for (let v = 0; v < vocab; v++) {
          let sum = 0;
          for (let j = 0; j < width; j++) sum += normal[j]! * rows[v * width + j]!;
          logits[v] = sum;
        }
        return logits;
      });
    },
    nll: async (tokens) => nll.nll(await states(tokens), tokens),
    release: async () => {
      await Promise.all([runner.release(), nll.release()]);
    },
  };
}
