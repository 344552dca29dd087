import { elementCount } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { z } from 'zod';
import { checkProgram } from './check-program.ts';
import { tensorsOfBlock } from './check-tensors.ts';
import { optional, parseConfig } from './config.ts';
import type { ModelDescription } from './description.ts';
import { GRAPH_TYPE } from './graph-config.ts';
import { gemma3 } from './families/gemma3.ts';
import { gpt2 } from './families/gpt2.ts';
import { gptOss } from './families/gpt-oss.ts';
import { granite } from './families/granite.ts';
import { llama } from './families/llama.ts';
import { mistral } from './families/mistral.ts';
import { mixtral } from './families/mixtral.ts';
import { olmo2 } from './families/olmo2.ts';
import { opt } from './families/opt.ts';
import { phi3 } from './families/phi3.ts';
import { qwen2 } from './families/qwen2.ts';
import { qwen3 } from './families/qwen3.ts';
import { qwen3Moe } from './families/qwen3-moe.ts';
import { smollm3 } from './families/smollm3.ts';
import { MAX_TENSOR_ELEMENTS } from './limits.ts';

/** A model family: how to read its config.json. */
export interface ModelFamily {
  readonly name: string;
  /** The values of config.json's `architectures[0]` that it answers to. */
  readonly architectures: readonly string[];
  /** The values of `model_type` that it answers to where config.json names no architecture. */
  readonly modelTypes: readonly string[];
  /** The values of `quantization_config.quant_method` whose tensors it reads. @default none: quantized models are refused */
  readonly quantizations?: readonly string[];
  /** @throws EsparseError 'checkpoint' or 'unsupported', naming the field of config.json at fault */
  describe(config: Readonly<Record<string, unknown>>): ModelDescription;
}

const BY_NAME = new Map<string, ModelFamily>();
const BY_ARCHITECTURE = new Map<string, ModelFamily>();
const BY_MODEL_TYPE = new Map<string, ModelFamily>();

/**
 * Makes a family known to `describeModel`. The built-in ones come through here too.
 * @throws EsparseError 'usage' where its name or one of its architectures is taken
 */
export function registerFamily(family: ModelFamily): void {
  if (BY_NAME.has(family.name)) {
    throw new EsparseError('usage', `there is a model family '${family.name}' already`, {
      hint: 'give it a name of its own',
    });
  }
  const taken =
    family.architectures.find((name) => BY_ARCHITECTURE.has(name)) ??
    family.modelTypes.find((name) => BY_MODEL_TYPE.has(name));
  if (taken !== undefined) {
    throw new EsparseError('usage', `model family '${family.name}': '${taken}' is registered already`);
  }
  BY_NAME.set(family.name, family);
  for (const name of family.architectures) BY_ARCHITECTURE.set(name, family);
  for (const name of family.modelTypes) BY_MODEL_TYPE.set(name, family);
}

/** The family of that name, where it is known. */
export function familyNamed(name: string): ModelFamily | undefined {
  return BY_NAME.get(name);
}

const BUILT_IN = [
  gemma3,
  gpt2,
  gptOss,
  granite,
  llama,
  mistral,
  mixtral,
  olmo2,
  opt,
  phi3,
  qwen2,
  qwen3,
  qwen3Moe,
  smollm3,
];
for (const family of BUILT_IN) registerFamily(family);

const IDENTITY = z.object({
  architectures: optional(z.array(z.string())),
  model_type: optional(z.string()),
  quantization_config: optional(z.looseObject({ quant_method: optional(z.string()) })),
});

/**
 * Describes the model of a parsed config.json.
 * @throws EsparseError 'unsupported' for a family that is not known (the message lists those that are) or for weights
 *   that are quantized already, 'checkpoint' for fields that are missing, out of range or contradict each other, 'usage' for a family whose description does not hold together
 */
export function describeModel(config: Readonly<Record<string, unknown>>): ModelDescription {
  const identity = parseConfig(IDENTITY, config);
  const family = familyOf(identity.architectures?.[0], identity.model_type ?? undefined);
  refuseQuantized(family, identity.quantization_config);
  const description = family.describe(config);
  checkProgram(description);
  for (const { name, shape } of [...description.outerTensors, ...tensorsOfBlock(description, 0)]) {
    if (elementCount(shape) > MAX_TENSOR_ELEMENTS) {
      throw new EsparseError(
        'unsupported',
        `config.json makes tensor '${name}' ${shape.join(' x ')}, more than ${MAX_TENSOR_ELEMENTS} elements`,
      );
    }
  }
  return description;
}

function refuseQuantized(
  { name, quantizations = [] }: ModelFamily,
  config: z.infer<typeof IDENTITY>['quantization_config'],
): void {
  if (config === undefined || config === null) return;
  const method = config.quant_method ?? undefined;
  if (method !== undefined && quantizations.includes(method)) return;
  throw new EsparseError(
    'unsupported',
    `config.json has a quantization_config${method === undefined ? '' : ` of '${method}'`}: such weights of the family ${name} cannot be pruned`,
    { hint: 'use the bf16, f16 or f32 checkpoint that it was made from' },
  );
}

function familyOf(architecture: string | undefined, modelType: string | undefined): ModelFamily {
  const family =
    architecture === undefined ? BY_MODEL_TYPE.get(modelType ?? '') : BY_ARCHITECTURE.get(architecture);
  if (family !== undefined) return family;
  if (modelType === GRAPH_TYPE) {
    throw new EsparseError('unsupported', 'this is a graph of ONNX, and no language model', {
      hint: '`esparse prune`, `plan`, `graph`, `inspect`, `verify`, `export` and `eval --data` take graphs',
    });
  }
  throw new EsparseError(
    'unsupported',
    `model architecture '${architecture ?? modelType ?? '(none named)'}' of config.json is not known`,
    {
      hint: `the known architectures are ${[...BY_ARCHITECTURE.keys()].join(', ')}; --family brings one of your own`,
    },
  );
}
