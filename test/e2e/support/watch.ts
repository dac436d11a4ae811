import { createInterface } from 'node:readline';
import { execa } from 'execa';

/** When an object was first seen in a state. */
export interface Watch {
  /** Milliseconds (performance.now) by name. */
  readonly seen: ReadonlyMap<string, number>;
  readonly stop: () => void;
}

/** Watches objects of a namespace, `pods`, with the moment when the state at a jsonpath was first `wanted`. */
export const watchFor = (namespace: string, kind: string, jsonpath: string, wanted: string): Watch => {
  const output = `jsonpath={.metadata.name} {${jsonpath}}{"\\n"}`;
  const child = execa('kubectl', ['get', kind, `--namespace=${namespace}`, '--watch', `--output=${output}`], {
    reject: false,
    buffer: false,
  });
  const seen = new Map<string, number>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [name = '', state] = line.split(' ');
    if (state === wanted && !seen.has(name)) seen.set(name, performance.now());
  });
  return { seen, stop: () => void child.kill() };
};
