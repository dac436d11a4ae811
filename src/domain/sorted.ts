/** The place of a name among things that are sorted by name: the index of the first one that does not come before it. */
export const placeOf = (sorted: readonly { readonly name: string }[], name: string): number => {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle]?.name ?? '') < name) low = middle + 1;
    else high = middle;
  }
  return low;
};
