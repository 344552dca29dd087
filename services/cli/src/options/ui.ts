import { Option } from 'commander';
import { hostPort, notEmpty } from './values.ts';

/** Where a run can be looked at. */
export interface UiFlags {
  readonly ui?: string;
  readonly uiKeyFile?: string | undefined;
}

/** --ui and --ui-key-file, of the commands that show a run. */
export function uiOptions(address: string | undefined): Option[] {
  const ui = new Option(
    '--ui <host:port>',
    `address of a page that shows the run while it goes on, and of /metrics for Prometheus; port 0 picks a free one${address === undefined ? ' (default: none)' : ''}`,
  )
    .env('ESPARSE_UI')
    .argParser(hostPort);
  return [
    address === undefined ? ui : ui.default(address),
    new Option(
      '--ui-key-file <file>',
      'file of keys, one a line, of which the page asks for one: needed for any address but one of loopback (default: none)',
    )
      .env('ESPARSE_UI_KEY_FILE')
      .argParser(notEmpty),
  ];
}
