/** Sounds from espeak-ng with silence between, and what of them Silero VAD takes for a voice. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { chance, floats, longs, normal, writeNpz } from './arrays.mjs';

const RATE = 16000;
/** Samples of a frame, and of the one before that the network sees with it. */
const [FRAME, CONTEXT] = [512, 64];
const VOICES = ['en-gb', 'en-us', 'de', 'fr', 'es', 'it', 'nl', 'sv'];
const SENTENCES = [
  'The quick brown fox jumps over the lazy dog.',
  'Seven hundred and forty two.',
  'Where have all the flowers gone, long time passing?',
  'Please hold the line.',
  'It was a bright cold day in April, and the clocks were striking thirteen.',
  'Yes.',
  'A journey of a thousand miles begins with a single step.',
  'Nobody expects this at all.',
];

/** A sentence at 16 kHz, from its first sound to its last. */
function say(sentence, voice, speed, pitch) {
  const wav = execFileSync('espeak-ng', [
    '--stdout',
    '-v',
    voice,
    '-s',
    `${speed}`,
    '-p',
    `${pitch}`,
    sentence,
  ]);
  const rate = wav.readUInt32LE(24);
  const sound = new Int16Array(new Uint8Array(wav.subarray(44, wav.length - (wav.length % 2))).buffer);
  const length = Math.floor((sound.length * RATE) / rate);
  const out = Float32Array.from({ length }, (_, i) => {
    const place = (i * rate) / RATE;
    const before = Math.floor(place);
    const share = place - before;
    return ((1 - share) * sound[before] + share * (sound[before + 1] ?? 0)) / 32768;
  });
  const heard = out.map((value) => (Math.abs(value) > 0.01 ? 1 : 0));
  return out.slice(heard.indexOf(1), heard.lastIndexOf(1));
}

/** Sentences with silence between, and noise over all: the samples, and whether each frame is half of a voice or more. */
function track(seed, sentences) {
  const next = chance(seed);
  const pieces = [];
  for (let i = 0; i < sentences; i++) {
    pieces.push({ sound: new Float32Array(Math.floor(RATE * (0.4 + next()))), voice: 0 });
    const sentence = SENTENCES[Math.floor(next() * SENTENCES.length)];
    const voice = VOICES[Math.floor(next() * VOICES.length)];
    const loud = 0.15 + 0.6 * next();
    const said = say(sentence, voice, 130 + Math.floor(70 * next()), 20 + Math.floor(60 * next()));
    pieces.push({ sound: said.map((value) => loud * value), voice: 1 });
  }
  const length = pieces.reduce((sum, { sound }) => sum + sound.length, 0);
  const samples = new Float32Array(length);
  const voiced = new Uint8Array(length);
  let [at, low] = [0, 0];
  for (const { sound, voice } of pieces) {
    samples.set(sound, at);
    voiced.fill(voice, at, (at += sound.length));
  }
  const noise = 0.004 + 0.02 * next();
  for (let i = 0; i < length; i++) {
    low = 0.9 * low + 0.3 * normal(next);
    samples[i] += noise * low;
  }
  const frames = Math.floor(length / FRAME);
  const truth = Array.from({ length: frames }, (_, f) => {
    const part = voiced.subarray(f * FRAME, (f + 1) * FRAME);
    return part.reduce((sum, value) => sum + value, 0) > FRAME / 2;
  });
  return { samples, truth };
}

/** How sure the network is of a voice in each frame of a track; `see` is called with what goes into it. */
async function listen(session, { samples, truth }, see = () => undefined) {
  let state = new Float32Array(2 * 128);
  const sr = new Tensor('int64', BigInt64Array.of(BigInt(RATE)), []);
  const found = [];
  for (let f = 0; f < truth.length; f++) {
    const input = new Float32Array(CONTEXT + FRAME);
    const from = f * FRAME - CONTEXT;
    input.set(samples.subarray(Math.max(0, from), (f + 1) * FRAME), Math.max(0, -from));
    see(input, state);
    const { output, stateN } = await session.run({
      input: new Tensor('float32', input, [1, input.length]),
      state: new Tensor('float32', state, [2, 1, 128]),
      sr,
    });
    state = Float32Array.from(stateN.data);
    found.push(output.data[0]);
  }
  return found;
}

/** Frames of speech and of silence, with the dense network's state before each. */
export async function speechData(model, data, seed, count) {
  const session = await InferenceSession.create(readFileSync(model), { intraOpNumThreads: 1 });
  const [inputs, states] = [[], []];
  const next = chance(seed);
  while (inputs.length < count) {
    await listen(session, track(Math.floor(1e9 * next()), 6), (input, state) => {
      if (next() > 0.25 || inputs.length >= count) return;
      inputs.push(input);
      states.push(state);
    });
  }
  await session.release();
  const flat = (rows) => Float32Array.from(rows.flatMap((row) => [...row]));
  writeNpz(data, {
    input: floats(flat(inputs), count, 1, CONTEXT + FRAME),
    state: floats(flat(states), count, 2, 1, 128),
    sr: longs([RATE]),
  });
}

/** The harmonic mean of how much of the voice is found, and how much of what is found is a voice: of frames, in percent. */
export async function voiceScore(model) {
  const session = await InferenceSession.create(readFileSync(model), { intraOpNumThreads: 1 });
  let [both, either] = [0, 0];
  for (let seed = 1; seed <= 12; seed++) {
    const one = track(100_003 * seed, 8);
    (await listen(session, one)).forEach((sure, f) => {
      const found = sure >= 0.5;
      both += found && one.truth[f] ? 1 : 0;
      either += (found ? 1 : 0) + (one.truth[f] ? 1 : 0);
    });
  }
  await session.release();
  return (100 * 2 * both) / either;
}

/** A track as a picture (low tones at the bottom, a column for each frame), where its voices are, and how sure a network is. */
export async function heardIn(model, seed, sentences) {
  const one = track(seed, sentences);
  const session = await InferenceSession.create(readFileSync(model), { intraOpNumThreads: 1 });
  const chances = await listen(session, one);
  await session.release();
  const [frames, bins] = [one.truth.length, FRAME / 4];
  const spectrum = new Float32Array(frames * bins);
  const angles = Float64Array.from({ length: FRAME }, (_, i) => (2 * Math.PI * i) / FRAME);
  for (let f = 0; f < frames; f++) {
    for (let bin = 0; bin < bins; bin++) {
      let [re, im] = [0, 0];
      for (let i = 0; i < FRAME; i++) {
        const value = one.samples[f * FRAME + i] * (0.5 - 0.5 * Math.cos(angles[i]));
        re += value * Math.cos(angles[(bin * i) % FRAME]);
        im += value * Math.sin(angles[(bin * i) % FRAME]);
      }
      // From -10 to 30 decibels of the sum.
      spectrum[(bins - 1 - bin) * frames + f] = 1 - (10 * Math.log10(re * re + im * im + 1e-9) + 10) / 40;
    }
  }
  return { spectrum, bins, frames, truth: one.truth, chances };
}
