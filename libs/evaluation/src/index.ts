export {
  perplexity,
  type Perplexity,
  type PerplexityOptions,
  type PerplexityProgress,
} from './perplexity.ts';
