import * as checkpoint from './index.ts';

test('the public surface is this', () => {
  expect(Object.keys(checkpoint).sort()).toMatchInlineSnapshot(`
   [
     "CALIBRATION_ALGORITHM",
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
     "tensorToF32",
     "tensorToHalf",
     "tokenizerFiles",
     "writeCheckpoint",
   ]
  `);
});
