/** The norm before attention and MLP, or before the head. */
export type DecoderNorm = 'none' | 'rms' | 'layer';
/** RMSNorms that q and k pass before they are turned: each head by itself, or all heads together. */
export type DecoderHeadNorm = 'none' | 'heads' | 'width';
/** What stands between the linears of an MLP. */
export type DecoderActivation = 'silu' | 'gelu' | 'relu' | 'clamped';

/** A mixture of experts in the place of the MLP, `inner` of each. */
export interface DecoderMixture {
  readonly experts: number;
  /** Experts that a token is sent to. */
  readonly top: number;
  /** Whether the shares of a token's experts add up to 1. */
  readonly normalise: boolean;
}

/** A decoder: attention and an MLP, one after the other, each added to the residual stream. */
export interface DecoderShape {
  readonly hidden: number;
  /** Channels before down. */
  readonly inner: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly vocab: number;
  /** Of the norms of the residual stream. */
  readonly epsilon: number;
  /** Of those of q and k. */
  readonly headEpsilon: number;
  /** What the rows of the embedding are multiplied by. */
  readonly embeddingFactor: number;
  /** Of the scores of attention. */
  readonly scale: number;
  readonly norm: DecoderNorm;
  readonly lastNorm: DecoderNorm;
  readonly headNorm: DecoderHeadNorm;
  /** RMSNorms behind attention and MLP, before they are added to the stream; undefined: none. */
  readonly normsAfter: { readonly epsilon: number } | undefined;
  readonly activation: DecoderActivation;
  /** Of a clamped SwiGLU. */
  readonly clamped?: { readonly alpha: number; readonly limit: number } | undefined;
  /** Whether what is activated, gate, is multiplied by another linear, up. */
  readonly gated: boolean;
  /** Whether o, down, or what is before it, have biases. */
  readonly biased: boolean;
  /** Whether each head has a sink in the softmax of attention. */
  readonly sinks: boolean;
  /** @default an MLP */
  readonly mixture?: DecoderMixture | undefined;
}

const NORMS: readonly DecoderNorm[] = ['none', 'rms', 'layer'];
const HEAD_NORMS: readonly DecoderHeadNorm[] = ['none', 'heads', 'width'];
const ACTIVATIONS: readonly DecoderActivation[] = ['silu', 'gelu', 'relu', 'clamped'];

/** As the addon takes it, whose enumerations count from 0. */
export function nativeShape(shape: DecoderShape) {
  const { norm, lastNorm, headNorm, activation, normsAfter, clamped, mixture, ...others } = shape;
  return {
    ...others,
    norm: NORMS.indexOf(norm),
    lastNorm: NORMS.indexOf(lastNorm),
    headNorm: HEAD_NORMS.indexOf(headNorm),
    activation: ACTIVATIONS.indexOf(activation),
    normsAfter: normsAfter !== undefined,
    afterEpsilon: normsAfter?.epsilon ?? 0,
    deviceHeadDim: deviceHeadDim(shape.headDim),
    alpha: clamped?.alpha ?? 0,
    limit: clamped?.limit ?? 0,
    experts: mixture?.experts ?? 0,
    top: mixture?.top ?? 0,
    normalises: mixture?.normalise ?? false,
  };
}

/** Channels of a head as attention has them: others are filled up with zeros. */
const HEAD_DIMS = [64, 128, 256];

/** @returns how many channels a head has on the device; the most that there are where it has more than that */
export function deviceHeadDim(headDim: number): number {
  return HEAD_DIMS.find((dims) => dims >= headDim) ?? HEAD_DIMS.at(-1)!;
}
