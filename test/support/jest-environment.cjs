/**
 * Node's test environment, with the typed arrays of the outer realm: native code (our kernels, ONNX Runtime)
 * makes and checks those, and Jest's own copies would fail its `instanceof`. Programs that tests start print plain text,
 * also where whoever runs the tests forces colours on its own programs.
 */
const { TestEnvironment } = require('jest-environment-node');

const SHARED = [
  'ArrayBuffer',
  'SharedArrayBuffer',
  'DataView',
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
];

delete process.env.FORCE_COLOR;

module.exports = class extends TestEnvironment {
  async setup() {
    await super.setup();
    for (const name of SHARED) this.global[name] = globalThis[name];
  }
};
