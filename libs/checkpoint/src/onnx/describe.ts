import { EsparseError } from '@esparse/errors';
import type { TensorDtype } from '../tensor-info.ts';
import { constantsOf, isFloat, type Constants } from './constants.ts';
import type { Cut } from './cut.ts';
import type { MatrixPlace } from './matrix-place.ts';
import {
  ELEMENT,
  graphsIn,
  wholeOf,
  type ModelMessage,
  type NodeMessage,
  type ValueMessage,
} from './messages.ts';
import { OPERATORS } from './operators/index.ts';
import type { ConstantFacts, NodeLinear, TapSource } from './operators/operator.ts';
import { nameOf, viewOf, type Branches, type GraphView } from './view.ts';

/** Versions of the standard operators that are read. */
export const OPSETS = { least: 7, most: 24 } as const;

/** Steps of a graph at most; of one with more matrices a step has several. */
const MAX_STEPS = 1024;

/** A matrix of a graph that can be pruned. */
export interface GraphLinear {
  /** Unique within the graph; of letters, digits, dots, - and _. */
  readonly name: string;
  readonly step: number;
  /** The name of its tap. */
  readonly tap: string;
  readonly rows: number;
  readonly cols: number;
  readonly inner?: number;
  readonly dtype: Extract<TensorDtype, 'F32' | 'F16'>;
  readonly place: MatrixPlace;
}

/** The input of one or more of these. */
export interface GraphTap {
  readonly name: string;
  readonly step: number;
  readonly channels: number;
  readonly source: TapSource;
}

/** A value that goes into a graph, or comes out of it. */
export interface GraphValue {
  readonly name: string;
  /** Of TensorProto.DataType. */
  readonly type: number;
  /** null for a size that the data give; for all sizes where the graph does not say how many axes there are. */
  readonly shape: readonly (number | null)[] | null;
}

/** A node with weights that stays as it is. */
export interface LeftAlone {
  readonly node: string;
  readonly operator: string;
  readonly why: string;
}

/** What of a graph can be pruned, and in which order. */
export interface GraphParts {
  readonly opset: number;
  readonly inputs: readonly GraphValue[];
  readonly outputs: readonly GraphValue[];
  readonly branches: Branches;
  /** Cuts of its nodes; each but the first begins with what is pruned in it. */
  readonly steps: readonly Cut[];
  readonly taps: readonly GraphTap[];
  readonly linears: readonly GraphLinear[];
  readonly left: readonly LeftAlone[];
}

/**
 * Finds what can be pruned. A cut is as small as it can be: the matrices that read one value, and the nodes up to the next
 * matrix. So each matrix is pruned on what the pruned graph before it gives, and what is in memory is one value of the graph
 * and what is made of it.
 * @throws EsparseError 'unsupported' for an opset out of range or a graph without a matrix that can be pruned, 'checkpoint' as `viewOf`
 */
export function describeGraph(
  model: ModelMessage & { readonly graph: NonNullable<ModelMessage['graph']> },
  branches: Branches,
  location: string,
): GraphParts {
  const opset = opsetOf(model, location);
  const view = viewOf(model.graph, branches, location);
  const found: {
    readonly index: number;
    readonly node: NodeMessage;
    readonly linears: readonly NodeLinear[];
  }[] = [];
  const left: LeftAlone[] = [];
  const constants = constantsOf(view);
  view.nodes.forEach((node, index) => {
    if (view.fixed.has(node)) return;
    const linears = linearsOf(node, constants);
    if (typeof linears === 'string')
      left.push({ node: nameOf(node), operator: operatorOf(node), why: linears });
    else if (linears.length > 0) found.push({ index, node, linears });
  });
  if (found.length === 0) throw nothingToPrune(location, left);

  /** The latest of each source. */
  const taps = new Map<string, GraphTap>();
  const allTaps: GraphTap[] = [];
  const linears: GraphLinear[] = [];
  const begins: number[] = [];
  const names = new Set<string>();
  const each = Math.ceil(found.length / MAX_STEPS);
  let inStep = 0;
  for (const { index, node, linears: matrices } of found) {
    const step = begins.length - 1;
    const shares = matrices.every(({ source }) => taps.get(JSON.stringify(source))?.step === step);
    if (step < 0 || (!shares && inStep >= each)) {
      begins.push(index);
      inStep = 0;
    }
    inStep++;
    for (const matrix of matrices) {
      const name = uniqueName(names, `${nameOf(node)}${matrix.suffix}`);
      // What two steps read is gathered twice: between them weights have been pruned.
      const key = JSON.stringify(matrix.source);
      const known = taps.get(key);
      const at = begins.length - 1;
      const tap =
        known?.step === at
          ? known
          : { name: uniqueName(names, `${name}_in`), step: at, channels: matrix.cols, source: matrix.source };
      if (tap !== known) {
        taps.set(key, tap);
        allTaps.push(tap);
      }
      const { rows, cols, inner, place } = matrix;
      linears.push({
        ...{ name, step: at, tap: tap.name, rows, cols },
        ...(inner !== undefined && { inner }),
        dtype: matrix.facts.type === ELEMENT.FLOAT16 ? 'F16' : 'F32',
        place,
      });
    }
  }
  const steps = begins.map((from, i): Cut => ({
    from: i === 0 ? 0 : from,
    to: begins[i + 1] ?? view.nodes.length,
  }));
  return { opset, ...graphValues(view), branches, steps, taps: allTaps, linears, left };
}

/** What goes into a graph, and comes out of it. */
export function graphValues({ inputs, outputs }: Pick<GraphView, 'inputs' | 'outputs'>): {
  readonly inputs: GraphValue[];
  readonly outputs: GraphValue[];
} {
  return { inputs: inputs.map(valueOf), outputs: outputs.map(valueOf) };
}

function valueOf({ name, type }: ValueMessage): GraphValue {
  const { elem_type: element = 0, shape } = type?.tensor_type ?? {};
  const dims = shape?.dim.map(({ dim_value: size }) => {
    const length = size === undefined || size === null ? 0 : wholeOf(size);
    return length > 0 ? length : null;
  });
  return { name, type: element, shape: dims ?? null };
}

/** What of a node can be pruned: nothing of most. */
function linearsOf(node: NodeMessage, constants: Constants): readonly NodeLinear[] | string {
  if (graphsIn(node).length > 0) return 'it has graphs inside, which are left as they are';
  const operator = isStandard(node) ? OPERATORS.get(node.op_type) : undefined;
  if (operator === undefined) {
    const weights = node.input.map(constants.constantOf).find(isMatrix);
    return weights === undefined ? [] : 'it has a matrix, and is no operator whose weights are pruned';
  }
  const found = operator(node, constants);
  if (typeof found === 'string') return found;
  for (const { facts } of found) {
    if (!isFloat(facts)) return 'its weights are neither f32 nor f16';
    if (!constants.isOwn(facts.tensor)) return 'its weights are those of another node, too';
  }
  return found;
}

function isMatrix(constant: ConstantFacts | undefined): boolean {
  return constant !== undefined && isFloat(constant) && constant.shape.filter((size) => size > 1).length > 1;
}

function isStandard({ domain }: NodeMessage): boolean {
  return domain === '' || domain === 'ai.onnx';
}

function operatorOf(node: NodeMessage): string {
  return isStandard(node) ? node.op_type : `${node.domain}.${node.op_type}`;
}

function opsetOf({ opset_import: imports }: ModelMessage, location: string): number {
  const found = imports.find(({ domain }) => domain === '' || domain === 'ai.onnx');
  const opset = found === undefined ? 0 : wholeOf(found.version);
  if (opset >= OPSETS.least && opset <= OPSETS.most) return opset;
  throw new EsparseError(
    'unsupported',
    `${location} is of opset ${opset}: ${OPSETS.least} to ${OPSETS.most} are read`,
    { hint: 'convert it with onnx.version_converter, or export it anew' },
  );
}

function nothingToPrune(location: string, left: readonly LeftAlone[]): EsparseError {
  const why = left.slice(0, 3).map(({ node, operator, why: reason }) => `${node} (${operator}): ${reason}`);
  return new EsparseError(
    'unsupported',
    `${location} has no weights that can be pruned${why.length === 0 ? '' : `: ${why.join('; ')}`}`,
    { hint: `those of ${[...OPERATORS.keys()].join(', ')} are, where they are constants` },
  );
}

/** A name that the store takes as a part of a path, and that no other has. */
function uniqueName(names: Set<string>, wanted: string): string {
  const plain =
    wanted
      .replace(/[^\w.-]+/g, '.')
      .replace(/^\.+|\.+$/g, '')
      .slice(-120)
      .replace(/^\.+/, '') || 'node';
  let name = plain;
  for (let i = 2; names.has(name.toLowerCase()); i++) name = `${plain}.${i}`;
  names.add(name.toLowerCase());
  return name;
}
