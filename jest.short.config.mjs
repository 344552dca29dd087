/** `npm test`: all but the files called *.long.test.ts. */
import everything from './jest.config.mjs';

export default {
  ...everything,
  testPathIgnorePatterns: [...everything.testPathIgnorePatterns, '\\.long\\.test\\.ts$'],
};
