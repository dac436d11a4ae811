/**
 * What a text is as the name of a directory below something:
 * - `empty`, `control`, `long`: no name at all, in any field
 * - `climbing`: not a plain relative path
 * - `own`: plain, but the driver's own folder
 * - `odd`: a legal file name that looks like something else
 * - `plain`: letters, digits and "._-" only
 */
export type Trait = 'empty' | 'control' | 'long' | 'climbing' | 'own' | 'odd' | 'plain';

export interface HostileText {
  readonly text: string;
  readonly trait: Trait;
}

const all = (trait: Trait, texts: readonly string[]): readonly HostileText[] => texts.map((text) => ({ text, trait }));

/** Tried as every name, handle, path, token and parameter. */
export const TEXTS: readonly HostileText[] = [
  ...all('empty', ['']),
  ...all('control', ['a\0b', '\0', 'a\nb', 'a\rb', 'a\tb', '\x1b[2J', 'a\x7f', '..\0', 'ok\n..']),
  ...all('long', ['x'.repeat(4096), 'ä'.repeat(2048), '😀'.repeat(1024), '../'.repeat(1365), '/'.repeat(4096)]),
  ...all('climbing', ['..', '../..', 'a/../b', './a', '.', 'a/.', 'a/..', 'a//b', '/', '//', '/etc/passwd', 'a/']),
  ...all('own', ['.csi-subdir', '.csi-subdir/volumes', '.csi-subdir/trash/x', '.csi-subdir/pool.json']),
  ...all('odd', ['ü', 'u\u0308', '\u202Etxt.exe', '😀', '\ud800', '\udfff\ud800', '\u2028', '\ufeff', '\u200b']),
  ...all('odd', ['．．', '‥', '∕etc', '..＼..', '\\..\\..', '..\\', 'C:\\x', '##', '#', '%', '%2e%2e%2f', '%00']),
  ...all('odd', ['$(id)', '`id`', '; id', '| id', '&& id', '*', '?', '~', '~root', "'", '"', 'a b', ' ', 'a\u00a0b']),
  ...all('odd', ['{x}', '{{volume}}', '{volume', '$' + '{HOME}', 'a,b', 'a=b', 'a:b', '<x>', '\\134040', '\\040']),
  ...all('plain', ['-rf', '--', '--help', '-', '...', '..x', '__proto__', '_', 'A_B', '.hidden', '-o', 'x..']),
];

/** Handles beside those: like ours, and not. `pvc-1` stands for the name of a volume that is there. */
export const HANDLES: readonly HostileText[] = [
  ...all('odd', [
    'main/..',
    'main/../main/pvc-1',
    'main//pvc-1',
    'main/',
    '/main/pvc-1',
    'main/pvc-1/',
    './main/pvc-1',
  ]),
  ...all('odd', [
    'MAIN/pvc-1',
    'main/PVC-1',
    ' main/pvc-1',
    'main/pvc-1 ',
    'main\\pvc-1',
    'main%2fpvc-1',
    'main/pvc-1#',
  ]),
  ...all('odd', [
    'main/.',
    'main/.pvc-1',
    'main/a..b',
    'main/-',
    'main',
    'pvc-1',
    'main/pvc-1.json',
    'main/x/../pvc-1',
  ]),
  ...all('odd', [
    '__proto__/pvc-1',
    'main/__proto__',
    'main/volumes',
    'main/pool.json',
    'ｍａｉｎ/pvc-1',
    `main/${'a'.repeat(65)}`,
  ]),
  ...all('control', ['main/pvc-1\0', 'main/pvc-1\n', '\0main/pvc-1', 'main/pvc-1\u0085']),
  ...all('long', [`main/${'a'.repeat(124)}`, `${'a'.repeat(64)}/${'b'.repeat(64)}`]),
];

/** Handles of the right form, of a pool that is not there. */
export const FOREIGN_HANDLES = ['other/pvc-1', 'constructor/pvc-1', 'm/pvc-1', 'main-/x'.replace('-', '0')] as const;

/** No number of an owner, no permission bits. */
export const NUMBERS = [
  '-1',
  '-0',
  '+1',
  '4294967295',
  '18446744073709551616',
  '1e3',
  '0x10',
  ' 1',
  '1 ',
  '１',
  '٣',
].concat(['NaN', 'Infinity', '0.5', '1,000', '1_000', '0o777', '8', '0888', '17777', '077777', 'u+s', '99999999999']);

/** No word of ours, though nearly. */
export const WORDS = ['Delete', 'delete ', ' retain', 'RETAIN', 'archive,retain', 'true', 'null', 'undefined', 'Adopt'];

/** Keys of other drivers, and worse. */
export const KEYS = [
  'server',
  'share',
  'subDir',
  'path',
  'source',
  'password',
  'onDelete2',
  'Pool',
  'constructor',
  ' pool',
];

export const MOUNT_FLAGS: readonly string[] = [
  ...['', ',', 'ro,', ',ro', 'ro,,nosuid', 'ro\nsuid', 'ro\0', 'ro ', ' dev', 'RO', 'ro -o bind', 'ro=1', 'exec=1'],
  ...['bind', 'rbind', 'remount', 'remount,rw', 'ro,bind', 'move', 'private', 'rshared', 'user', 'users'],
  ...['suid=..', 'suid=0', 'uid=0', 'context=system_u', 'loop', 'loop=/dev/loop0'],
  ...['password=x', 'credentials=/etc/shadow', 'sec=krb5', 'upperdir=/etc', 'lowerdir=/', 'subvol=/', 'offset=0'],
  ...['--bind', '-o', '--', '--target=/', '$(id)', '`id`', '../..', '/etc', 'ｒｏ', '😀', 'ro;suid', 'x'.repeat(4096)],
];

/** Capabilities that are none, with what is wrong in them. */
export const CAPABILITIES: readonly object[] = [
  {},
  { mount: {} },
  { access_mode: { mode: 'SINGLE_NODE_WRITER' } },
  { block: {}, access_mode: { mode: 'SINGLE_NODE_WRITER' } },
  { mount: {}, access_mode: {} },
  { mount: {}, access_mode: { mode: 'UNKNOWN' } },
  ...[8, 99, -1, 2 ** 31 - 1].map((mode) => ({ mount: {}, access_mode: { mode } })),
  ...MOUNT_FLAGS.map((flag) => ({
    mount: { mount_flags: ['nosuid', flag] },
    access_mode: { mode: 'SINGLE_NODE_WRITER' },
  })),
];

/** Sizes, as strings where a number could not say them. */
export const RANGES: readonly { readonly range: object; readonly codes: readonly string[] }[] = [
  ...['-1', '-9223372036854775808', '9223372036854775807', '9007199254740992'].flatMap((bytes) => [
    { range: { required_bytes: bytes }, codes: ['OUT_OF_RANGE'] },
    { range: { limit_bytes: bytes }, codes: ['OUT_OF_RANGE'] },
    { range: { required_bytes: bytes, limit_bytes: bytes }, codes: ['OUT_OF_RANGE'] },
  ]),
  { range: { required_bytes: 1, limit_bytes: '-9223372036854775808' }, codes: ['OUT_OF_RANGE'] },
  { range: { required_bytes: 10, limit_bytes: 9 }, codes: ['INVALID_ARGUMENT'] },
  { range: { required_bytes: '9007199254740991', limit_bytes: 1 }, codes: ['INVALID_ARGUMENT'] },
];
