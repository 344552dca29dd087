import { SAMPLING_OPTIONS } from '@esparse/engine';
import { within } from './sampling.ts';

test.each(Object.entries(SAMPLING_OPTIONS))(
  '%s of generate has the range that the engine gives it',
  (_, option) => {
    const { request } = option;
    const parse = within(request);
    expect(parse(String(request.default))).toBe(request.default);
    expect(parse(String(request.max))).toBe(request.max);
    for (const bad of [String(request.max + 1), String((request.min ?? -1) - 1), 'NaN', '', 'x'])
      expect(() => parse(bad)).toThrow(new RegExp(`at most ${request.max}|to ${request.max}`));
  },
);
