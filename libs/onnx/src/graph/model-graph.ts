import { tensorBytes, type TensorDtype } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import {
  BLOCK_INPUT,
  BLOCK_OUTPUT,
  kindOf,
  linearsOf,
  LOGITS,
  operationOf,
  renaming,
  slotsOf,
  widthsOf,
  type ModelContext,
  type ModelDescription,
  type ProgramOp,
  type RopeSpec,
} from '@esparse/model';
import { GraphBuilder } from './builder.ts';
import { batchInputs, CACHE_DIMENSIONS, type BatchInputs } from './model-inputs.ts';
import { ropeAt } from './model-rope.ts';

/** A tensor that the graph reads from its file of weights. */
export interface ModelTensor {
  /** The checkpoint's name. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: TensorDtype;
  /** Where its elements begin in the file. */
  readonly offset: number;
}

/** A whole model as one ONNX graph. */
export interface ModelGraph {
  /** The ONNX file: no weights in it. */
  readonly bytes: Uint8Array;
  /** The tensors of the file of weights, in their order there. */
  readonly tensors: readonly ModelTensor[];
}

/** Tensors begin at multiples of this: the pages in which files are mapped. */
const ALIGNMENT = 4096;

/**
 * Writes a model as one graph, with the names of inputs and outputs that Hugging Face's exporter gives them: `input_ids`,
 * `attention_mask`, `position_ids`, `past_key_values.N.key` and `.value`; `logits`, `present.N.key` and `.value`. Any
 * number of sequences, of any length, go on from what the past holds (of 0 tokens for a new sequence).
 *
 * @param location name of the file that holds the weights, beside the graph's own
 * @param dtypeOf the type that a tensor has in that file: whatever it is, it is computed with in f32. @default F32
 */
export function buildModelGraph(
  description: ModelDescription,
  location: string,
  dtypeOf: (tensor: string) => TensorDtype = () => 'F32',
): ModelGraph {
  const graph = new GraphBuilder(description.family);
  const inputs = batchInputs(graph);
  const tensors = new Map<string, ModelTensor>();
  let end = 0;
  const parameter = (name: string, shape: readonly number[]): string => {
    const { dtype, offset } = tensors.get(name) ?? { dtype: dtypeOf(name), offset: end };
    if (!tensors.has(name)) {
      tensors.set(name, { name, shape, dtype, offset });
      end = Math.ceil((end + tensorBytes({ shape, dtype })) / ALIGNMENT) * ALIGNMENT;
    }
    return graph.external(name, shape, { location, offset, dtype });
  };
  const part = partWriter({ graph, inputs, description, parameter, ropes: new Map() });
  const outer = new Map(description.outerTensors.map((tensor) => [tensor.name, tensor]));
  part('embed', description.program.embed, outer, {});
  let hidden = `embed/${BLOCK_INPUT}`;
  for (let block = 0; block < description.blocks; block++) {
    const program = description.program.blocks[kindOf(description.program, block)]!;
    const all = slotsOf(linearsOf(description, block), description.blockTensors(block), block);
    const slots = new Map(all.map((tensor) => [tensor.slot, tensor]));
    part(`block.${block}`, program, slots, { [BLOCK_INPUT]: hidden }, block);
    hidden = `block.${block}/${BLOCK_OUTPUT}`;
  }
  part('head', description.program.head, outer, { [BLOCK_OUTPUT]: hidden });
  const shape = graph.node('Concat', [inputs.batch, graph.integers([-1])], { axis: 0 });
  graph.node('Reshape', [`head/${LOGITS}`, shape], {}, ['logits']);
  graph.output('logits', ['batch_size', 'sequence_length', description.vocab]);
  return { bytes: graph.toBytes(), tensors: [...tensors.values()] };
}

type Slots = ReadonlyMap<string, { readonly name: string; readonly shape: readonly number[] }>;

interface Shared {
  readonly graph: GraphBuilder;
  readonly inputs: BatchInputs;
  readonly description: ModelDescription;
  readonly parameter: (name: string, shape: readonly number[]) => string;
  /** Tables that are in the graph already. */
  readonly ropes: Map<RopeSpec, ReturnType<ModelContext['rope']>>;
}

/** What writes a part of the program: its values get names of their own, with the part's before them. */
function partWriter({ graph, inputs, description, parameter, ropes }: Shared) {
  return (
    part: string,
    program: readonly ProgramOp[],
    slots: Slots,
    given: Readonly<Record<string, string>>,
    block?: number,
  ): void => {
    const { hidden } = description;
    const widths = widthsOf(
      description,
      program,
      Object.fromEntries(Object.keys(given).map((name) => [name, hidden])),
    );
    const own = new Set(widths.keys());
    const rename = (name: string) => given[name] ?? (own.has(name) ? `${part}/${name}` : name);
    const define = (name: string) => {
      own.add(name);
      return rename(name);
    };
    const context: ModelContext = {
      graph: renaming(graph, rename, define),
      description,
      emit: (op, within) => {
        operationOf(op).emit(op, within);
      },
      rows: -1,
      sequences: -1,
      width: (value) => widths.get(value)!,
      parameter(slot) {
        const tensor = slots.get(slot);
        if (tensor !== undefined) return parameter(tensor.name, tensor.shape);
        throw new EsparseError('internal', `model family '${description.family}': no parameter '${slot}'`);
      },
      rope(spec) {
        const made = ropes.get(spec) ?? ropeAt(spec, graph, inputs);
        ropes.set(spec, made);
        return made;
      },
      index: inputs.index,
      batch: inputs.batch,
      mask: inputs.mask,
      cached(kind, fresh, { heads, channels }) {
        const name = `${block!}.${kind}`;
        const shape = (tokens: string) => ['batch_size', heads, tokens, channels];
        const past = graph.input(`past_key_values.${name}`, shape(CACHE_DIMENSIONS.past));
        const present = graph.node('Concat', [past, fresh], { axis: 2 }, [`present.${name}`]);
        graph.output(present, shape(CACHE_DIMENSIONS.present));
        return present;
      },
    };
    for (const op of program) {
      const operation = operationOf(op);
      (operation.emitInModel ?? operation.emit)(op, context);
    }
  };
}
