/** What `esparse report` shows of a run, gathered from its store; @esparse/report-page is how it is shown. */
export { gatherReport, ReportMemory, type Report, type ReportOptions } from './gather.ts';
export { bitsPerWeight } from './gathered.ts';
export { readPoints } from './points.ts';
export { readPruneLog, type PruneLog } from './prune-log.ts';
