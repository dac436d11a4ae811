import { type Document, isAlias, isMap, isScalar, type Node, type Pair, parseDocument } from 'yaml';
import { code, table } from '../table.ts';

/** The table of values, from the comments of values.yaml that start with `--`. Throws for a key that has none. */
export const valuesTable = (yaml: string): string => {
  const document = parseDocument(yaml);
  return table(['value', 'default', 'meaning'], describe(document.contents, '', document));
};

const describe = (node: Node | null | undefined, prefix: string, document: Document): readonly string[][] =>
  isMap<unknown, Node | null>(node)
    ? node.items.flatMap((pair, index) => {
        // What stands above the first key is taken for the comment of the whole map.
        const above = index === 0 ? node.commentBefore : undefined;
        return describePair(pair, above ?? commentOf(pair.key), prefix, document);
      })
    : [];

const describePair = (
  { key, value }: Pair<unknown, Node | null>,
  comment: string,
  prefix: string,
  document: Document,
): readonly string[][] => {
  const name = isScalar(key) ? String(key.value) : '';
  const path = `${prefix}${name}`;
  if (name === '<<' && isAlias(value)) return [[code(`${prefix}…`), '', `As \`${pathOf(value.source)}\`.`]];
  const text = meaningIn(comment);
  if (text !== undefined) return [[code(path), code(JSON.stringify(value?.toJS(document))), text]];
  if (!isMap(value)) throw new Error(`values.yaml: ${path} has no comment that starts with "--"`);
  return describe(value, `${path}.`, document);
};

/** Where the anchors of values.yaml are. */
const pathOf = (anchor: string): string => ({ node: 'local.node.…', controller: 'local.resizer.…' })[anchor] ?? anchor;

const commentOf = (key: unknown): string => (isScalar(key) && key.commentBefore) || '';

/** A comment's lines from `--` on, as one paragraph. */
const meaningIn = (comment: string): string | undefined => {
  const start = comment.indexOf(' -- ');
  return start < 0
    ? undefined
    : comment
        .slice(start + 4)
        .replace(/\n\s*/g, ' ')
        .trim();
};
