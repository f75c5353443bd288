/** Numbers of pages to show: the first, the last, those around the present one; null stands for an ellipsis. */
export function pages(present: number, last: number, around = 1): (number | null)[] {
  const wanted = new Set<number>([1, last]);
  for (let page = present - around; page <= present + around; page += 1) {
    if (page >= 1 && page <= last) wanted.add(page);
  }
  const out: (number | null)[] = [];
  let before = 0;
  for (const page of [...wanted].sort((a, b) => a - b)) {
    // An ellipsis that would hide one page alone shows it instead.
    if (page - before === 2) out.push(page - 1);
    else if (page - before > 2) out.push(null);
    out.push(page);
    before = page;
  }
  return out;
}
