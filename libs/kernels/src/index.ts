export { addon } from './addon.ts';
export { widen, widenReference, type HalfDtype } from './widen.ts';
