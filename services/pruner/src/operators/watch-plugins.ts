import type { GuardOptions, PluginCall } from '@esparse/dataflow';
import type { OperatorMeter } from './meter.ts';
import { operatorOfCall } from './names.ts';

type Watch = NonNullable<GuardOptions['watch']>;

/** Watches calls of plug-ins as `watch` does, and measures the operators that they are of. */
export function watchPlugins(meter: OperatorMeter, watch: Watch): Watch {
  return (call) => {
    const leave = watch(call);
    const operator = operatorOfCall(call);
    if (operator === undefined) return leave;
    const end = meter.busy(operator);
    return () => {
      leave();
      end();
      if (isOfLinear(call)) meter.done(operator, 1);
    };
  };
}

/** Calls of metrics, shuffles and stages, and of block stages, are about one thing each; statistics count rows elsewhere. */
function isOfLinear({ plugin, context }: PluginCall): boolean {
  return context?.block !== undefined && !plugin.startsWith('statistic ');
}
