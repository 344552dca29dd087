/**
 * A pole on a cart: the policy is trained by evolution in plain code, in seconds, and scored by the steps that the pole stands.
 * The physics are those of Gymnasium's CartPole-v1, from wider beginnings and pushed by gusts, so that it takes some skill.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { graphFile } from '@esparse/checkpoint';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { chance, floats, normal, writeNpz } from './arrays.mjs';

const SIZES = [4, 32, 32, 2];
const STEPS = 500;
/** Pairs of policies of one generation, generations, how far they are from their mean, and the rate of its way. */
const [PAIRS, GENERATIONS, SIGMA, RATE] = [24, 60, 0.1, 0.15];

const begin = (next) => Float64Array.from({ length: 4 }, () => 0.3 * (next() - 0.5));
const gust = (next) => 2.5 * normal(next);

/** One fiftieth of a second; false where it has fallen. */
function move(state, right, wind) {
  const [x, v, angle, turn] = state;
  const force = (right ? 10 : -10) + wind;
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
  const push = (force + 0.05 * turn * turn * sin) / 1.1;
  const spin = (9.8 * sin - cos * push) / (0.5 * (4 / 3 - (0.1 * cos * cos) / 1.1));
  const speed = push - (0.05 * spin * cos) / 1.1;
  state.set([x + 0.02 * v, v + 0.02 * speed, angle + 0.02 * turn, turn + 0.02 * spin]);
  return Math.abs(state[0]) <= 2.4 && Math.abs(state[2]) <= 0.2095;
}

/** How many numbers a policy has. */
const COUNT = SIZES.slice(1).reduce((sum, size, i) => sum + size * (SIZES[i] + 1), 0);

/** Which of two actions: the last layer's larger output. */
function act(weights, state) {
  let [values, at] = [state, 0];
  for (let layer = 1; layer < SIZES.length; layer++) {
    const next = new Float64Array(SIZES[layer]);
    for (let o = 0; o < next.length; o++) {
      let sum = weights[at + SIZES[layer] * values.length + o];
      for (let i = 0; i < values.length; i++) sum += weights[at + o * values.length + i] * values[i];
      next[o] = layer + 1 < SIZES.length ? Math.tanh(sum) : sum;
    }
    at += SIZES[layer] * (values.length + 1);
    values = next;
  }
  return values[1] > values[0];
}

function episode(weights, next) {
  const state = begin(next);
  let steps = 0;
  while (steps < STEPS && move(state, act(weights, state), gust(next))) steps++;
  return steps;
}

/** Trains the policy and writes it, with what it sees while it plays, in files of data. */
export function trainPolicy(model, ...files) {
  const next = chance(20231015);
  const mean = Float64Array.from({ length: COUNT }, () => 0.3 * normal(next));
  for (let generation = 0; generation < GENERATIONS; generation++) {
    const way = new Float64Array(COUNT);
    const scores = [];
    const noises = Array.from({ length: PAIRS }, () =>
      Float64Array.from({ length: COUNT }, () => normal(next)),
    );
    for (const noise of noises) {
      for (const sign of [1, -1]) {
        const seed = 2 * generation * PAIRS + scores.length + 1;
        const tried = mean.map((value, i) => value + sign * SIGMA * noise[i]);
        scores.push(episode(tried, chance(seed * 7919)) + episode(tried, chance(seed * 104729)));
      }
    }
    noises.forEach((noise, pair) => {
      const gain = (scores[2 * pair] - scores[2 * pair + 1]) / (2 * STEPS);
      for (let i = 0; i < COUNT; i++) way[i] += gain * noise[i];
    });
    for (let i = 0; i < COUNT; i++) mean[i] += (RATE / SIGMA / PAIRS) * way[i];
  }
  writeFileSync(model, policyFile(mean));
  files.forEach((file, i) => {
    const seen = [];
    const play = chance(7 + 2 * i);
    while (seen.length < 4 * 512) {
      const state = begin(play);
      for (let step = 0; step < STEPS; step++) {
        if (step % 8 === 0) seen.push(...state);
        if (!move(state, act(mean, state), gust(play))) break;
      }
    }
    writeNpz(file, { state: floats(Float32Array.from(seen.slice(0, 4 * 512)), 512, 4) });
  });
}

function policyFile(weights) {
  const constants = {};
  const nodes = [];
  let at = 0;
  let value = 'state';
  for (let layer = 1; layer < SIZES.length; layer++) {
    const [rows, cols] = [SIZES[layer], SIZES[layer - 1]];
    constants[`w${layer}`] = {
      shape: [rows, cols],
      data: Float32Array.from(weights.slice(at, at + rows * cols)),
    };
    constants[`b${layer}`] = {
      shape: [rows],
      data: Float32Array.from(weights.slice(at + rows * cols, at + rows * (cols + 1))),
    };
    at += rows * (cols + 1);
    const isLast = layer + 1 === SIZES.length;
    const made = isLast ? 'action' : `sum${layer}`;
    nodes.push({
      op: 'Gemm',
      inputs: [value, `w${layer}`, `b${layer}`],
      outputs: [made],
      attributes: { transB: 1 },
    });
    if (!isLast) nodes.push({ op: 'Tanh', inputs: [made], outputs: [(value = `layer${layer}`)] });
  }
  return graphFile({
    inputs: [{ name: 'state', shape: ['batch', 4] }],
    constants,
    nodes,
    outputs: ['action'],
  });
}

/** Mean steps that the pole stands, of 200 episodes. */
export async function playPolicy(model) {
  const session = await InferenceSession.create(readFileSync(model), { intraOpNumThreads: 1 });
  const games = Array.from({ length: 200 }, (_, game) => {
    const next = chance(1_000_003 * (game + 1));
    return { state: begin(next), next, stands: true, steps: 0 };
  });
  for (let step = 0; step < STEPS && games.some(({ stands }) => stands); step++) {
    const states = Float32Array.from(games.flatMap(({ state }) => [...state]));
    const { action } = await session.run({ state: new Tensor('float32', states, [games.length, 4]) });
    games.forEach((game, i) => {
      if (!game.stands) return;
      game.stands = move(game.state, action.data[2 * i + 1] > action.data[2 * i], gust(game.next));
      if (game.stands) game.steps++;
    });
  }
  await session.release();
  return games.reduce((sum, { steps }) => sum + steps, 0) / games.length;
}
