// The table holds the same numbers as the chart, and where each row comes from.

import { $, el } from './dom.js';
import * as format from './format.js';
import { isLive } from './answer.js';

const rowsShown = 500;

// draw shows an answer; the columns are in the order of the answer. The time of a row opens its explanation, by explain(time, group); of these buttons one is a stop
// of Tab, and the arrows go up and down from it.
export function draw(answer, explain) {
  const { meta, rows, statistics } = answer;
  const columns = meta.columns.filter(column => column.role !== 'time' || meta.grain || meta.window);
  const kind = column => column.role === 'measure' ? 'number' : '';
  $('table').tHead.replaceChildren(el('tr', {}, ...columns.map(column => el('th', { scope: 'col', class: kind(column) },
    column.name, column.unit ? el('span', { class: 'unit' }, ' ' + column.unit) : null)), el('th', { scope: 'col' }, 'from'), el('th', { scope: 'col' }, 'certainty')));
  const held = buttons().indexOf(document.activeElement);
  const cell = (column, values, i) => column.role !== 'time' ? text(column, values[column.name], meta)
    : el('button', { type: 'button', title: 'where it comes from', tabindex: i === Math.max(0, held) ? 0 : -1, click: () => explain(values.time, answer.dimensions.map(name => values[name])) }, text(column, values.time, meta));
  $('table').tBodies[0].replaceChildren(...rows.slice(0, rowsShown).map(({ values, origin }, i) => el('tr', { class: isLive(origin) ? 'live' : false },
    ...columns.map(column => el('td', { class: kind(column) }, cell(column, values, i))),
    el('td', { class: 'source' }, format.source(origin)), el('td', {}, format.certainty(origin)))));
  $('table').onkeydown = walk;
  if (held >= 0) stand(held);
  const more = [];
  if (rows.length > rowsShown) more.push(`The first ${format.count(rowsShown)} of ${format.count(rows.length)} rows.`);
  if (statistics.truncated) more.push(`${format.count(statistics.total_rows)} rows match; no more than ${format.count(rows.length)} are followed.`);
  $('more').textContent = more.join(' ');
}

const buttons = () => [...$('table').querySelectorAll('tbody button')];

// stand puts the focus on the button of a row, or of the last one.
function stand(row) {
  const all = buttons(), to = all[Math.min(Math.max(row, 0), all.length - 1)];
  for (const button of all) button.tabIndex = button === to ? 0 : -1;
  to?.focus();
}

function walk(event) {
  const at = buttons().indexOf(document.activeElement), step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (at < 0 || !step || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  stand(at + step);
}

function text(column, value, meta) {
  if (column.role === 'time' || column.role === 'end') return format.bucket(Date.parse(value), meta.grain ?? '1s', meta.timezone);
  return column.role === 'measure' ? format.number(value, column.type) : format.dimension(value);
}
