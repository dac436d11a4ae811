import { parseArgs } from 'node:util';
import { FULL, type Plan, QUICK } from './plan.ts';

export interface Options {
  readonly plan: Plan;
  /** Where all numbers go besides, as JSON. */
  readonly json: string | undefined;
}

/** `[--quick] [--json FILE]`. Throws for anything else. */
export const parseOptions = (args: readonly string[]): Options => {
  const options = { quick: { type: 'boolean', default: false }, json: { type: 'string' } } as const;
  const { values } = parseArgs({ args: [...args], options });
  return { plan: values.quick ? QUICK : FULL, json: values.json };
};
