export { enginePerplexity, type EnginePerplexityOptions } from './engine-perplexity.ts';
export {
  perplexity,
  type Perplexity,
  type PerplexityOptions,
  type PerplexityProgress,
} from './perplexity.ts';
