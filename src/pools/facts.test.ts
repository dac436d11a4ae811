import { expect, it } from 'vitest';
import { adviceFor, type Facts } from './facts.ts';

const factsOf = (fileSystem: string, obstacle?: string): Facts => ({
  fileSystem,
  device: '/dev/sdb1',
  readOnly: false,
  subvolumes: false,
  reflink: false,
  sizes: 'none',
  isOpenToOthers: false,
  ...(obstacle === undefined ? {} : { obstacle }),
  space: { totalBytes: 1, availableBytes: 1, usedBytes: 0, totalInodes: 1, freeInodes: 1 },
});

it.each([
  ['btrfs', 'btrfs quota enable'],
  ['xfs', 'prjquota'],
  ['ext4', 'tune2fs -O quota,project -Q prjquota'],
  ['nfs4', 'nfs.controller.localPath'],
  ['tmpfs', 'tmpfs cannot hold a directory to a size'],
])('%s: %s', (fileSystem, words) => {
  expect(adviceFor(factsOf(fileSystem))).toContain(words);
});

it('gives the reason that a tool gave', () => {
  expect(adviceFor(factsOf('xfs', '/usr/sbin/setquota: no'))).toContain('(/usr/sbin/setquota: no): install quota');
});
