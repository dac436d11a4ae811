import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkTemplate } from './parameters.ts';
import { renderTemplate } from './template.ts';

const claim = { namespace: 'shop', name: 'orders' };

describe('a directory template', () => {
  it.each([
    ['{namespace}-{claim}-{volume}', 'shop-orders-pvc-1'],
    ['{namespace}/{claim}', 'shop/orders'],
    ['of-{claim}/in-{namespace}', 'of-orders/in-shop'],
  ])('%s gives %s', (template, directory) => expect(renderTemplate(template, 'pvc-1', claim)).toBe(directory));

  it('falls back to the name of the volume where the claim is unknown or too long', () => {
    expect(renderTemplate('{namespace}-{claim}-{volume}', 'pvc-1', undefined)).toBe('pvc-1');
    expect(renderTemplate('{claim}-{volume}', 'pvc-1', { namespace: 'n', name: 'x'.repeat(252) })).toBe('pvc-1');
  });

  it('without {volume} does not fall back to another place', () => {
    expect(() => renderTemplate('{namespace}/{claim}', 'pvc-1', undefined)).toThrow(/extra-create-metadata/);
  });

  it.each(['', '/x', '../x', 'a//b', '{other}', '{claim', 'a b', '.csi-subdir/{volume}', 'a\0', '{volume}/..', '$(x)'])(
    '%j is refused',
    (template) =>
      expect(() => checkTemplate(template, 'parameters.directory')).toThrow(/^parameters\.directory: expected/),
  );

  it.each([
    '{namespace}-{claim}',
    '{claim}',
    '{namespace}',
    'fixed/place',
    'x/{namespace}{claim}',
    '{claim}/x',
    '{claim}-{namespace}/x',
  ])('%s is refused: two claims would share a directory', (template) =>
    expect(() => checkTemplate(template, 'x')).toThrow(/^x: expected a directory that no other claim/),
  );

  it('without {volume} gives different claims different directories', () => {
    const label = fc.string({ unit: fc.constantFrom('a', 'b', '-', '.'), minLength: 1, maxLength: 4 });
    const templates = fc.constantFrom('{namespace}/{claim}', '{claim}/{namespace}', 'a-{namespace}-/b/{claim}-a');
    fc.assert(
      fc.property(templates, label, label, label, label, (template, namespace, name, otherNamespace, otherName) => {
        fc.pre(namespace !== otherNamespace || name !== otherName);
        const render = (one: { namespace: string; name: string }): string | undefined => {
          try {
            return renderTemplate(template, 'pvc-1', one);
          } catch {
            return undefined;
          }
        };
        const [first, second] = [render({ namespace, name }), render({ namespace: otherNamespace, name: otherName })];
        expect(first === undefined || first !== second).toBe(true);
      }),
    );
  });

  it('that is accepted never leads out of the root', () => {
    const part = fc.constantFrom('{namespace}', '{claim}', '{volume}', '/', '-', '.', '..', 'a', '{', '}');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const template = parts.join('');
        try {
          checkTemplate(template, 'directory');
        } catch {
          return;
        }
        expect(renderTemplate(template, 'pvc-1', claim)).not.toMatch(/(^|\/)\.\.?(\/|$)|^\/|\/\/|^\.csi-subdir/);
      }),
    );
  });
});
