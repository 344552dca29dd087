/** Each output is of the same place of the one input that varies, or of all places alike. */
export const ELEMENTWISE = [
  ...[
    'Relu',
    'LeakyRelu',
    'Elu',
    'Selu',
    'Celu',
    'ThresholdedRelu',
    'Sigmoid',
    'HardSigmoid',
    'HardSwish',
    'Tanh',
    'Softplus',
  ],
  ...[
    'Softsign',
    'Erf',
    'Gelu',
    'Mish',
    'Clip',
    'Identity',
    'Neg',
    'Abs',
    'Sqrt',
    'Exp',
    'Log',
    'Reciprocal',
    'Sin',
    'Cos',
  ],
  ...['Ceil', 'Floor', 'Round', 'Sign', 'Cast', 'Dropout'],
  // Along the channels or not: each output is of all channels alike.
  ...['Softmax', 'LogSoftmax', 'LpNormalization', 'MeanVarianceNormalization'],
];
/** Inputs that are stretched to the largest. */
export const BROADCASTS = ['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'Pow', 'PRelu', 'Sum', 'Mean', 'Where'];
/** Over the positions of each channel. */
export const POOLS = ['MaxPool', 'AveragePool', 'LpPool', 'GlobalAveragePool', 'GlobalMaxPool'];
/** Sums and the like over axes: the same in any order of what is summed. */
export const REDUCTIONS = [
  'ReduceMean',
  'ReduceSum',
  'ReduceMax',
  'ReduceMin',
  'ReduceL1',
  'ReduceL2',
  'ReduceSumSquare',
  'ReduceProd',
  'ReduceLogSum',
  'ReduceLogSumExp',
];
