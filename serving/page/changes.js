// The changes panel: the ledger of the snapshot that answers rest on. Nothing may be unexplained.

import { $, el } from './dom.js';
import * as format from './format.js';

const words = {
  batch_dedup: 'repeats left out', sketch_error: 'estimate became exact', erasure: 'erased events', cardinality: 'values named',
  coverage: 'was partial', definition_change: 'definition changed', unexplained: 'unexplained',
};

// changesPath asks for the ledger of the current snapshot of a view.
export const changesPath = view => `v1/views/${encodeURIComponent(view)}/changes?limit=40`;

// draw shows a ledger; view is the catalogue's.
export function draw(ledger, view) {
  const { changes, classes, compared, changed, unexplained } = ledger;
  if (ledger.reason && !compared) return $('changes').replaceChildren(el('p', {}, sentence(ledger.reason)));
  const sure = unexplained ? el('p', { class: 'verdict bad' }, `✕ ${format.count(unexplained)} unexplained`) : el('p', { class: 'verdict good' }, el('span', { class: 'icon good', 'aria-hidden': 'true' }, '✓'), ' Nothing unexplained');
  $('changes').replaceChildren(sure,
    el('p', {}, `${format.count(changed)} ${changed === 1 ? 'number' : 'numbers'} changed; ${format.count(compared)} cells were compared.`, ledger.reason ? ' ' + sentence(ledger.reason) : null),
    el('ul', { class: 'classes' }, ...Object.entries(classes).map(([name, n]) => el('li', {}, el('b', {}, format.count(n)), ' ' + (words[name] ?? name)))),
    el('ol', { class: 'ledger', tabindex: changes.length > 4 ? 0 : false, 'aria-label': 'changed answers' }, ...changes.map(entry => line(entry, view))),
    el('small', {}, ledger.snapshot));
}

// line is one changed answer.
export function line(entry, view) {
  const measure = view.measures.find(m => m.name === entry.measure), type = measure?.type;
  const where = entry.total ? 'all' : Object.values(entry.dimensions).map(format.dimension).join(' · ');
  const sign = entry.difference !== null && Number(entry.difference) > 0 ? '+' : '';
  return el('li', {}, el('span', { class: 'when' }, `${format.bucket(Date.parse(entry.time), entry.grain, view.timezone)} · ${where}`),
    el('span', { class: 'what' }, `${entry.measure}: ${format.number(entry.before, type)} → `, el('b', {}, format.number(entry.after, type)),
      entry.difference === null ? null : el('i', {}, ` ${sign}${format.number(entry.difference, type)}`)),
    el('span', { class: 'why' }, entry.parts.map(part => words[part.class] ?? part.class).join(', ')));
}

const sentence = text => text[0].toUpperCase() + text.slice(1) + '.';

// lost says that the ledger cannot be had.
export const lost = problem => $('changes').replaceChildren(el('p', {}, problem.message));
