export {
  blockStageLaws,
  encodingLaws,
  marbles,
  metricLaws,
  shuffleLaws,
  stageLaws,
  statisticLaws,
  syntheticSequence,
  syntheticTiles,
  type Activations,
  type EncodingLawOptions,
  type LawOptions,
  type Marbles,
  type MarbleValues,
  type ShuffleLawOptions,
  type StatisticLawOptions,
  type SyntheticOptions,
  type Watched,
} from '@esparse/laws';
export { familyLaws, type FamilyLawOptions } from './family-laws.ts';
export { startFakeWorker, type FakeWorker, type FakeWorkerOptions } from './fake-worker.ts';
export {
  runPipeline,
  type PipelineRun,
  type RunLinear,
  type RunPipelineOptions,
  type SyntheticLinear,
} from './run-pipeline.ts';
