const MIB = 1024 * 1024;

/** Requests under way at once, of all that this process does in S3: more sockets than these give no more bytes. */
export const MAX_REQUESTS = 32;
/**
 * Tries of a request that fails by S3's or the network's fault, with pauses that double up to 20 s, and of a body that
 * breaks off, which is asked for again from there; AWS_MAX_ATTEMPTS overrides it.
 */
export const MAX_ATTEMPTS = 8;
/** How long a connection may take to be made. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** How long a connection may be silent in the middle of a request. */
export const IDLE_TIMEOUT_MS = 60_000;

/** Objects up to this size are put in one request, larger ones in parts of it: 10 000 parts are allowed, 4 GiB need 256. */
export const PART_BYTES = 16 * MIB;
/** Parts of one object under way at once: four of them fill a fast connection, and hold 64 MiB at most. */
export const PARTS_IN_FLIGHT = 4;
/** What is fetched of an object when it is opened: most arrays and all documents are smaller, and need no second request. */
export const PREFETCH_BYTES = 256 * 1024;
/** The first pause before a body that broke off is asked for again; it doubles. */
export const BODY_PAUSE_MS = 100;
/** Most keys of one request to delete: the limit of S3. */
export const MAX_DELETE_KEYS = 1000;
/** Times that a conditional write is repeated which S3 gave up because another was under way (409). */
export const CONFLICT_ATTEMPTS = 5;
/** Most pages of one list: of a thousand keys each, a hundred million. A server that gives more does not come to an end. */
export const MAX_PAGES = 100_000;
