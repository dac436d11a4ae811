import { DriverError, invalid, quote } from '../errors/errors.ts';

/** The driver's own folder below a pool's root. */
export const OWN_FOLDER = '.csi-subdir';

/** NAME_MAX of Linux, in bytes. */
const MAX_COMPONENT_BYTES = 255;
/** Well below PATH_MAX (4096), so that root + directory always fits. */
const MAX_DIRECTORY_BYTES = 2048;
/** Each is a step to walk, at every call. */
const MAX_COMPONENTS = 32;

declare const directoryBrand: unique symbol;

/** A volume directory relative to its pool's root: one or more plain components, proven by `parseDirectory`. */
export type Directory = string & { readonly [directoryBrand]: true };

/**
 * Accepts only `a` or `a/b/c`: no empty component, no `.` or `..`, no control character, nothing in the driver's own
 * folder. Throws invalid-argument that names `field`.
 */
export const parseDirectory = (text: string, field = 'directory'): Directory => {
  const problem = directoryProblem(text);
  if (problem !== undefined) throw invalid(field, `a relative directory (${problem})`, text);
  return text as Directory;
};

export const componentsOf = (directory: Directory): readonly string[] => directory.split('/');

/** True when one of the two is the other or lies inside it. */
export const overlap = (a: Directory, b: Directory): boolean =>
  a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);

/** True when `path` is strictly below `parent`; both absolute and normal. */
export const isBelow = (parent: string, path: string): boolean =>
  path.length > parent.length && path.startsWith(parent.endsWith('/') ? parent : `${parent}/`);

/**
 * A staging or target path as the kubelet sends it: absolute, normal, strictly below `kubeletDir`. It is checked as
 * text: touching it could hang on a dead mount. Answers what follows `kubeletDir`.
 */
export const parseKubeletPath = (path: string, kubeletDir: string, field: string): string => {
  if (!isNormalAbsolute(path)) throw invalid(field, 'an absolute path without empty, "." or ".." components', path);
  if (!isBelow(kubeletDir, path)) {
    throw new DriverError(
      'invalid-argument',
      `${field}: expected a path below ${kubeletDir} (--kubelet-dir), got ${quote(path)}`,
    );
  }
  return path.slice(kubeletDir.length);
};

/** True for `/a/b`: absolute, no empty, `.` or `..` component, no trailing slash, no control character. */
export const isNormalAbsolute = (path: string): boolean =>
  path.startsWith('/') &&
  Buffer.byteLength(path) <= 4095 &&
  path
    .slice(1)
    .split('/')
    .every((part) => componentProblem(part) === undefined);

const directoryProblem = (text: string): string | undefined => {
  if (text === '') return 'not empty';
  if (text.startsWith('/')) return 'not absolute';
  if (Buffer.byteLength(text) > MAX_DIRECTORY_BYTES) return `at most ${MAX_DIRECTORY_BYTES} bytes`;
  const components = text.split('/');
  if (components.length > MAX_COMPONENTS) return `at most ${MAX_COMPONENTS} components`;
  if (components[0] === OWN_FOLDER) return `not in ${OWN_FOLDER}, which is the driver's own`;
  for (const component of components) {
    const problem = componentProblem(component);
    if (problem !== undefined) return problem;
  }
  return undefined;
};

const componentProblem = (component: string): string | undefined => {
  if (component === '') return 'no empty component';
  if (component === '.' || component === '..') return 'no "." or ".." component';
  if (Buffer.byteLength(component) > MAX_COMPONENT_BYTES) return `components of at most ${MAX_COMPONENT_BYTES} bytes`;
  if (hasControl(component)) return 'no control character';
  return undefined;
};

const hasControl = (text: string): boolean => {
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    if (point < 0x20 || point === 0x7f) return true;
  }
  return false;
};
