import * as checkpoint from './index.ts';

test('the public surface is this', () => {
  expect(Object.keys(checkpoint).sort()).toMatchInlineSnapshot(`
   [
     "CALIBRATION_ALGORITHM",
     "DOCUMENT_SEPARATOR",
     "MAX_TEXT_BYTES",
     "MAX_UNCUT_CHARACTERS",
     "calibrationWindows",
     "canonicalJson",
     "checkpointWeights",
     "endTokensOf",
     "evaluationWindows",
     "makeTokenText",
     "makeTokenizer",
     "openCheckpoint",
     "openCheckpointIn",
     "openTokenizer",
     "readText",
     "tensorToF32",
     "tensorToHalf",
     "tokenizerFiles",
     "tokenizerFilesIn",
     "writeCheckpoint",
   ]
  `);
});
