const { default: TestSequencer } = require('@jest/test-sequencer');

/**
 * Long files first, so that none is left when the others are done: where nothing is known of earlier runs, as on a machine
 * that checks a change, Jest goes by the size of a file, which says little of a test that starts processes.
 */
module.exports = class extends TestSequencer {
  sort(tests) {
    const rank = ({ path }) => (path.endsWith('.long.test.ts') ? 0 : path.includes('/e2e/') ? 1 : 2);
    return super.sort(tests).sort((a, b) => rank(a) - rank(b));
  }
};
