/**
 * A metric of one's own: |W| times a power of the channel's amplitude. 0 is magnitude pruning, 1 is Wanda.
 *
 *   npx esparse prune --pipeline examples/plugins/amplitude-power.ts --set power=0.5 \
 *     --model examples/models/llama-2m --calibration examples/text/calibration.txt --store out/power.zarr
 */
import {
  channelAmplitude,
  defineMetric,
  definePipeline,
  scoreByChannel,
  SHUFFLES,
  shuffleOption,
  z,
} from '@esparse/api';

const options = z.object({
  power: z.number().min(0).default(0.5).describe('power of the amplitude: 0 is magnitude, 1 is Wanda'),
});

export const amplitudePower = defineMetric({
  name: 'amplitude-power',
  options,
  // What is declared here is gathered, and nothing else: its reading comes back under the same name.
  statistics: { amplitude: channelAmplitude },
  score: ({ dtype, weights, rows, cols, statistics: { amplitude } }, { options: { power } }) =>
    scoreByChannel(
      dtype,
      weights,
      rows,
      cols,
      amplitude.map((value) => value ** power),
    ),
});

export default definePipeline({
  name: 'amplitude-power',
  summary: '|W| times a power of the amplitude',
  options: options.extend({ shuffle: shuffleOption('none') }),
  create: ({ power, shuffle }) => ({ metric: amplitudePower({ power }), shuffle: SHUFFLES[shuffle]() }),
});
