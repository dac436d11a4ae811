import { DriverError } from '../errors/errors.ts';
import { CommandError } from '../subprocess/exec.ts';

/** What the tools say of a file system whose quotas somebody has turned off. */
const SAID = /quotas? (?:is )?not enabled|no quota enabled|no filesystems? with quota/i;

/** Throws failed-precondition for that, and anything else as it is. */
export const quotasOff = (thrown: unknown): never => {
  if (!isOff(thrown)) throw thrown;
  throw new DriverError('failed-precondition', 'the quotas of the file system are off', { cause: thrown });
};

/** Answers something else for that: nothing is limited there. Throws anything else as it is. */
export const whereOff =
  <Value>(value: Value) =>
  (thrown: unknown): Value => {
    if (isOff(thrown)) return value;
    throw thrown;
  };

const isOff = (thrown: unknown): boolean => {
  const failure = thrown instanceof DriverError ? thrown.cause : thrown;
  return failure instanceof CommandError && SAID.test(failure.stderr);
};
