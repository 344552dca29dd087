/** Pruned models in the formats of other programs: a format says which files make a run up, `exportRun` writes them. */
export { EXPORT_DTYPES, type ExportDtype } from './dtype/dtypes.ts';
export type { RoundedTensors } from './dtype/in-dtype.ts';
export { exportRun, type ExportOptions, type ExportProgress, type ExportReport } from './export-run.ts';
export type { FoldedLinear } from './fold/fold-source.ts';
export type { ExportFile, ExportFormat } from './format.ts';
export { FORMATS } from './formats/index.ts';
export {
  importCheckpoint,
  importWeights,
  type ImportOptions,
  type ImportProgress,
  type ImportReport,
} from './import-weights.ts';
export { graphOfRun } from './graph/run-graph.ts';
