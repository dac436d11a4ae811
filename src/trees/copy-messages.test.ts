import { describe, expect, it } from 'vitest';
import { readMessages } from './copy-messages.ts';

const judge = (...lines: readonly string[]) => {
  const messages = readMessages();
  // As a pipe delivers them: in pieces.
  for (const piece of lines
    .map((line) => `${line}\n`)
    .join('')
    .match(/.{1,7}/gs) ?? [])
    messages.read(piece);
  return { harmless: messages.areHarmless(), replaced: messages.haveReplaced(), fault: messages.fault.reason };
};

describe.each(['cp', '/bin/cp'])('the messages of %s', (cp) => {
  it('are harmless about what was removed', () => {
    const removed = [
      `${cp}: cannot stat '/source/./a'$'\\n''b': No such file or directory`,
      `${cp}: cannot open '/source/./c' for reading: No such file or directory`,
      `${cp}: getting attribute 'user.a' of '/source/./d': No data available`,
    ];
    expect(judge(...removed)).toEqual({ harmless: true, replaced: false, fault: undefined });
  });

  it('ask for another pass about what was replaced', () => {
    const skipped = `${cp}: skipping file '/source/./a', as it was replaced while being copied`;
    expect(judge(skipped)).toMatchObject({ harmless: true, replaced: true, fault: undefined });
  });

  it('are a fault about anything else', () => {
    expect(judge(`${cp}: cannot create directory '/target/./a': File name too long`).fault).toMatchObject({
      kind: 'failed-precondition',
      message: "cannot be copied: cannot create directory 'a': File name too long",
    });
    expect(judge(`${cp}: error writing '/target/./a': No space left on device`).fault).toMatchObject({
      kind: 'no-space',
    });
    expect(judge(`${cp}: cannot stat '/source/./a': Input/output error`).fault).toMatchObject({ kind: 'unreachable' });
  });
});

it('what another program says is not harmless', () => {
  expect(judge("cp: cannot stat '/source/./a': No such file or directory", 'Killed')).toMatchObject({
    harmless: false,
  });
  expect(judge()).toMatchObject({ harmless: false });
});
