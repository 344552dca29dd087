import { intOf, wordOf } from '../messages.ts';
import { NOT_CONSTANT, type ConstantFacts, type NodeLinear, type Operator } from './operator.ts';

/**
 * LSTM and GRU: for each direction the matrix of the inputs, and that of the state, which is the node's own output one step
 * before. Their rows are those of all gates together.
 */
export const recurrent: Operator = (node, { constantOf, rowsOf }) => {
  const [input = '', weight = '', states = '', , lengths = '', initial = ''] = node.input;
  const [w, r] = [weight, states].map((value) => constantOf(value) ?? oneDirection(rowsOf(value)));
  if (w === undefined || r === undefined) return NOT_CONSTANT;
  if (intOf(node, 'layout', 0) !== 0) return 'its layout has the batch first';
  const perGate = intOf(node, 'hidden_size', 0);
  const direction = wordOf(node, 'direction', 'forward');
  const [directions = 0, gates = 0, inputs = 0] = w.shape;
  const hidden = r.shape[2] ?? 0;
  const isSound = gates === r.shape[1] && (perGate === 0 || (hidden === perGate && gates % perGate === 0));
  if (w.shape.length !== 3 || r.shape.length !== 3 || !isSound) {
    return 'its weights have an unknown shape';
  }
  const linears: NodeLinear[] = [];
  for (let d = 0; d < directions; d++) {
    const backwards = direction === 'reverse' || d === 1;
    const suffix = backwards && directions > 1 ? '_reverse' : '';
    linears.push({
      suffix: `.input${suffix}`,
      ...{ rows: gates, cols: inputs, facts: w },
      source: { from: 'rows', value: input },
      place: placeOf(w.tensor, d, gates, inputs),
    });
    // Where sequences end at different times their states are not simply one step late.
    if (lengths !== '') continue;
    linears.push({
      suffix: `.state${suffix}`,
      ...{ rows: gates, cols: hidden, facts: r },
      source: {
        from: 'states',
        value: stateValue(node.output),
        ...(initial !== '' && { initial }),
        ...{ direction: d, backwards },
      },
      place: placeOf(r.tensor, d, gates, hidden),
    });
  }
  return linears;
};

/** Weights that exporters put together from the rows of a matrix, a gate after the other, have no axis of directions there. */
function oneDirection(found: ConstantFacts | undefined): ConstantFacts | undefined {
  return found && { ...found, shape: [1, ...found.shape] };
}

/** The value of all states of a node; a name of our own where the graph does not take it. */
export function stateValue([all = '', ...others]: readonly string[]): string {
  return all === '' ? `${others.find((name) => name !== '') ?? ''}/states` : all;
}

function placeOf(tensor: number, direction: number, rows: number, cols: number): NodeLinear['place'] {
  return {
    tensor,
    base: direction * rows * cols,
    rowStride: cols,
    inner: cols,
    innerStride: 1,
    outerStride: 0,
  };
}
