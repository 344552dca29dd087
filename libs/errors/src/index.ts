export {
  EsparseError,
  isEsparseError,
  messageOf,
  toEsparseError,
  whereThrown,
  type ErrorDetails,
} from './error.ts';
export { ERROR_KINDS, isErrorKind, type ErrorKind } from './error-kind.ts';
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
export { faultInWords } from './fault-in-words.ts';
export { cannotListen } from './listen-error.ts';
export { invalidField, isRequestError, RequestError, type RequestErrorDetails } from './request-error.ts';
