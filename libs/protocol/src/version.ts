/**
 * Version of the protocol in `proto/esparse/v1`. Raised only by a change that an older peer would misread; new
 * fields and methods do not raise it.
 */
export const PROTOCOL_VERSION = 1;

/** Version of the software, told by `Describe`. */
export const SOFTWARE_VERSION = '0.1.0';
