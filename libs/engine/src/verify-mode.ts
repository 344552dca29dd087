/** When the checksums of a run are compared: before anything is computed, meanwhile, or never. */
export type VerifyMode = 'full' | 'background' | 'none';
