import {
  encodeModel,
  readsOf,
  type GraphView,
  type ModelMessage,
  type NodeMessage,
  type TensorMessage,
} from '@esparse/checkpoint';

export interface SubGraph {
  readonly model: ModelMessage;
  readonly view: GraphView;
  readonly nodes: readonly NodeMessage[];
  /** Values that it is given, and their types. */
  readonly inputs: ReadonlyMap<string, number>;
  readonly outputs: readonly string[];
  /** Tensors in the place of those of the file, by number. */
  readonly replaced?: ReadonlyMap<number, TensorMessage> | undefined;
}

/** The file of a part of a graph. Constants that are outputs come through a node of their own. */
export function subGraphFile({ model, view, nodes, inputs, outputs, replaced }: SubGraph): Uint8Array {
  const passed = outputs.filter((name) => view.constants.has(name));
  const read = new Set([...nodes.flatMap(readsOf), ...passed]);
  const initializer = [...view.constants]
    .filter(([name]) => read.has(name))
    .map(([name, { message, tensor }]) => named(replaced?.get(tensor) ?? message, name));
  return encodeModel({
    ...{ ir_version: model.ir_version, producer_name: 'esparse', opset_import: model.opset_import },
    functions: model.functions,
    graph: {
      name: 'part',
      initializer,
      node: [
        ...nodes,
        ...passed.map((name) => ({
          op_type: 'Identity',
          name,
          input: [name],
          output: [constantOutput(name)],
        })),
      ],
      input: [...inputs]
        .filter(([name]) => read.has(name))
        .map(([name, type]) => ({ name, type: { tensor_type: { elem_type: type } } })),
      // Their types ONNX Runtime finds out.
      output: outputs.map((name) => ({ name: view.constants.has(name) ? constantOutput(name) : name })),
    },
  });
}

/** What a constant is called as an output of a part. */
export function constantOutput(name: string): string {
  return `${name}/passed`;
}

/** What a node Constant gives has no name as a tensor. */
function named(message: TensorMessage, name: string): TensorMessage {
  return Object.assign(Object.create(Object.getPrototypeOf(message) as object) as TensorMessage, message, {
    name,
  });
}
