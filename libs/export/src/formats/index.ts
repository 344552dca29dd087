import type { ExportFormat } from '../format.ts';
import { gguf } from './gguf.ts';
import { masks } from './masks.ts';
import { onnx } from './onnx.ts';
import { safetensors } from './safetensors.ts';

/** The formats that a run can be exported in. */
export const FORMATS: readonly ExportFormat[] = [safetensors, gguf, onnx, masks];
