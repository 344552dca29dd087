import {
  type ArrayValue,
  elementCount,
  graphFile,
  type GraphInput,
  type NodeInput,
  writeNpy,
} from '@esparse/checkpoint';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { crc32 } from 'node:zlib';

/** Numbers around 0 that are the same each time. */
export function numbers(count: number, seed: number, scale = 1): Float32Array {
  let state = (seed * 2654435761) >>> 0 || 1;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return scale * (state / 2 ** 31 - 1);
  });
}

/**
 * A small network of pictures (4 x 8 x 8): convolutions of several kinds, one of which has a skip around it, a recurrent layer
 * over the rows, and two matrices.
 */
export function smallNetwork(): GraphInput {
  const constants: Record<string, { shape: number[]; data: Float32Array | BigInt64Array }> = {};
  const weight = (name: string, ...shape: number[]) => {
    const count = elementCount(shape);
    const fan = count / shape[0]!;
    constants[name] = {
      shape,
      data: numbers(count, Object.keys(constants).length + 1, 1.7 / Math.sqrt(fan)),
    };
    return name;
  };
  constants.rows = { shape: [3], data: BigInt64Array.of(8n, -1n, 32n) };
  constants.flat = { shape: [2], data: BigInt64Array.of(-1n, 128n) };
  const nodes: NodeInput[] = [
    node('Conv', ['x', weight('w1', 16, 4, 3, 3), weight('b1', 16)], 'c1', { pads: [1, 1, 1, 1] }),
    node('Relu', ['c1'], 'r1'),
    node('Conv', ['r1', weight('w2', 16, 1, 3, 3)], 'c2', { group: 16, pads: [1, 1, 1, 1] }),
    node('Conv', ['c2', weight('w3', 16, 8, 1, 1)], 'c3', { group: 2 }),
    node('Add', ['c3', 'r1'], 'a3'),
    node('Conv', ['a3', weight('w4', 16, 16, 3, 3)], 'c4', { auto_pad: 'SAME_UPPER', strides: [1, 2] }),
    // (batch, 16, 8, 4) as 8 steps of batch x 64? The rows are the time: (8, batch * 2, 32).
    node('Reshape', ['c4', 'rows'], 's4'),
    node('LSTM', ['s4', weight('wl', 2, 64, 32), weight('rl', 2, 64, 16)], 'y5', {
      hidden_size: 16,
      direction: 'bidirectional',
    }),
    node('Reshape', ['y5', 'flat'], 'f5'),
    node('Gemm', ['f5', weight('w6', 24, 128), weight('b6', 24)], 'g6', { transB: 1 }),
    node('Relu', ['g6'], 'r6'),
    node('MatMul', ['r6', weight('w7', 24, 8)], 'y', {}),
  ];
  return { inputs: [{ name: 'x', shape: ['batch', 4, 8, 8] }], constants, nodes, outputs: ['y'] };
}

function node(
  op: string,
  inputs: readonly string[],
  output: string,
  attributes: NonNullable<NodeInput['attributes']> = {},
): NodeInput {
  return { op, inputs, outputs: [output], attributes };
}

/** The file of the network. */
export function smallGraph(): Uint8Array {
  return graphFile(smallNetwork());
}

/** Writes the network as `net.onnx`, and so many pictures for it as `data.npz`, into a folder. */
export async function writeSmallRun(folder: string, samples: number): Promise<void> {
  await writeFile(path.join(folder, 'net.onnx'), smallGraph());
  const pictures = numbers(samples * 4 * 64, 99);
  await writeFile(path.join(folder, 'data.npz'), npzOf({ x: floats(pictures, samples, 4, 8, 8) }));
}

/** The command that prunes what `writeSmallRun` wrote there into a store of the folder. */
export function pruneSmallRun(folder: string, store: string, ...args: string[]): string[] {
  const at = (name: string) => path.join(folder, name);
  return [
    ...['prune', '--model', at('net.onnx'), '--calibration', at('data.npz')],
    ...['--store', at(store), ...args],
  ];
}

/** An f32 array. */
export function floats(data: Float32Array, ...shape: number[]): ArrayValue {
  return { type: 1, shape, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

/** A .npz file, stored, as numpy.savez writes it. */
export function npzOf(arrays: Readonly<Record<string, ArrayValue>>): Uint8Array {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, array] of Object.entries(arrays)) {
    const file = Buffer.from(`${name}.npy`);
    const bytes = Buffer.from(writeNpy(array));
    const head = Buffer.alloc(26);
    head.writeUInt16LE(20, 0);
    head.writeUInt32LE(crc32(bytes), 10);
    head.writeUInt32LE(bytes.length, 14);
    head.writeUInt32LE(bytes.length, 18);
    head.writeUInt16LE(file.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), head, file, bytes]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(at, 10);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), head, tail, file]));
    parts.push(local);
    at += local.length;
  }
  const list = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(directory.length, 8);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(list.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, list, end]);
}
