import * as checkpoint from './index.ts';

test('the public surface is this', () => {
  expect(Object.keys(checkpoint).sort()).toMatchInlineSnapshot(`
   [
     "CALIBRATION_ALGORITHM",
     "INDEX_FILE",
     "SINGLE_FILE",
     "calibrationWindows",
     "canonicalJson",
     "checkpointWeights",
     "endTokensOf",
     "evaluationWindows",
     "makeTokenText",
     "makeTokenizer",
     "openCheckpoint",
     "openTokenizer",
     "readText",
     "safetensorsHeader",
     "shardName",
     "tensorBytes",
     "tensorToF32",
     "tensorToHalf",
     "tokenizerFiles",
     "writeCheckpoint",
   ]
  `);
});
