// Explains one number: what batch and each epoch of the speed layer have in it, of which panes a window's row is, and what publishes changed of it.

import { $, el } from './dom.js';
import { hasToken, read } from './api.js';
import { line } from './changes.js';
import { condition } from './largest.js';
import * as format from './format.js';

const panesShown = 100;

// open shows the explanation of the row of an answer to a question that starts at a time (RFC 3339) and has the values group of its dimensions; view is the
// catalogue's.
export async function open(view, meta, { dimensions, where }, time, group) {
  const query = new URLSearchParams(meta.window ? { at: time, window: meta.window } : { at: time, grain: meta.grain });
  const unknown = dimensions.filter((_, i) => group[i] === null), conditions = where ? [`(${where})`] : [];
  if (unknown.length) conditions.push(condition(unknown, [], [unknown.map(() => null)]));
  if (conditions.length) query.set('where', conditions.join(' and '));
  dimensions.forEach((name, i) => { if (group[i] !== null) query.set(name, group[i]); });
  const path = `v1/views/${encodeURIComponent(view.name)}/explain?${query}`;
  const title = [format.bucket(Date.parse(time), meta.grain ?? '1s', meta.timezone), ...group.map(format.dimension)].join(' · ');
  const dialog = $('explanation');
  const close = el('button', { type: 'button', click: () => dialog.close() }, 'Close');
  const frame = (...body) => dialog.replaceChildren(el('h2', { id: 'explained' }, title), ...body, el('p', { class: 'together' }, close, hasToken() ? null : el('a', { href: path, target: '_blank', rel: 'noopener' }, 'as JSON')));
  frame(el('p', {}, 'Asking …'));
  if (!dialog.open) dialog.showModal();
  try {
    const told = await read(path);
    frame(...body(told, view));
  } catch (problem) {
    frame(el('p', { class: 'verdict bad' }, problem.message), el('p', {}, problem.suggestion ?? ''));
  }
}

function body(told, view) {
  const measures = view.measures.filter(measure => told.answer && measure.name in told.answer);
  return [
    told.window ? el('p', {}, `A row of ${told.window}, from ${format.second(told.time, view.timezone)} to ${format.second(told.end, view.timezone)}.`) : '',
    el('p', { class: 'remark' }, told.note),
    el('dl', {}, ...measures.map(measure => el('div', {}, el('dt', {}, measure.name, measure.unit ? ` (${measure.unit})` : ''),
      el('dd', {}, format.number(told.answer[measure.name], measure.type), el('small', {}, format.certainty(told.origin, measure.name)))))),
    el('h3', {}, 'Who counted'),
    el('dl', {},
      el('div', {}, el('dt', {}, 'batch'), el('dd', {}, `${format.count(told.batch.events)} events`, el('small', {}, told.batch.snapshot ? `snapshot ${told.batch.snapshot}` : 'no snapshot yet'))),
      el('div', {}, el('dt', {}, 'speed layer'), el('dd', {}, `${format.count(told.speed.events)} events`,
        ...told.speed.epochs.map(epoch => el('small', {}, `partition ${epoch.partition}, from offset ${format.count(epoch.start)}: ${format.count(epoch.events)}`)))),
      el('div', {}, el('dt', {}, 'the seam'), el('dd', {}, ...told.partitions.map(p => el('small', {}, `partition ${p.partition}: batch below ${format.count(p.batch)}, live up to ${format.count(p.served)}`))))),
    ...panes(told, view.timezone),
    el('h3', {}, 'What publishes changed'),
    told.changes.length ? el('ol', { class: 'ledger' }, ...told.changes.slice(0, 20).map(entry => line(entry, view))) : el('p', {}, 'Nothing, as far as ledgers are kept.'),
  ];
}

// panes lists the buckets that a hop or a session is composed of; of a session by the events in them.
function panes({ panes = [], panes_left_off: leftOff = 0 }, timezone) {
  if (!panes.length) return [];
  const more = panes.length + leftOff - panesShown;
  return [
    el('h3', {}, 'Its panes'),
    el('ol', { class: 'ledger', id: 'panes', tabindex: panes.length > 4 ? 0 : false, 'aria-label': 'panes' }, ...panes.slice(0, panesShown).map(pane => el('li', {},
      el('span', { class: 'when' }, `${format.second(pane.first ?? pane.time, timezone)} to ${format.second(pane.last ?? pane.end, timezone)}`),
      el('span', { class: 'what' }, `${format.count(pane.events)} ${pane.events === 1 ? 'event' : 'events'}`), el('span', { class: 'why' }, format.source(pane))))),
    more > 0 ? el('p', {}, `and ${format.count(more)} later ones`) : '',
  ];
}
