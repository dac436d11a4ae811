import { parseQuantity } from '../domain/capacity.ts';
import { invalid } from '../errors/errors.ts';

// Inline volumes: written into a pod (`volumes[].csi`), they live as long as it does. Whoever may make a pod writes their
// attributes, so these say little.

/** What an inline volume may say, each key with its meaning: the reference table is made from this. */
export const INLINE_ATTRIBUTES = {
  pool: 'The pool that the volume is made in. May be left out where the driver has only one.',
  size: 'What the volume asks for, such as 10Gi; left out: 1 GiB.',
} as const;

export interface InlineVolume {
  readonly pool: string | undefined;
  readonly sizeBytes: number;
  readonly pod: { readonly namespace: string; readonly name: string };
}

const PREFIX = 'csi.storage.k8s.io';

/** True for what the kubelet marks as inline: it overwrites the key where somebody else has set it. */
export const isInline = (attributes: Readonly<Record<string, string>>): boolean =>
  attributes[`${PREFIX}/ephemeral`] === 'true';

/** The id that the kubelet gives an inline volume. Those of all other volumes have a slash. */
export const isInlineId = (volumeId: string): boolean => /^csi-[0-9a-f]{64}$/.test(volumeId);

/** The attributes of an inline volume, checked. Throws invalid-argument. */
export const parseInline = (attributes: Readonly<Record<string, string>>, field: string): InlineVolume => {
  const known = Object.keys(INLINE_ATTRIBUTES);
  const unknown = Object.keys(attributes).find((key) => !key.includes('/') && !known.includes(key));
  if (unknown !== undefined) throw invalid(field, `only the keys ${known.join(' and ')} of an inline volume`, unknown);
  const { pool, size = '1Gi' } = attributes;
  const sizeBytes = parseQuantity(size);
  if (sizeBytes === undefined || sizeBytes === 0) throw invalid(`${field}.size`, 'a quantity like 10Gi', size);
  const namespace = attributes[`${PREFIX}/pod.namespace`];
  const name = attributes[`${PREFIX}/pod.name`];
  if (namespace === undefined || name === undefined) throw invalid(field, "the pod's name (podInfoOnMount: true)");
  return { pool, sizeBytes, pod: { namespace, name } };
};
