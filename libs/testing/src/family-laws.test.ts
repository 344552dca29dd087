import { tinyLlama } from '@esparse/laws';
import { defineFamily, describeLlamaDecoder, LLAMA_FIELDS, type FamilyDescription } from '@esparse/model';
import { z } from 'zod';
import { familyLaws } from './family-laws.ts';

/** A LLaMA under another name, with something about its description changed. */
function family(name: string, change: (description: FamilyDescription) => FamilyDescription) {
  const architecture = `${name}ForCausalLM`;
  const own = defineFamily({
    name,
    architectures: [architecture],
    config: z.object(LLAMA_FIELDS),
    describe: (config) => change(describeLlamaDecoder(config, { biased: new Set() })),
  });
  return { own, config: { ...tinyLlama().config, architectures: [architecture] } };
}

test('a family whose runtimes agree passes, also a second time', async () => {
  const { own, config } = family('sound', (description) => description);
  await familyLaws(own, config);
  await familyLaws(own, config, { seed: 1, tokens: 5 });
});

test('logits that differ by more than the tolerance are told, and by how much', async () => {
  const { own, config } = family('compared', (description) => description);
  await expect(familyLaws(own, config, { tolerance: 0 })).rejects.toThrow(
    /^model family compared: the logits of the engine and of ONNX Runtime differ by \d.* of the largest$/,
  );
});

test.each<[law: string, name: string, change: (description: FamilyDescription) => FamilyDescription]>([
  [
    'two of its tensors are called model.layers.0.self_attn.q_proj.weight',
    'one-name',
    (description) => ({
      ...description,
      linears: description.linears.map((linear) => ({ ...linear, weight: () => linear.weight(0) })),
    }),
  ],
  [
    "describes no model: its block does not define 'output'",
    'no-end',
    ({ program, ...description }) => ({
      ...description,
      program: { ...program, blocks: [program.blocks[0]!.slice(0, -1)] },
    }),
  ],
])('refused: %s', async (law, name, change) => {
  const { own, config } = family(name, change);
  await expect(familyLaws(own, config)).rejects.toThrow(law);
});

test('a family that describes itself otherwise each time, or another family’s model, is refused', async () => {
  let calls = 0;
  const { own, config } = family('fickle', (description) => ({
    ...description,
    maxPositions: 100 + calls++,
  }));
  await expect(familyLaws(own, config)).rejects.toThrow('its description is another each time');
  const { own: other } = family('other', (description) => description);
  await expect(familyLaws(other, tinyLlama().config)).rejects.toThrow('described by the family llama');
});
