import { expect, it } from 'vitest';
import { parseDirectory } from './paths.ts';
import { formatRecord, parseVolumeRecord } from './record.ts';
import type { Limit, VolumeRecord } from './volume.ts';

const record: VolumeRecord = {
  name: 'pvc-1',
  requestedName: 'pvc-1',
  directory: parseDirectory('shop/pvc-1'),
  capacityBytes: 1024,
  state: 'ready',
  parameters: { pool: 'main' },
  settings: { mode: 0o770, uid: 1, gid: 2, onDelete: 'delete' },
  adopted: false,
  createdAt: '2026-01-05T08:05:00.761Z',
};

const limits: readonly Limit[] = [
  { by: 'qgroup' },
  { by: 'project', id: 77 },
  { by: 'project', id: 77, partial: true },
];

it.each([
  record,
  { ...record, claim: { namespace: 'shop', name: 'orders' } },
  ...limits.map((limit) => ({ ...record, limit })),
])('is read as it was written: %j', (written) => {
  expect(parseVolumeRecord(formatRecord(written), 'pvc-1')).toEqual(written);
});

it.each([
  ['another name', { name: 'pvc-2' }],
  ['a way out', { directory: '../etc' }],
  ['an unknown way to hold it', { limit: { by: 'magic' } }],
  ['the project of everybody', { limit: { by: 'project', id: 0 } }],
  ['a project that is none', { limit: { by: 'project', id: 2 ** 32 } }],
])('is refused with %s', (_, changes) => {
  const text = JSON.stringify({ ...record, ...changes });
  expect(() => parseVolumeRecord(text, 'pvc-1')).toThrow('cannot be read');
});
