import { EsparseError } from '@esparse/errors';
import type { BlockTensorSpec, LinearSpec, TapSpec } from '../description.ts';
import { expertPart } from '../expert.ts';
import { MAX_ALL_EXPERTS } from '../limits.ts';
import type { BlockOp } from '../operations/index.ts';

/** A mixture of experts in the place of a block's MLP: each is a gated MLP of its own. */
export interface Mixture {
  readonly experts: number;
  /** Experts that a token is sent to. */
  readonly top: number;
  /** Width of each. */
  readonly inner: number;
  /** Whether the shares of a token's experts add up to 1. */
  readonly normalise: boolean;
  /** The part of a layer that holds it, by the checkpoint's name, such as 'mlp'. */
  readonly part: string;
  /** What the router is called there. @default 'gate' */
  readonly router?: string;
  /** Whether the router and all linears of the experts have biases. @default false */
  readonly biased?: boolean;
  /** The checkpoint's names of an expert's linears: of those that are called gate_proj, up_proj and down_proj here. */
  readonly names: readonly [gate: string, up: string, down: string];
}

/** @throws EsparseError 'checkpoint' where a token is sent to more experts than there are, or there are absurdly many */
export function checkMixture({ experts, top }: Mixture, layers: number): void {
  if (experts * layers > MAX_ALL_EXPERTS) {
    throw new EsparseError(
      'checkpoint',
      `config.json: ${layers} layers of ${experts} experts are more than ${MAX_ALL_EXPERTS} experts`,
    );
  }
  if (top <= experts) return;
  throw new EsparseError(
    'checkpoint',
    `config.json: a token is sent to ${top} experts (num_experts_per_tok), and there are ${experts}`,
  );
}

/** Slots of the router and of its bias. */
const ROUTER = 'router';
const ROUTER_BIAS = 'router_bias';

/** From 'mlp_in' to 'mlp_delta'. @param mlp the program of one expert, between the same */
export function mixtureOps(
  { experts, top, normalise, biased = false }: Mixture,
  mlp: readonly BlockOp[],
): BlockOp[] {
  const router = { weight: ROUTER, ...(biased && { bias: ROUTER_BIAS }) };
  return [
    { op: 'router', input: 'mlp_in', output: 'routing', ...router, experts, top, normalise },
    { op: 'experts', input: 'mlp_in', routing: 'routing', output: 'mlp_delta', experts, program: mlp },
  ];
}

/** The linears of all experts, in the blocks of these kinds. */
export function mixtureLinears(
  { experts, inner, part, names, biased = false }: Mixture,
  hidden: number,
  kinds: readonly number[],
): LinearSpec[] {
  return Array.from({ length: experts }, (_, expert) => {
    const linear = (name: string, stored: string, tap: string, rows: number, cols: number): LinearSpec => {
      const stem = (block: number) => `model.layers.${block}.${part}.experts.${expert}.${stored}`;
      return {
        name: expertPart(expert, name),
        tap: expertPart(expert, tap),
        rows,
        cols,
        weight: (block) => `${stem(block)}.weight`,
        ...(biased && { bias: (block: number) => `${stem(block)}.bias` }),
        expert,
        kinds,
      };
    };
    return [
      linear('gate_proj', names[0], 'mlp_in', inner, hidden),
      linear('up_proj', names[1], 'mlp_in', inner, hidden),
      linear('down_proj', names[2], 'mlp_out', hidden, inner),
    ];
  }).flat();
}

/** What the experts' linears read: the tokens that are routed there. */
export function mixtureTaps(
  { experts, inner }: Mixture,
  hidden: number,
  kinds: readonly number[],
): TapSpec[] {
  return Array.from({ length: experts }, (_, expert) => [
    { name: expertPart(expert, 'mlp_in'), channels: hidden, expert, kinds },
    { name: expertPart(expert, 'mlp_out'), channels: inner, expert, kinds },
  ]).flat();
}

/** The router of a block. */
export function mixtureTensors(
  { experts, part, router = 'gate', biased = false }: Mixture,
  hidden: number,
  block: number,
): BlockTensorSpec[] {
  const stem = `model.layers.${block}.${part}.${router}`;
  const weight = { slot: ROUTER, name: `${stem}.weight`, shape: [experts, hidden] };
  return biased ? [weight, { slot: ROUTER_BIAS, name: `${stem}.bias`, shape: [experts] }] : [weight];
}
