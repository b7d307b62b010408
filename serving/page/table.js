// The table holds the same numbers as the chart, and where each row comes from.

import { $, el } from './dom.js';
import * as format from './format.js';
import { isLive } from './answer.js';

const rowsShown = 500;

// draw shows an answer; the columns are in the order of the answer.
export function draw(answer) {
  const { meta, rows, statistics } = answer;
  const columns = meta.columns.filter(column => column.role !== 'time' || meta.grain || meta.window);
  const kind = column => column.role === 'measure' ? 'number' : '';
  $('table').tHead.replaceChildren(el('tr', {}, ...columns.map(column => el('th', { scope: 'col', class: kind(column) },
    column.name, column.unit ? el('span', { class: 'unit' }, ' ' + column.unit) : null)), el('th', { scope: 'col' }, 'from'), el('th', { scope: 'col' }, 'certainty')));
  $('table').tBodies[0].replaceChildren(...rows.slice(0, rowsShown).map(({ values, origin }) => el('tr', { class: isLive(origin) ? 'live' : false },
    ...columns.map(column => el('td', { class: kind(column) }, text(column, values[column.name], meta))),
    el('td', { class: 'source' }, format.source(origin)), el('td', {}, format.certainty(origin)))));
  const more = [];
  if (rows.length > rowsShown) more.push(`The first ${format.count(rowsShown)} of ${format.count(rows.length)} rows.`);
  if (statistics.truncated) more.push(`${format.count(statistics.total_rows)} rows match; no more than ${format.count(rows.length)} are followed.`);
  $('more').textContent = more.join(' ');
}

function text(column, value, meta) {
  if (column.role === 'time' || column.role === 'end') return format.bucket(Date.parse(value), meta.grain ?? '1s', meta.timezone);
  return column.role === 'measure' ? format.number(value, column.type) : format.dimension(value);
}
