import { type Directory, parseDirectory } from '../domain/paths.ts';
import type { Claim } from '../domain/volume.ts';
import { invalid } from '../errors/errors.ts';

export const DEFAULT_TEMPLATE = '{namespace}-{claim}-{volume}';

const MAX_COMPONENT_BYTES = 255;

/**
 * The directory of a new volume. Where the template cannot be followed (nobody told who the claim is, or a component
 * would be longer than a file name may be) the directory is the volume's name, which is unique. A template without
 * {volume} is meant to lead different volumes to one place; there that would be a surprise, so it is an error.
 */
export const renderTemplate = (template: string, volume: string, claim: Claim | undefined): Directory => {
  const values: Readonly<Record<string, string | undefined>> = {
    namespace: claim?.namespace,
    claim: claim?.name,
    volume,
  };
  const text = template.replace(/\{(\w+)\}/g, (placeholder, key: string) => values[key] ?? placeholder);
  if (isComplete(text)) return parseDirectory(text);
  if (template.includes('{volume}')) return parseDirectory(volume);
  throw invalid(
    'parameters.directory',
    'a template that this claim can fill (is --extra-create-metadata set?)',
    template,
  );
};

const isComplete = (text: string): boolean =>
  !text.includes('{') && text.split('/').every((component) => Buffer.byteLength(component) <= MAX_COMPONENT_BYTES);
