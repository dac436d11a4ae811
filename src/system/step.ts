/**
 * Called between the steps of a change on disk, so that the crash tests can end the process exactly there
 * (test/driver/crash.test.ts). Production passes `noStep`.
 */
export type Step = (name: string) => void;

export const noStep: Step = () => {};
