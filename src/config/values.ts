import * as z from 'zod';
import { parseQuantity } from '../domain/capacity.ts';
import { POOL_ID } from '../domain/identity.ts';
import { isNormalAbsolute } from '../domain/paths.ts';
import { sortMountOptions } from '../requests/mount-options.ts';
import { checkTemplate, parseMode } from '../requests/parameters.ts';
import { messageOf } from './error.ts';

// What both files and flags are made of, each with what is expected in words.

/** A slash at the end is dropped, so that two spellings of one directory are the same. */
const path = z.string().overwrite((text) => text.replace(/(.)\/+$/, '$1'));

export const absolutePath = path
  .refine(isNormalAbsolute, 'expected an absolute path without "." or ".." components')
  // For the chart's schema, which cannot run code.
  .meta({ pattern: '^/' });

/** What a server exports: `/` is the root of an NFSv4 server. */
export const exportPath = path
  .refine((text) => text === '/' || isNormalAbsolute(text), 'expected an absolute path without "." or ".." components')
  .meta({ pattern: '^/' });

export const quantity = z.union([z.string(), z.number().int().positive()]).transform((value, context) => {
  const bytes = parseQuantity(String(value));
  if (bytes !== undefined && bytes > 0) return bytes;
  context.addIssue({ code: 'custom', message: 'expected a quantity like 500Gi' });
  return z.NEVER;
});

export const mode = z.union([z.string(), z.number()]).transform((value, context) => {
  const bits = typeof value === 'string' ? parseMode(value) : undefined;
  if (bits !== undefined) return bits;
  context.addIssue({ code: 'custom', message: 'expected an octal mode in quotes like "0770"' });
  return z.NEVER;
});

export const template = z.string().superRefine((text, context) => {
  try {
    checkTemplate(text, 'template');
  } catch (thrown) {
    context.addIssue({
      code: 'custom',
      message: messageOf(thrown).replace('template: ', ''),
    });
  }
});

/** The id of a pool: a UUID. */
export const poolId = z.string().regex(POOL_ID, 'expected the id of a pool (a UUID in lower case)');

export const id = z
  .int()
  .min(0)
  .max(2 ** 32 - 2);

export const mountOptionList = z.array(z.string()).superRefine((options, context) => {
  try {
    sortMountOptions(options, 'nfs', 'options');
  } catch (thrown) {
    context.addIssue({ code: 'custom', message: messageOf(thrown).replace('options: ', '') });
  }
});
