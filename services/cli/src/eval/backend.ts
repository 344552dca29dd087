import { InvalidArgumentError } from 'commander';
import { EsparseError } from '@esparse/errors';
import { DEVICES, type DeviceName } from '@esparse/onnx';
import type { ModelSource } from '../model-source.ts';
import { isEngineDevice } from '../options/engine-device.ts';

/** What computes: the engine of `esparse serve`, or ONNX Runtime. */
export type EvalBackend = 'native' | 'onnx';

/** What either of the two may compute on. */
export function deviceOfEither(text: string): string {
  if (isEngineDevice(text) || isOnnxDevice(text)) return text;
  throw new InvalidArgumentError(`Expected one of ${DEVICES.join(', ')}, or cuda:N.`);
}

function isOnnxDevice(text: string): text is DeviceName {
  return (DEVICES as readonly string[]).includes(text);
}

/** @throws EsparseError 'usage' for a device that ONNX Runtime does not have */
export function onnxDevice(device: string): DeviceName {
  if (isOnnxDevice(device)) return device;
  throw new EsparseError('usage', `ONNX Runtime has no device '${device}'`, {
    hint: `use one of ${DEVICES.join(', ')}`,
  });
}

/**
 * @param streams whether the weights of a checkpoint that is elsewhere can be read block by block, without a copy
 * @throws EsparseError 'usage' for a device that the engine does not have
 */
export function evalBackendOf(
  { canBeMapped }: ModelSource,
  { engine: wanted, device, streams }: { engine?: EvalBackend; device?: string; streams: boolean },
): EvalBackend {
  const isOther = device !== undefined && !isEngineDevice(device);
  if (isOther && wanted === 'native') {
    throw new EsparseError('usage', `the native engine does not compute on ${device}`, {
      hint: `use --engine onnx to evaluate on ${device}`,
    });
  }
  return wanted ?? (isOther || (!canBeMapped && streams) ? 'onnx' : 'native');
}
