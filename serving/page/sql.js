// The question in SQL, as the PostgreSQL protocol takes it: one table per view and grain, whose rows are by the dimensions that the statement names.

import { windowOf } from './question.js';

// select is the statement that answers what was asked of a view; '' where no single one does: a condition on a dimension that is not shown, or a range
// without a grain, takes sums over rows, and not every measure adds up. meta is the answer's.
export function select(asked, view, meta, limit) {
  const window = windowOf(asked, view), grain = window?.name ?? (asked.grain || view.grains[0]);
  const named = view.dimensions.filter(dimension => mentions(asked.where, dimension.name)).map(dimension => dimension.name);
  const adds = !asked.grain || named.some(name => !asked.dimensions.includes(name));
  const measures = asked.measures.map(name => view.measures.find(measure => measure.name === name));
  if (adds && (window || !measures.every(measure => /^(sum|count)$/.test(measure.aggregation)))) return '';
  const keys = [...asked.grain ? ['time'] : [], ...asked.dimensions.map(identifier)];
  const values = measures.map(({ name }) => adds ? `sum(${identifier(name)}) AS ${identifier(name)}` : identifier(name));
  const conditions = [];
  if (asked.from) conditions.push(`time >= '${meta.from}'`);
  if (asked.to) conditions.push(`time < '${meta.to}'`);
  if (asked.where) conditions.push(conditions.length ? `(${asked.where})` : asked.where);
  return [`SELECT ${[...keys, ...values].join(', ')}`, `FROM ${identifier(`${view.name}_${grain}`.toLowerCase())}`,
    conditions.length ? `WHERE ${conditions.join(' AND ')}` : '',
    adds && keys.length ? `GROUP BY ${keys.join(', ')}` : '',
    keys.length ? `ORDER BY ${keys.join(', ')}` : '', `LIMIT ${limit}`].filter(Boolean).join(' ');
}

// identifier is a name as SQL has it.
const identifier = name => /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;

// mentions says whether a condition names a dimension; a text that reads like one counts too.
function mentions(condition, name) {
  const at = condition.toLowerCase().split(name.toLowerCase());
  return at.slice(1).some((after, i) => !/\w$/.test(at[i]) && !/^\w/.test(after));
}
