import { expect, it } from 'vitest';
import { parseDirectory } from './paths.ts';
import { formatRecord, parseVolumeRecord } from './record.ts';
import type { Limit, VolumeRecord } from './volume.ts';

const record: VolumeRecord = {
  uid: '0123456789abcdef',
  revision: '1-01234567',
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

it('of layout 1 always has the same version, which no other record has', () => {
  const { uid: _, revision: __, ...old } = record;
  const read = (changes: object) => parseVolumeRecord(JSON.stringify({ ...old, ...changes }), 'pvc-1');
  expect(read({})).toEqual(read({}));
  expect(read({})).toMatchObject({ uid: expect.stringMatching(/^[0-9a-f]{16}$/), revision: '0-00000000' });
  expect(read({ createdAt: '2026-01-06T08:05:00.761Z' }).uid).not.toBe(read({}).uid);
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
