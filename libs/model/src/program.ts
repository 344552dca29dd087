/**
 * The block program: what one decoder block computes, as a short list of operations over named values. It is data,
 * so that the ONNX graph (`onnx/block-graph.ts`) and any other engine are driven by one description.
 *
 * Every value is a matrix, rows = tokens of one sequence, row-major. The program starts with one value,
 * `BLOCK_INPUT` (rows x hidden), and ends by defining `BLOCK_OUTPUT` (rows x hidden). Each value is defined once.
 * A value whose name is that of a tap is that tap. Parameters are named by slot, see `ModelDescription`.
 */
export type BlockOp = NormOp | LinearOp | RopeOp | AttentionOp | ActivationOp | GatedActivationOp | AddOp;

/** The value a program starts with. */
export const BLOCK_INPUT = 'hidden';
/** The value a program ends with. */
export const BLOCK_OUTPUT = 'output';

/** Either norm. */
export type NormOp = RmsNormOp | LayerNormOp;

/** `output = input / sqrt(mean(input²) + epsilon) * weight`, per row (arXiv 1910.07467). */
export interface RmsNormOp {
  readonly op: 'rmsNorm';
  readonly input: string;
  readonly output: string;
  /** Slot of the scale, (channels). */
  readonly weight: string;
  readonly epsilon: number;
}

/** `output = (input - mean) / sqrt(variance + epsilon) * weight + bias`, per row (arXiv 1607.06450). */
export interface LayerNormOp {
  readonly op: 'layerNorm';
  readonly input: string;
  readonly output: string;
  /** Slot of the scale, (channels). */
  readonly weight: string;
  /** Slot of the shift, (channels). */
  readonly bias: string;
  readonly epsilon: number;
}

/** `output = input · Wᵀ (+ bias)` with the linear of this name; its input is the linear's tap. */
export interface LinearOp {
  readonly op: 'linear';
  readonly linear: string;
  readonly input: string;
  readonly output: string;
}

/**
 * Rotary position embedding (arXiv 2104.09864), half-split as in Hugging Face: within each head of `headDim`
 * channels, channel j < headDim / 2 is paired with channel j + headDim / 2. Angles come from the description's `rope`.
 */
export interface RopeOp {
  readonly op: 'rope';
  readonly input: string;
  readonly output: string;
  readonly heads: number;
  readonly headDim: number;
}

/**
 * Causal attention: `softmax(scale · Q Kᵀ) V`, a row seeing itself and the rows before it. Grouped-query: head h
 * of the `heads` query heads reads key and value head `floor(h / (heads / kvHeads))` (arXiv 2305.13245).
 */
export interface AttentionOp {
  readonly op: 'attention';
  /** (rows x heads * headDim) */
  readonly query: string;
  /** (rows x kvHeads * headDim) */
  readonly key: string;
  /** (rows x kvHeads * headDim) */
  readonly value: string;
  /** (rows x heads * headDim) */
  readonly output: string;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly scale: number;
}

/** The activations that programs may name. */
export type Activation = 'relu';

/** `output = activation(input)`, element by element. */
export interface ActivationOp {
  readonly op: 'activation';
  readonly activation: Activation;
  readonly input: string;
  readonly output: string;
}

/** The activations of gates. */
export type GateActivation = 'silu';

/** `output = activation(gate) * up`, element by element (arXiv 2002.05202). */
export interface GatedActivationOp {
  readonly op: 'gatedActivation';
  readonly activation: GateActivation;
  readonly gate: string;
  readonly up: string;
  readonly output: string;
}

/** `output = left + right`, element by element. */
export interface AddOp {
  readonly op: 'add';
  readonly left: string;
  readonly right: string;
  readonly output: string;
}

/** The names of the values that an operation reads. */
export function inputsOf(op: BlockOp): readonly string[] {
  switch (op.op) {
    case 'rmsNorm':
    case 'layerNorm':
    case 'linear':
    case 'rope':
    case 'activation':
      return [op.input];
    case 'attention':
      return [op.query, op.key, op.value];
    case 'gatedActivation':
      return [op.gate, op.up];
    case 'add':
      return [op.left, op.right];
  }
}

/** The operations that these values need, in program order: everything else need not be computed. */
export function neededFor(program: readonly BlockOp[], values: readonly string[]): BlockOp[] {
  const wanted = new Set(values);
  const needed: BlockOp[] = [];
  for (const op of program.toReversed()) {
    if (!wanted.has(op.output)) continue;
    needed.push(op);
    for (const input of inputsOf(op)) wanted.add(input);
  }
  return needed.reverse();
}
