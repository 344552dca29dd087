/** The pages that show runs: that of `esparse report` as one HTML file, and the live one, with what it shows of a run. */
export { FACT_GROUPS, MAX_LEVEL } from './data.ts';
export type {
  BlockData,
  ChannelImportance,
  Excerpt,
  Fact,
  FactGroup,
  FrontierPoint,
  LinearData,
  MaskRows,
  Missing,
  Numbers,
  ReportData,
  Roofline,
  ShownChannels,
  TapData,
} from './data.ts';
export { ranksOf } from './ranks.ts';
export { renderPage } from './render-page.ts';
export type {
  LiveDetail,
  LiveEvent,
  LiveGraph,
  LiveLinear,
  LiveOperator,
  LivePhase,
  LiveWorker,
} from './live/events.ts';
export { livePage, type LivePage } from './live/render-live-page.ts';
export { after, NO_STATE, type LiveState } from './live/state.ts';
export { bytesInWords, secondsInWords } from './units.ts';
