import { modelProto, tensorBytes, type TensorDtype } from '@esparse/checkpoint';
import type { AttributeValue, GraphWriter } from '@esparse/model';
import { createHash } from 'node:crypto';

/** Version of the standard operators: old enough for every provider, and the first where Split counts its outputs. */
const OPSET = 18;
/** Version of the file format; 8 belongs to opset 18 (onnx/docs/Versioning.md). */
const IR_VERSION = 8;

/** TensorProto.DataType */
const FLOAT = 1;
const INT64 = 7;
const FLOATS: Readonly<Record<TensorDtype, number>> = { F32: FLOAT, F16: 10, BF16: 16 };
/** TensorProto.DataLocation */
const EXTERNAL = 1;

/** A dimension: a size, or the name of one that is known at run time only. */
export type Dimension = number | string;

/** Where the elements of a constant are. */
export interface ExternalPlace {
  /** A file beside the graph's own. */
  readonly location: string;
  /** In bytes. */
  readonly offset: number;
  /** @default F32 */
  readonly dtype?: TensorDtype;
}

/** A NodeProto. */
interface Node {
  readonly name: string;
  readonly op_type: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute: readonly object[];
}

/** Builds one ONNX graph, node by node, in execution order; then `toBytes` is the model file. */
export class GraphBuilder implements GraphWriter {
  readonly #name: string;
  readonly #nodes: Node[] = [];
  readonly #initializers: object[] = [];
  readonly #inputs: object[] = [];
  readonly #outputs = new Map<string, object>();
  readonly #declared = new Set<string>();
  readonly #constants = new Map<string, string>();
  /** The first output of each node, by what it computes. */
  readonly #computed = new Map<string, string>();

  constructor(name: string) {
    this.#name = name;
  }

  /** Declares an input, of f32 or of whole numbers. Once declared, declaring it again is of no effect. */
  input(name: string, shape: readonly Dimension[], type: 'f32' | 'i64' = 'f32'): string {
    if (!this.#declared.has(name)) {
      this.#declared.add(name);
      this.#inputs.push(valueInfo(name, shape, type === 'f32' ? FLOAT : INT64));
    }
    return name;
  }

  /**
   * Declares an f32 constant whose elements are not in the file. Once declared, declaring it again is of no effect.
   * @param place the file that holds them, where they begin there, and the type that they have there
   * @returns its f32 value
   */
  external(name: string, shape: readonly number[], { dtype = 'F32', ...place }: ExternalPlace): string {
    const value = dtype === 'F32' ? name : `${name}/f32`;
    if (!this.#declared.has(name)) {
      this.#declared.add(name);
      const length = tensorBytes({ shape, dtype });
      this.#initializers.push({
        name,
        dims: shape,
        data_type: FLOATS[dtype],
        data_location: EXTERNAL,
        external_data: Object.entries({ ...place, length }).map(([key, entry]) => ({
          key,
          value: String(entry),
        })),
      });
      if (value !== name) this.node('Cast', [name], { to: FLOAT }, [value]);
    }
    return value;
  }

  /** Declares an f32 output. Once declared, declaring it again is of no effect. */
  output(name: string, shape: readonly Dimension[]): void {
    this.#outputs.set(name, valueInfo(name, shape));
  }

  /**
   * Adds a node and returns its first output. Without names of its outputs, a node that is there already is not added again.
   * @param outputs the names of its outputs; by default one, named after the operator
   */
  node(
    operator: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    outputs?: readonly string[],
  ): string {
    const computes = JSON.stringify([operator, inputs, attributes]);
    const known = this.#computed.get(computes);
    if (known !== undefined && outputs === undefined) return known;
    const name = `${operator}_${this.#nodes.length}`;
    const output = outputs ?? [name];
    this.#nodes.push({
      name,
      op_type: operator,
      input: inputs,
      output,
      attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
    });
    this.#computed.set(computes, output[0]!);
    return output[0]!;
  }

  /** An f32 constant; a number is a scalar. The same constant is stored once. */
  constant(value: number): string;
  constant(value: Float32Array, shape: readonly number[]): string;
  constant(value: number | Float32Array, shape: readonly number[] = []): string {
    if (typeof value !== 'number') {
      const hash = createHash('sha256').update(littleEndian(value)).digest('hex');
      return this.#once(`f32 ${shape.join()} ${hash}`, () => this.#store(value, FLOAT, shape));
    }
    return this.#once(`f32 ${value}`, () => this.#store(Float32Array.of(value), FLOAT, []));
  }

  /** A list of whole numbers, for shapes, axes and bounds. The same list is stored once. */
  integers(values: readonly number[]): string {
    return this.#once(`i64 ${values.join()}`, () =>
      this.#store(BigInt64Array.from(values, BigInt), INT64, [values.length]),
    );
  }

  /** `value` with another shape. */
  reshape(value: string, shape: readonly number[], output?: string): string {
    return this.node(
      'Reshape',
      [value, this.integers(shape)],
      {},
      output === undefined ? undefined : [output],
    );
  }

  /** The ONNX file. Nodes that no output needs are left out. */
  toBytes(): Uint8Array {
    const message = {
      ir_version: IR_VERSION,
      producer_name: 'esparse',
      opset_import: [{ domain: '', version: OPSET }],
      graph: {
        name: this.#name,
        node: this.#needed(),
        initializer: this.#initializers,
        input: this.#inputs,
        output: [...this.#outputs.values()],
      },
    };
    return modelProto().encode(message).finish();
  }

  /** The nodes that the outputs need, in their order. */
  #needed(): Node[] {
    const wanted = new Set(this.#outputs.keys());
    const needed: Node[] = [];
    for (const node of this.#nodes.toReversed()) {
      if (!node.output.some((name) => wanted.has(name))) continue;
      needed.push(node);
      for (const input of node.input) wanted.add(input);
    }
    return needed.reverse();
  }

  #once(key: string, store: () => string): string {
    let name = this.#constants.get(key);
    if (name === undefined) {
      name = store();
      this.#constants.set(key, name);
    }
    return name;
  }

  #store(values: Float32Array | BigInt64Array, type: number, dims: readonly number[]): string {
    const name = `constant_${this.#initializers.length}`;
    this.#initializers.push({ name, dims, data_type: type, raw_data: littleEndian(values) });
    return name;
  }
}

function valueInfo(name: string, shape: readonly Dimension[], type = FLOAT): object {
  const dim = shape.map((size) => (typeof size === 'number' ? { dim_value: size } : { dim_param: size }));
  return { name, type: { tensor_type: { elem_type: type, shape: { dim } } } };
}

/** AttributeProto.AttributeType: FLOAT = 1, INT = 2, STRING = 3, INTS = 7. */
function attribute(name: string, value: AttributeValue): object {
  if (typeof value === 'number') return { name, type: 2, i: value };
  if ('word' in value) return { name, type: 3, s: new TextEncoder().encode(value.word) };
  return 'float' in value ? { name, type: 1, f: value.float } : { name, type: 7, ints: value };
}

/** Node runs on little-endian machines only, so the bytes are as they lie in memory. */
function littleEndian(values: Float32Array | BigInt64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
