import type * as z from 'zod';

/** Everything that is wrong with a configuration, each with the path of its key. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** A problem with the path of its key. */
export const describeIssue = (issue: z.core.$ZodIssue, nameFirst: (key: string) => string): string => {
  const [first, ...rest] = issue.path.map(String);
  const path = first === undefined ? '' : [nameFirst(first), ...rest].join('.');
  return path === '' ? issue.message : `${path}: ${issue.message}`;
};

export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));
