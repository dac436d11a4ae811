import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import { ERRNOS, errnoIn } from './errno.ts';
import { DriverError, errnoOf } from './errors.ts';

const systemError = (code: string, path?: string) =>
  Object.assign(new Error(code), { code, ...(path === undefined ? {} : { path }) });
const toolError = (stderr: string) => Object.assign(new Error('/bin/x ended with status 1'), { stderr });

describe('a system error', () => {
  it.each([
    ['ENOSPC', 'no-space'],
    ['Unknown system error -122', 'no-space'],
    ['Unknown system error -116', 'unavailable'],
    ['Unknown system error -126', 'failed-precondition'],
    ['EIO', 'unreachable'],
    ['EMLINK', 'no-space'],
    ['ETXTBSY', 'aborted'],
    ['ENOENT', 'internal'],
    ['EFROBNICATED', 'internal'],
  ])('%s is %s', (code, kind) => expect(DriverError.from(systemError(code)).kind).toBe(kind));

  it('has its name, also where libuv has none', () => {
    expect(['ENOENT', 'Unknown system error -116'].map((code) => errnoOf(systemError(code)))).toEqual([
      'ENOENT',
      'ESTALE',
    ]);
  });

  it.each([
    ['ENOSPC', undefined, 'no space left on the pool'],
    ['ENOSPC', '/proc/77/fd/18/pvc-1', 'no space left on the pool: "pvc-1"'],
    ['ENOSPC', '/var/lib/kubelet/pods/x', 'no space left on the disk of "/var/lib/kubelet/pods/x"'],
    ['EXDEV', '/proc/77/fd/18/pvc-1', 'it is on another file system than the pool: "pvc-1"'],
    ['EFROBNICATED', '/x', 'internal error: EFROBNICATED: "/x"'],
  ])('%s at %s says: %s', (code, path, message) =>
    expect(DriverError.from(systemError(code, path)).message).toBe(message),
  );

  it('is known by the text that the C library has for it', () => {
    for (const [code, { text }] of Object.entries(ERRNOS)) {
      if (code === 'ENOTSUP') continue;
      expect([code, errnoIn(`/bin/x: cannot open 'y': ${text}\n`)]).toEqual([code, code]);
    }
    expect(errnoIn('all is well')).toBeUndefined();
    expect(Object.keys(ERRNOS).filter((code) => code in constants.errno).length).toBeGreaterThan(45);
  });
});

describe('the failure of a tool', () => {
  it('has the kind of its errno, and what the tool has said first', () => {
    const failure = DriverError.from(toolError('chattr: Operation not supported while setting flags\nsecond'));
    expect([failure.kind, failure.message]).toEqual([
      'failed-precondition',
      'the file system does not support the request: chattr: Operation not supported while setting flags',
    ]);
    const full = DriverError.from(toolError("mkdir: cannot create 'x': No space left on device"));
    expect([full.kind, full.message]).toEqual([
      'no-space',
      "no space left on the pool: mkdir: cannot create 'x': No space left on device",
    ]);
  });
});
