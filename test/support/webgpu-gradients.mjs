/** Prints how far the gradients of a model's first block on WebGPU are from those of the processor: node … MODEL. */
import { checkpointWeights, openCheckpoint } from '@esparse/checkpoint';
import { relativeError } from '@esparse/laws';
import { describeCheckpoint, linearsOf, weightSlot } from '@esparse/model';
import { CPU, createBlockLoss, openDevice } from '@esparse/onnx';

const [seqlen, sequences] = [12, 2];
const checkpoint = await openCheckpoint(process.argv[2]);
const description = describeCheckpoint(checkpoint);
const weights = checkpointWeights(checkpoint);
const parameters = new Map();
for (const { name, weight } of linearsOf(description, 0)) {
  parameters.set(weightSlot(name), await weights.read(weight(0)));
}
for (const { slot, name } of description.blockTensors(0)) parameters.set(slot, await weights.read(name));
const zeros = () => new Map([...parameters].map(([slot, { length }]) => [slot, new Float32Array(length)]));
const wave = (step) =>
  Float32Array.from({ length: sequences * seqlen * description.hidden }, (_, i) => Math.sin(step * i));
const example = { input: wave(0.7), target: wave(1.3) };
const found = [];
for (const device of [CPU, await openDevice('webgpu')]) {
  const of = [...parameters.keys()];
  const loss = createBlockLoss(description, { block: 0, seqlen, sequences, of, device });
  const gradients = zeros();
  found.push({ loss: await loss.gradients(example, parameters, zeros(), gradients), gradients });
  await loss.release();
}
const [processor, webgpu] = found;
const errors = [...processor.gradients].map(([slot, values]) =>
  relativeError(webgpu.gradients.get(slot), values),
);
errors.push(Math.abs(webgpu.loss / processor.loss - 1));
process.stdout.write(`${Math.max(...errors)}\n`);
process.exit(0);
