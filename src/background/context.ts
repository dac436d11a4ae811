import type { Context } from '../volumes/context.ts';
import type { Auditor } from './auditor.ts';
import type { Purger } from './purger.ts';

/** What opens the pools and stops the driver controls; the operations only wake the purger and ask the auditor. */
export interface BackgroundContext extends Context {
  readonly purger: Purger;
  readonly auditor: Auditor;
}
