import * as checkpoint from './index.ts';

test('the public surface is this', () => {
  expect(Object.keys(checkpoint).sort()).toMatchInlineSnapshot(`
   [
     "CALIBRATION_ALGORITHM",
     "GGUF_ARCHITECTURES",
     "INDEX_FILE",
     "SINGLE_FILE",
     "badLine",
     "bytesOf",
     "calibrationWindows",
     "canonicalJson",
     "chatTemplateSource",
     "checkpointWeights",
     "elementsOf",
     "endTokensOf",
     "evaluationWindows",
     "ggufFile",
     "makeTokenText",
     "makeTokenizer",
     "openCheckpoint",
     "openTokenizer",
     "parseJsonLines",
     "readText",
     "readUtf8",
     "safetensorsHeader",
     "shardName",
     "tensorBytes",
     "tensorToF32",
     "tensorToHalf",
     "tokenizerFiles",
     "transposedBytes",
     "wholeCharacters",
     "writeCheckpoint",
   ]
  `);
});
