/** The page of `esparse report`, as one HTML file: what it shows is data, how it shows it is bundled with it. */
export { FACT_GROUPS, MAX_LEVEL } from './data.ts';
export type {
  BlockData,
  ChannelImportance,
  ChannelTokens,
  Fact,
  FactGroup,
  FrontierPoint,
  LinearData,
  MaskRows,
  Missing,
  Numbers,
  ReportData,
  Roofline,
  TapData,
} from './data.ts';
export { renderPage } from './render-page.ts';
