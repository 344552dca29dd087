/** A URL without its user and password: up to the last @ before the path is the user's part. Takes any text. */
export function withoutUser(url: string): string {
  return url.replace(/^([^/]*\/\/)[^/?#]*@/, '$1');
}

/** A URL without user, password, query (which may hold a signature) and fragment. Takes any text. */
export function withoutSecrets(url: string): string {
  return withoutUser(url).replace(/[?#].*$/s, '');
}
