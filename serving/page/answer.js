// An answer that is followed: each row beside its origin. An update makes a new answer of the one before.

// whole is the answer of a reset, or of a query. Rows of hops stand as far apart as buckets of a grain would: their window says how far.
export function whole(result, window) {
  const dimensions = result.meta.columns.filter(column => column.role === 'dimension').map(column => column.name);
  const rows = result.data.map((values, i) => ({ key: keyOf(values, dimensions), values, origin: result.provenance.rows[i] }));
  return { meta: { ...result.meta, grain: result.meta.grain ?? window?.every }, statistics: result.statistics, provenance: result.provenance, dimensions, rows };
}

// amended is an answer after an update.
export function amended(answer, update) {
  const { dimensions } = answer;
  const rows = new Map(answer.rows.map(row => [row.key, row]));
  for (const values of update.removed) rows.delete(keyOf(values, dimensions));
  update.rows.forEach((values, i) => {
    const key = keyOf(values, dimensions);
    rows.set(key, { key, values, origin: update.origins[i] });
  });
  const ordered = [...rows.values()].sort((a, b) => Date.parse(a.values.time) - Date.parse(b.values.time) || compare(a, b, dimensions));
  return { ...answer, statistics: update.statistics, provenance: update.provenance, rows: ordered };
}

// isLive says whether the speed layer has a part in a row: such rows are drawn dashed.
export const isLive = origin => origin.source === 'speed' || origin.source === 'merged';

// landed holds the keys of rows that were live in the answer before and rest on batch alone now.
export function landed(before, after) {
  const live = new Set(before.rows.filter(row => isLive(row.origin)).map(row => row.key));
  return new Set(after.rows.filter(row => live.has(row.key) && !isLive(row.origin)).map(row => row.key));
}

// keyOf names a row by its bucket and its dimensions.
const keyOf = (values, dimensions) => JSON.stringify([values.time ?? null, ...dimensions.map(name => values[name])]);

function compare(a, b, dimensions) {
  for (const name of dimensions) {
    const x = a.values[name], y = b.values[name];
    if (x === y) continue;
    if (x === null) return 1;
    if (y === null) return -1;
    return x < y ? -1 : 1;
  }
  return 0;
}
