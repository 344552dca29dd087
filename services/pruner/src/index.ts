export type { PruneEvent, PruneReport } from './events.ts';
export { parseLayerRule, type LayerRule } from './layers.ts';
export {
  startLocalWorkers,
  type LocalWorkerOptions,
  type LocalWorkers,
  type WorkerReady,
} from './local-worker.ts';
export type { PruneOptions } from './options.ts';
export { prune, type PruneDependencies } from './prune.ts';
export { planRun } from './plan/plan.ts';
export type { PlanOptions, RunPlan } from './plan/run-plan.ts';
export { isSolver } from './solver-device.ts';
export type { Phase } from './stopwatch.ts';
export { MIN_EXPERT_TOKENS } from './starved-experts.ts';
export { operatorUnits } from './operators/names.ts';
export { comparesOutputs, figureStatistics } from './statistics.ts';
export { startWatchdog, type Watchdog } from './watchdog.ts';
export { planGraph, type GraphPlan, type PlannedCut } from './plan/graph-plan.ts';
