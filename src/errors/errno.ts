import type { ErrorKind } from './error-kind.ts';

/** What is made of an errno. `{disk}` in a message is the disk that it is about. */
export interface Errno {
  /** As tools print it in the C locale. */
  readonly text: string;
  readonly kind: ErrorKind;
  readonly message: string;
}

/**
 * Errors of Linux that file systems, mounts and the tools that are used return in operation, by name. One that is not
 * listed is a mistake of the driver.
 */
export const ERRNOS: Readonly<Record<string, Errno>> = {
  EPERM: errno('Operation not permitted', 'failed-precondition', 'operation not permitted by the file system'),
  ENOENT: errno('No such file or directory', 'internal', 'a file or directory is missing'),
  EINTR: errno('Interrupted system call', 'unavailable', 'the operation was interrupted'),
  EIO: errno('Input/output error', 'unreachable', '{disk} reports an input/output error'),
  ENXIO: errno('No such device or address', 'unreachable', 'the device of {disk} is missing'),
  E2BIG: errno('Argument list too long', 'failed-precondition', 'an extended attribute is too large'),
  EAGAIN: errno('Resource temporarily unavailable', 'unavailable', 'the system is out of a resource for the moment'),
  ENOMEM: errno('Cannot allocate memory', 'unavailable', 'the system is out of memory'),
  EACCES: errno('Permission denied', 'failed-precondition', 'permission denied by the file system'),
  EBUSY: errno('Device or resource busy', 'aborted', 'something is mounted there, or is in use'),
  EEXIST: errno('File exists', 'failed-precondition', 'something exists there already'),
  EXDEV: errno('Invalid cross-device link', 'failed-precondition', 'it is on another file system than the pool'),
  ENODEV: errno('No such device', 'failed-precondition', 'the kernel does not have the file system, or the device'),
  ENOTDIR: errno('Not a directory', 'failed-precondition', 'something on the way is not a directory'),
  EISDIR: errno('Is a directory', 'failed-precondition', 'there is a directory in the place of a file'),
  EINVAL: errno('Invalid argument', 'failed-precondition', 'the file system does not support the request'),
  ENFILE: errno('Too many open files in system', 'unavailable', 'too many files are open on the node'),
  EMFILE: errno('Too many open files', 'unavailable', 'the process has too many open files'),
  ENOTTY: errno(
    'Inappropriate ioctl for device',
    'failed-precondition',
    'the file system does not support the request',
  ),
  ETXTBSY: errno('Text file busy', 'aborted', 'a program that is running cannot be written'),
  EFBIG: errno('File too large', 'failed-precondition', 'a file is larger than {disk} can store'),
  ENOSPC: errno('No space left on device', 'no-space', 'no space left on {disk}'),
  EROFS: errno('Read-only file system', 'failed-precondition', '{disk} is read-only'),
  EMLINK: errno('Too many links', 'no-space', 'a directory or file has as many links or entries as it can have'),
  ERANGE: errno('Numerical result out of range', 'failed-precondition', 'a value is too large for the file system'),
  EDEADLK: errno('Resource deadlock avoided', 'unavailable', 'the server cannot lock a file for the moment'),
  ENAMETOOLONG: errno('File name too long', 'invalid-argument', 'a path is too long for the file system'),
  ENOLCK: errno('No locks available', 'unavailable', 'the server has no locks for the moment'),
  ENOSYS: errno('Function not implemented', 'failed-precondition', 'the kernel does not support the request'),
  ENOTEMPTY: errno('Directory not empty', 'failed-precondition', 'a directory is not empty'),
  ELOOP: errno('Too many levels of symbolic links', 'failed-precondition', 'something on the way is a link'),
  ENODATA: errno('No data available', 'failed-precondition', 'an extended attribute is missing'),
  EPROTO: errno('Protocol error', 'unreachable', 'the server violates the protocol'),
  EBADMSG: errno('Bad message', 'unreachable', '{disk} is damaged: check the file system'),
  EOVERFLOW: errno(
    'Value too large for defined data type',
    'failed-precondition',
    'a value is too large for the file system',
  ),
  EPROTONOSUPPORT: errno('Protocol not supported', 'failed-precondition', 'the server does not support the protocol'),
  EOPNOTSUPP: errno('Operation not supported', 'failed-precondition', 'the file system does not support the request'),
  ENOTSUP: errno('Operation not supported', 'failed-precondition', 'the file system does not support the request'),
  EADDRINUSE: errno('Address already in use', 'unavailable', 'no port is free for a connection to the server'),
  EADDRNOTAVAIL: errno(
    'Cannot assign requested address',
    'unavailable',
    'no port is free for a connection to the server',
  ),
  ENETDOWN: errno('Network is down', 'unreachable', 'the network is down'),
  ENETUNREACH: errno('Network is unreachable', 'unreachable', 'there is no route to the server'),
  ECONNABORTED: errno('Software caused connection abort', 'unreachable', 'the connection to the server is lost'),
  ECONNRESET: errno('Connection reset by peer', 'unreachable', 'the server has closed the connection'),
  ENOBUFS: errno('No buffer space available', 'unavailable', 'the system is out of memory for connections'),
  ENOTCONN: errno('Transport endpoint is not connected', 'unreachable', 'the file system is not connected'),
  ESHUTDOWN: errno('Cannot send after transport endpoint shutdown', 'unreachable', 'the file system is shut down'),
  ETIMEDOUT: errno('Connection timed out', 'unreachable', 'the server does not answer'),
  ECONNREFUSED: errno('Connection refused', 'unreachable', 'the server refuses connections'),
  EHOSTDOWN: errno('Host is down', 'unreachable', 'the server is down'),
  EHOSTUNREACH: errno('No route to host', 'unreachable', 'there is no route to the server'),
  EALREADY: errno('Operation already in progress', 'aborted', 'the operation is in progress already'),
  ESTALE: errno('Stale file handle', 'unavailable', 'the server has forgotten the file: its handle is stale'),
  EUCLEAN: errno('Structure needs cleaning', 'unreachable', '{disk} is damaged: check the file system'),
  EREMOTEIO: errno('Remote I/O error', 'unreachable', 'the server reports an input/output error'),
  EDQUOT: errno('Disk quota exceeded', 'no-space', 'a quota on {disk} is used up'),
  ECANCELED: errno('Operation canceled', 'aborted', 'the operation was cancelled'),
  ENOKEY: errno(
    'Required key not available',
    'failed-precondition',
    'the directory is encrypted, and its key is not loaded',
  ),
  EKEYEXPIRED: errno('Key has expired', 'failed-precondition', 'the credentials for the server have expired'),
  EKEYREVOKED: errno('Key has been revoked', 'failed-precondition', 'the credentials for the server were revoked'),
  EKEYREJECTED: errno('Key was rejected by service', 'failed-precondition', 'the server has rejected the credentials'),
};

/** The errno name (`ENOENT`) of a system error, or undefined. */
export const errnoOf = (thrown: unknown): string | undefined => {
  if (!(thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string')) return undefined;
  const [, number] = /^Unknown system error -(\d+)$/.exec(thrown.code) ?? [];
  return number === undefined ? thrown.code : (NAMELESS[number] ?? thrown.code);
};

/** For `catch`: a file that does not exist is undefined. Throws everything else again. */
export const ignoreMissing = (thrown: unknown): undefined => {
  if (errnoOf(thrown) !== 'ENOENT') throw thrown;
};

/** The errno whose text ends a line of what a tool has printed in the C locale, or follows the tool's name (e2fsprogs). */
export const errnoIn = (output: string): string | undefined => {
  const lines = output.split('\n').map((line) => line.trimEnd().replace(/\.$/, ''));
  const [found] =
    Object.entries(ERRNOS).find(([, { text }]) =>
      lines.some((line) => line.endsWith(text) || isSaidFirst(line, text)),
    ) ?? [];
  return found;
};

const isSaidFirst = (line: string, text: string): boolean =>
  line.replace(/^[\w./-]+: /, '').startsWith(`${text} while `);

/** Errors of Linux that libuv has no name for. */
const NAMELESS: Readonly<Record<string, string>> = {
  35: 'EDEADLK',
  37: 'ENOLCK',
  74: 'EBADMSG',
  116: 'ESTALE',
  117: 'EUCLEAN',
  121: 'EREMOTEIO',
  122: 'EDQUOT',
  126: 'ENOKEY',
  127: 'EKEYEXPIRED',
  128: 'EKEYREVOKED',
  129: 'EKEYREJECTED',
};

function errno(text: string, kind: ErrorKind, message: string): Errno {
  return { text, kind, message };
}
