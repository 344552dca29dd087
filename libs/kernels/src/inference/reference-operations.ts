import { attentionReference } from './attention.ts';
import {
  addReference,
  clampedSwigluReference,
  gatedGeluReference,
  gatedSiluReference,
  geluReference,
  reluReference,
  scaleReference,
} from './elementwise.ts';
import { gatherRowsReference } from './gather-rows.ts';
import type { InferenceOperations } from './inference-kernels.ts';
import { layerNormReference } from './layer-norm.ts';
import { createReferenceLinear } from './linear.ts';
import { readMemoryReference } from './read-bandwidth.ts';
import { rmsNormReference } from './rms-norm.ts';
import { ropeReference } from './rope.ts';

/** The operations in TypeScript, on the calling thread. */
export const REFERENCE_OPERATIONS: InferenceOperations = {
  createLinear: createReferenceLinear,
  rmsNorm: rmsNormReference,
  layerNorm: layerNormReference,
  rope: ropeReference,
  attention: attentionReference,
  gatedSilu: gatedSiluReference,
  gatedGelu: gatedGeluReference,
  clampedSwiglu: clampedSwigluReference,
  relu: reluReference,
  gelu: geluReference,
  scale: scaleReference,
  add: addReference,
  gatherRows: gatherRowsReference,
  readMemory: readMemoryReference,
};
