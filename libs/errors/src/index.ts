export {
  EsparseError,
  isEsparseError,
  messageOf,
  toEsparseError,
  whereThrown,
  type ErrorDetails,
  type ErrorKind,
} from './error.ts';
export {
  EXIT_BAD_INPUT,
  EXIT_BROKEN_PIPE,
  EXIT_CANCELLED,
  EXIT_FAILURE,
  EXIT_OK,
  EXIT_TERMINATED,
  EXIT_TRY_AGAIN,
  exitCodeOf,
} from './exit-codes.ts';
