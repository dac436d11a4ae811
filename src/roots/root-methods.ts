import type { Records } from '../store/records.ts';
import type { Root, RootWork } from './root.ts';

/** Calls a method of a root by its name: `make`, `volumes.read`. */
export type Invoke = (method: string, args: readonly unknown[]) => Promise<unknown>;

/** A root whose methods go through `invoke`. */
export const createInvokedRoot = (path: string, prepare: Root['prepare'], invoke: Invoke): Root => {
  const through =
    (method: string) =>
    (...args: readonly unknown[]) =>
      invoke(method, args);
  const records = <Kind>(folder: (typeof RECORD_KINDS)[number]): Records<Kind> =>
    Object.fromEntries(
      RECORD_METHODS.map((method) => [method, through(`${folder}.${method}`)]),
    ) as unknown as Records<Kind>;
  return {
    ...(Object.fromEntries(METHODS.map((method) => [method, through(method)])) as unknown as Root),
    path,
    prepare,
    volumes: records('volumes'),
    snapshots: records('snapshots'),
  };
};

/** The other side of `createInvokedRoot`. */
export const invokeOn = (work: RootWork): Invoke => {
  const methods = new Map<string, (...args: readonly unknown[]) => Promise<unknown>>();
  for (const [name, method] of Object.entries<unknown>(work)) {
    if (typeof method === 'function') methods.set(name, (...args) => method(...args));
  }
  for (const kind of RECORD_KINDS) {
    for (const [name, method] of Object.entries(work[kind])) methods.set(`${kind}.${name}`, method);
  }
  return (name, args) => {
    const method = methods.get(name);
    return method === undefined ? Promise.reject(new Error(`no method ${name}`)) : method(...args);
  };
};

const RECORD_KINDS = ['volumes', 'snapshots'] as const;

const RECORD_METHODS: readonly (keyof Records<unknown>)[] = [
  'read',
  'create',
  'replace',
  'remove',
  'names',
  'superseded',
  'readAll',
];

const METHODS: readonly (keyof RootWork)[] = [
  'clean',
  'kindOf',
  'identify',
  'fingerprint',
  'make',
  'isSubvolume',
  'own',
  'compress',
  'removeEmpty',
  'trash',
  'archive',
  'listDirectories',
  'measure',
  'listTrash',
  'purge',
  'space',
  'abilities',
  'newLimit',
  'enforce',
  'countExisting',
  'clear',
  'release',
  'countStrays',
  'usages',
  'bind',
  'copy',
  'commitData',
  'commitCopy',
  'listCopies',
  'listData',
  'dropCopies',
  'dropData',
];
