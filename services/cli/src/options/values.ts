import { InvalidArgumentError } from 'commander';

/** A whole number in [least, most]. */
export function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}

/** A number in (least, most]. */
export function above(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value > least && value <= most) return value;
    throw new InvalidArgumentError(`Expected a number above ${least}, up to ${most}.`);
  };
}

/** Any whole number that a double holds exactly. */
export function anyInteger(text: string): number {
  const value = Number(text);
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError('Expected a whole number.');
  }
  return value;
}

/** Collects an option that may be given several times. */
export function collect(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), text];
}

/** Targets of gRPC, separated by commas: HOST:PORT, or a name such as dns:///workers:7070. */
export function targets(text: string): string[] {
  // These name several addresses themselves.
  const parts = /^ipv[46]:/.test(text) ? [text] : text.split(',');
  return parts.map((part) =>
    /^(dns|ipv4|ipv6):\S+:\d+$/.test(part.trim()) ? part.trim() : hostPort(part.trim()),
  );
}

/** Names of hosts, separated by commas, added to those before. */
export function hostNames(text: string, before: readonly string[] | undefined): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.some((name) => !/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(name))) {
    throw new InvalidArgumentError('Expected names of hosts without ports, such as models.example.org.');
  }
  return [...(before ?? []), ...names];
}

/** HOST:PORT, where HOST may be a bracketed IPv6 address. */
export function hostPort(text: string): string {
  const match = /^(\[[0-9a-fA-F:]+\]|[^\s:]+):(\d{1,5})$/.exec(text);
  if (match === null || Number(match[2]) > 65535) {
    throw new InvalidArgumentError('Expected HOST:PORT, such as 127.0.0.1:7070.');
  }
  return text;
}

/** Text with something in it: an empty path, such as that of an unset variable of the shell, is the current folder. */
export function notEmpty(text: string): string {
  if (text === '') throw new InvalidArgumentError('It is empty.');
  return text;
}
