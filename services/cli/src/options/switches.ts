import type { Command } from 'commander';

const YES: ReadonlySet<string> = new Set(['true', '1', 'yes', 'on']);
const NO: ReadonlySet<string> = new Set(['false', '0', 'no', 'off', '']);

/**
 * Makes the variable of an option without a value mean what it says. Commander looks only at whether it is set, so that
 * `ESPARSE_INSECURE=false` would serve anybody. One that says no is taken away: it is as if it were not set, to what this
 * process starts, too. What is neither yes nor no is refused.
 */
export function readSwitches(command: Command): void {
  for (const option of command.options) {
    const { envVar: variable, flags } = option;
    if (variable === undefined || !option.isBoolean()) continue;
    const said = process.env[variable]?.trim().toLowerCase();
    if (said === undefined || YES.has(said)) continue;
    if (!NO.has(said)) {
      command.error(
        `error: option '${flags}' value '${said}' from env '${variable}' is invalid. Expected true or false.`,
      );
    }
    // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- a variable is set to a text, or is not there
    delete process.env[variable];
  }
}
