import { parseDirectory } from '../domain/paths.ts';
import {
  type Claim,
  COMPRESSIONS,
  type Existing,
  type OnDelete,
  type Ownership,
  type Settings,
} from '../domain/volume.ts';
import { invalid } from '../errors/errors.ts';

/** What a StorageClass may say, each key with its meaning: the reference table is made from this. */
export const STORAGE_CLASS_PARAMETERS = {
  pool: 'The pool that volumes are made in. May be left out where the driver has only one.',
  directory: 'Template of the volume directory below the root, from {namespace}, {claim} and {volume}.',
  mode: 'Permission bits of the volume directory, octal, e.g. "0770".',
  uid: 'Numeric owner of the volume directory.',
  gid: 'Numeric group of the volume directory.',
  onDelete: 'What DeleteVolume does with the directory: delete, retain or archive.',
  compression: 'On btrfs: how what is written from now on is compressed: zstd, lzo, zlib or none.',
  existing: 'What happens where the directory exists already: fail or adopt (keep its data, its owner and its mode).',
} as const;

/** Those of them that a VolumeAttributesClass may change later. */
export const MUTABLE_PARAMETERS = ['mode', 'uid', 'gid', 'onDelete', 'compression'] as const;

export interface VolumeParameters {
  readonly pool?: string;
  readonly directory?: string;
  readonly existing?: Existing;
  readonly settings: Partial<Settings>;
}

const METADATA_PREFIX = 'csi.storage.k8s.io/';
const MAX_ID = 2 ** 32 - 2;
const DNS_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const DNS_NAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

/** StorageClass parameters, checked. Unknown keys are refused with the list of known ones. */
export const parseParameters = (raw: Readonly<Record<string, string>>, field: string): VolumeParameters => {
  const own = Object.entries(raw).filter(([key]) => !key.startsWith(METADATA_PREFIX));
  refuseUnknown(
    own.map(([key]) => key),
    Object.keys(STORAGE_CLASS_PARAMETERS),
    field,
  );
  const { pool, directory, existing } = raw;
  if (directory !== undefined) checkTemplate(directory, `${field}.directory`);
  return {
    ...(pool === undefined ? {} : { pool }),
    ...(directory === undefined ? {} : { directory }),
    ...(existing === undefined ? {} : { existing: oneOf(existing, ['fail', 'adopt'], `${field}.existing`) }),
    settings: parseSettings(raw, field),
  };
};

/** Parameters of a VolumeAttributesClass, checked in the same way. */
export const parseMutableParameters = (raw: Readonly<Record<string, string>>, field: string): Partial<Settings> => {
  refuseUnknown(Object.keys(raw), MUTABLE_PARAMETERS, field);
  return parseSettings(raw, field);
};

/** Parameters of a VolumeSnapshotClass or a VolumeGroupSnapshotClass: we know none of our own. */
export const parseSnapshotParameters = (raw: Readonly<Record<string, string>>, field: string): void => {
  const unknown = Object.keys(ownParameters(raw))[0];
  if (unknown !== undefined) throw invalid(field, 'no parameters: a snapshot has none', unknown);
};

/** Who asks, as external-provisioner says it with --extra-create-metadata. */
export const parseClaim = (raw: Readonly<Record<string, string>>, field: string): Claim | undefined => {
  const namespace = raw[`${METADATA_PREFIX}pvc/namespace`];
  const name = raw[`${METADATA_PREFIX}pvc/name`];
  if (namespace === undefined || name === undefined) return undefined;
  if (!DNS_LABEL.test(namespace))
    throw invalid(`${field}["${METADATA_PREFIX}pvc/namespace"]`, 'a DNS label', namespace);
  if (!DNS_NAME.test(name) || name.includes('..'))
    throw invalid(`${field}["${METADATA_PREFIX}pvc/name"]`, 'a DNS name', name);
  return { namespace, name };
};

/** Parameters as they decide whether two requests are the same: without what Kubernetes adds about the claim. */
export const ownParameters = (raw: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(raw).filter(([key]) => !key.startsWith(METADATA_PREFIX)));

/** Throws invalid-argument unless every placeholder is known and the rest is a plain relative path. */
export const checkTemplate = (template: string, field: string): void => {
  const plain = template.replace(/\{(?:namespace|claim|volume)\}/g, 'x');
  if (/[{}]/.test(plain)) throw invalid(field, 'only the placeholders {namespace}, {claim} and {volume}', template);
  if (!/^[A-Za-z0-9._/-]+$/.test(plain)) throw invalid(field, 'letters, digits, ".", "_", "-" and "/"', template);
  parseDirectory(plain, field);
  if (!isUnique(template)) throw invalid(field, UNIQUE, template);
};

/**
 * True when no two claims have one directory. With both in one component they could: `team-a` and `db`, `team` and
 * `a-db`. Neither a namespace nor the name of a claim has a slash.
 */
const isUnique = (template: string): boolean => {
  if (template.includes('{volume}')) return true;
  const components = template.split('/');
  const alone = (one: string, other: string): boolean =>
    components.some((component) => component.includes(one) && !component.includes(other));
  return alone('{namespace}', '{claim}') && alone('{claim}', '{namespace}');
};

const UNIQUE =
  'a directory that no other claim can have: with {volume}, or with {namespace} and {claim} in components of their own, such as {namespace}/{claim}';

/** `0770` as a number, or undefined. */
export const parseMode = (text: string): number | undefined =>
  /^0?[0-7]{3,4}$/.test(text) ? Number.parseInt(text, 8) : undefined;

const parseSettings = (raw: Readonly<Record<string, string>>, field: string): Partial<Settings> => {
  const settings: { -readonly [Key in keyof (Ownership & Settings)]?: Settings[Key] } = {};
  if (raw.mode !== undefined) {
    const mode = parseMode(raw.mode);
    if (mode === undefined) throw invalid(`${field}.mode`, 'an octal mode like "0770"', raw.mode);
    settings.mode = mode;
  }
  if (raw.uid !== undefined) settings.uid = parseId(raw.uid, `${field}.uid`);
  if (raw.gid !== undefined) settings.gid = parseId(raw.gid, `${field}.gid`);
  if (raw.onDelete !== undefined) {
    settings.onDelete = oneOf<OnDelete>(raw.onDelete, ['delete', 'retain', 'archive'], `${field}.onDelete`);
  }
  if (raw.compression !== undefined) {
    settings.compression = oneOf(raw.compression, COMPRESSIONS, `${field}.compression`);
  }
  return settings;
};

const refuseUnknown = (keys: readonly string[], known: readonly string[], field: string): void => {
  const unknown = keys.find((key) => !known.includes(key));
  if (unknown !== undefined) throw invalid(field, `only the keys ${known.join(', ')}`, unknown);
};

const parseId = (text: string, field: string): number => {
  const id = /^(?:0|[1-9]\d{0,9})$/.test(text) ? Number(text) : Number.NaN;
  if (!(id <= MAX_ID)) throw invalid(field, `a number from 0 to ${MAX_ID}`, text);
  return id;
};

const oneOf = <Value extends string>(text: string, values: readonly Value[], field: string): Value => {
  const value = values.find((candidate) => candidate === text);
  if (value === undefined) throw invalid(field, values.join(' or '), text);
  return value;
};
