import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { ConfigError } from '../config/error.ts';
import { OPTION_FLAGS } from '../config/options.ts';

export interface TakenFlags {
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly positionals: readonly string[];
  /** The flags that every command has, as they were. */
  readonly rest: readonly string[];
}

/** Takes a command's own flags and arguments out of a command line. Throws ConfigError for a flag that nobody knows. */
export const takeFlags = (args: readonly string[], own: Readonly<Record<string, 'string' | 'boolean'>>): TakenFlags => {
  const options: ParseArgsOptionsConfig = {};
  for (const flag of OPTION_FLAGS) options[flag] = { type: 'string' };
  for (const [flag, type] of Object.entries(own)) options[flag] = { type };
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, strict: true, allowPositionals: true });
    const given = OPTION_FLAGS.filter((flag) => values[flag] !== undefined);
    const rest = given.map((flag) => `--${flag}=${String(values[flag])}`);
    return { values: values as TakenFlags['values'], positionals, rest };
  } catch (thrown) {
    throw new ConfigError([thrown instanceof Error ? thrown.message : String(thrown)]);
  }
};
